"""Telegram's refusals are mapped to errors of the contract."""

from __future__ import annotations

import re

import pytest

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    RecipientMoved,
    RecipientRefused,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.integrations.telegram.errors import ERRORS
from hub.integrations.telegram.integration import Telegram
from hub.lib import provider_http
from tests.integrations.http_recorder import HttpRecorder
from tests.integrations.telegram_posts import (
    SETTINGS,
    TEAM,
    TOKEN,
    make_bot,
    outbound,
    refusal,
    refused,
)
from tests.integrations.telegram_posts import telegram as telegram

SECRET = TOKEN.partition(":")[2]


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "description", "error", "code"),
    [
        (401, "Unauthorized", ConnectionBroken, "token_refused"),
        (404, "Not Found", ConnectionBroken, "token_unknown"),
        (409, "Conflict: terminated by other getUpdates request", ConnectionBroken, "conflict"),
        (
            400,
            "Bad Request: not enough rights to send text messages to the chat",
            DestinationUnavailable,
            "no_rights",
        ),
        (400, "Bad Request: chat not found", RecipientRefused, "chat_not_found"),
        (400, "Bad Request: chat_id is empty", RecipientRefused, "chat_not_found"),
        (400, "Bad Request: private chat not found", RecipientRefused, "chat_not_found"),
        (403, "Forbidden: bot was blocked by the user", RecipientRefused, "bot_blocked"),
        (403, "Forbidden: user is deactivated", RecipientRefused, "user_deactivated"),
        (
            403,
            "Forbidden: bot was kicked from the group chat",
            DestinationUnavailable,
            "bot_removed",
        ),
        (403, "Forbidden: the group chat was deleted", DestinationUnavailable, "group_deleted"),
        (
            403,
            "Forbidden: bot can't initiate conversation with a user",
            RecipientRefused,
            "not_started",
        ),
        (403, "Forbidden: something new", DestinationUnavailable, "forbidden"),
        (400, "Bad Request: message text is empty", PermanentError, "text_empty"),
        (400, "Bad Request: message is too long", PermanentError, "too_long"),
        (400, "Bad Request: Wrong HTTP URL specified", PermanentError, "bad_link"),
        (400, "Bad Request: reply markup is too long", PermanentError, "bad_buttons"),
        (400, "Bad Request: BUTTON_DATA_INVALID", PermanentError, "bad_buttons"),
        (400, "Bad Request: message to edit not found", PermanentError, "edit_gone"),
        (400, "Bad Request: something new", DestinationUnavailable, "http_400"),
        (500, "Internal Server Error", OutcomeUnknown, "http_500"),
        (502, "Bad Gateway", OutcomeUnknown, "http_502"),
        (504, "Gateway Timeout", OutcomeUnknown, "http_504"),
    ],
)
def test_refusal_is_classified_by_its_description(
    telegram: Telegram,
    http_recorder: HttpRecorder,
    status: int,
    description: str,
    error: type[SendError],
    code: str,
) -> None:
    refusal = refused(telegram, http_recorder, status, description, outbound(to="4711"))
    assert isinstance(refusal, error)
    assert refusal.code == code


ABOUT_A_CHAT = [
    (400, "Bad Request: not enough rights to send text messages to the chat"),
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
    (400, "Bad Request: TOPIC_CLOSED"),
    (400, "Bad Request: message thread not found"),
    (400, "Bad Request: CHANNEL_PRIVATE"),
    (403, "Forbidden: bot was kicked from the group chat"),
    (403, "Forbidden: something new"),
    (403, "Forbidden: bot was kicked from the supergroup chat"),
    (403, "Forbidden: bot is not a member of the channel chat"),
    (403, "Forbidden: the group chat was deleted"),
    (403, "Forbidden: user is deactivated"),
    (400, "Bad Request: SOMETHING_NEW"),
    (406, "Not Acceptable: SOMETHING_NEW"),
]


@pytest.mark.parametrize(("status", "description"), ABOUT_A_CHAT)
def test_refusal_about_a_chat_is_no_opt_out_of_a_person(
    http_recorder: HttpRecorder, status: int, description: str
) -> None:
    team_error = refused(
        make_bot(http_recorder, team_chat=TEAM),
        http_recorder,
        status,
        description,
        outbound(to=TEAM),
    )
    assert isinstance(team_error, DestinationUnavailable)
    assert team_error.sure == ("SOMETHING_NEW" not in description)


def test_upgraded_group_names_its_new_id(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    description = "Bad Request: group chat was upgraded to a supergroup chat"
    error = refused(telegram, http_recorder, 400, description, migrate_to_chat_id=-1009876543210)
    assert isinstance(error, RecipientMoved)
    assert Telegram.clean_address(error.new) == error.new == "-1009876543210"


@pytest.mark.parametrize(("parameters", "seconds"), [({"retry_after": 35}, 35.0), ({}, 5.0)])
def test_rate_limit_of_one_chat_does_not_pause_others(
    telegram: Telegram, http_recorder: HttpRecorder, parameters: dict[str, int], seconds: float
) -> None:
    error = refused(telegram, http_recorder, 429, "Too Many Requests: retry after 35", **parameters)
    assert isinstance(error, TransientError)
    assert not isinstance(error, SlowDown | Unreachable)
    assert error.retry_after == seconds


def test_unsigned_update_changes_no_message(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    for status in (401, 403, 404, 407):
        http_recorder.answer(status, "<html>nginx</html>")
        with pytest.raises(Unreachable, match="HUB_TELEGRAM_API_URL"):
            telegram.send(outbound())
    http_recorder.answer(408, "<html>nginx</html>")
    http_recorder.answer(302, "", Location="https://elsewhere.example")
    http_recorder.answer(200, "<html>welcome to our wi-fi</html>")
    http_recorder.answer(200, {"ok": True, "result": {}})
    for _ in range(4):
        with pytest.raises(OutcomeUnknown):
            telegram.send(outbound())
    http_recorder.answer(503, "", Retry_After="3")
    with pytest.raises(SlowDown):
        telegram.send(outbound())


def test_refused_connection_differs_from_a_timeout(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    with pytest.raises(OutcomeUnknown, match="closed the connection") as problem:
        telegram.send(outbound())
    assert problem.value.code == "no_answer"
    unreachable = Telegram(
        SETTINGS,
        provider_http.ProviderHttpClient(allow=["127.0.0.1:1"]),
        {"telegram": "http://127.0.0.1:1"},
    )
    with pytest.raises(Unreachable) as unreached:
        unreachable.send(outbound())
    assert unreached.value.code == "unreachable"


@pytest.mark.parametrize("code", sorted(ERRORS.codes))
def test_every_refusal_is_explained_with_a_remedy(code: str) -> None:
    explanation = Telegram.explain(code)
    assert explanation is not None
    for sentence in (explanation.text, explanation.remedy):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert not [
            unwanted for unwanted in ("!", "  ", "'", "please") if unwanted in sentence.lower()
        ]
    assert re.fullmatch("[a-z_]{4,20}", code)


def test_error_contains_neither_the_token_nor_the_message(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    for status in (200, 302, 400, 401, 403, 404, 429, 500, 503):
        http_recorder.answer(
            status, refusal(status, f"Bad Request: {SECRET} said Anna has signed.")
        )
    with provider_http.record_exchanges() as exchanges:
        for _ in range(10):  # the last is dropped
            with pytest.raises(SendError) as problem:
                telegram.send(outbound())
            error_text = (
                f"{problem.value} {problem.value!r} {vars(problem.value)}"
                f" {problem.value.__cause__!r}"
            )
            assert SECRET not in error_text
            assert "has signed" not in error_text
    assert SECRET not in repr(exchanges)
    assert len(exchanges) == 10
