"""Telegram's updates about chats, and updates of other kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import Address
from hub.integrations.base import (
    ChatPermission,
    Unrecognized,
)
from hub.integrations.telegram.integration import Telegram
from tests.integrations.telegram_updates import AT, BOT, ERIC, GROUP, PRIVATE, make_request, parse


# ── Chats ─────────────────────────────────────────────────────────────────────────────────────────
def make_membership_update(status: str, chat: dict[str, Any]) -> dict[str, Any]:
    changed = {
        "chat": chat,
        "from": ERIC,
        "date": int(AT.timestamp()),
        "new_chat_member": {"status": status, "user": {"id": 1}},
    }
    return {"update_id": 11, "my_chat_member": changed}


@pytest.mark.parametrize(
    ("status", "chat", "expected", "reason"),
    [
        ("kicked", PRIVATE, False, "blocked"),
        ("member", PRIVATE, True, "unblocked"),
        ("kicked", GROUP, False, "removed"),
        ("left", GROUP, False, "removed"),
        ("member", GROUP, True, "added"),
        ("administrator", GROUP, True, "added"),
    ],
)
def test_chat_membership_change_is_read(
    status: str, chat: dict[str, Any], expected: bool, reason: str
) -> None:
    (change,) = parse(make_membership_update(status, chat))
    assert isinstance(change, ChatPermission)
    assert (change.allowed, change.address, change.kind, change.at) == (
        expected,
        str(chat["id"]),
        Address.CHAT,
        AT,
    )
    assert reason in change.reason
    assert change.reason.endswith(".")


def test_incomplete_membership_update_yields_no_event() -> None:
    assert parse(make_membership_update("restricted", GROUP)) == []
    assert parse(make_membership_update("", GROUP)) == []


# ── Anything else ─────────────────────────────────────────────────────────────────────────────────
NAMES = st.sampled_from(
    [
        "message",
        "callback_query",
        "my_chat_member",
        "chat",
        "from",
        "id",
        "type",
        "text",
        "date",
        "data",
        "update_id",
        "new_chat_member",
        "status",
        "message_id",
        "reply_to_message",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["/start x", "private", "kicked"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@given(update=JSON | st.dictionaries(NAMES, JSON))
def test_any_update_is_parsed_without_errors(update: Any) -> None:
    strange = make_request(update)
    assert BOT.parse_events(strange) == BOT.parse_events(strange)
    assert all(Telegram.callback_key(strange)[:1])
    assert json.loads(Telegram.webhook_response(strange, True)[1]) is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[" * 100_000, b'{"update_id": ' + b"9" * 5000 + b"}", b"null", b"[]", b"1"],
)
def test_body_that_is_no_update_is_set_aside(body: bytes) -> None:
    assert [type(fact) for fact in parse(body)] == [Unrecognized]
    assert Telegram.webhook_response(make_request(body), True) == ("application/json", "{}")
    assert Telegram.callback_key(make_request(body))[0]
