"""Messages in the API: sent, listed, read, canceled and resent, for each source separately."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Attempt, Connection, Message
from tests.api.conftest import StrictApp
from tests.api.message_steps import UNKNOWN_ID, send_message
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    copy_connection,
    count,
    deliver,
    event_body,
    json_of,
    set_connection_state,
    signer_body,
    update_message,
)


@pytest.mark.parametrize("text", ["\u202e", "\u2066\u2069", "\x07", " \u202a\u202c\n", "\ufdd0"])
def test_text_of_unsendable_characters_is_refused_as_empty(
    signing_app: SigningApp, text: str
) -> None:
    answer = signing_app.post("/messages", {"channel": "sms", "to": ERIC, "text": text})
    assert (answer.status_code, json_of(answer)["code"], json_of(answer)["field"]) == (
        422,
        "empty_text",
        "text",
    )


# ── Sending ───────────────────────────────────────────────────────────────────────────────────────
def test_message_response_matches_the_stored_message(
    signing_app: StrictApp, connection: Connection
) -> None:
    message = send_message(signing_app, to=ANNA)
    assert (message["status"], message["to"], message["channel"], message["connection"]) == (
        "queued",
        ANNA,
        "sms",
        connection.slug,
    )
    assert message["created_at"].endswith("Z")
    assert message["test"] is True
    assert [entry["what"] for entry in message["timeline"]] == ["planned"]
    assert json_of(signing_app.get(f"/messages/{message['id']}")) == message


@pytest.mark.parametrize(
    ("message", "status", "field"),
    [
        ({"channel": "sms", "to": ERIC}, 422, "text"),
        ({"channel": "sms", "text": "x"}, 422, "to"),
        ({"to": ERIC, "text": "x"}, 422, "channel"),
        ({"channel": "sms", "connection": "demo-sms", "to": ERIC, "text": "x"}, 422, "channel"),
        ({"channel": "fake_chat", "to": ERIC, "text": "x"}, 422, "channel"),
        ({"channel": "telegram", "to": ERIC, "text": "x"}, 422, "channel"),
        ({"connection": "nobody", "to": ERIC, "text": "x"}, 404, "connection"),
        ({"channel": "sms", "to": "5551234567", "text": "x"}, 422, "to"),
        ({"channel": "sms", "to": ERIC, "text": ""}, 422, "text"),
        ({"channel": "sms", "to": ERIC, "text": " \n"}, 422, "text"),
        ({"channel": "sms", "to": ERIC, "text": "x" * 1601}, 422, "text"),
        (
            {"channel": "sms", "to": ERIC, "text": "x", "media_url": "ftp://files.example/a.pdf"},
            422,
            "media_url",
        ),
        ({"channel": "sms", "to": ERIC, "text": "x", "template": "t"}, 422, "template"),
        (
            {"channel": "sms", "to": ERIC, "text": "x", "send_at": "2030-01-01T00:00:00Z"},
            422,
            "send_at",
        ),
    ],
)
def test_invalid_message_is_refused_with_its_field(
    signing_app: StrictApp,
    connection: Connection,
    message: dict[str, Any],
    status: int,
    field: str | None,
) -> None:
    answer = signing_app.post("/messages", message)
    assert (answer.status_code, json_of(answer).get("field")) == (status, field)
    assert count(Message) == 0


def test_disabled_connection_refuses_messages(
    signing_app: StrictApp, connection: Connection
) -> None:
    set_connection_state(connection.id, ConnectionState.DISABLED)
    by_name = signing_app.post(
        "/messages", {"connection": connection.slug, "to": ERIC, "text": "x"}
    )
    by_channel = signing_app.post("/messages", {"channel": "sms", "to": ERIC, "text": "x"})
    assert (by_name.status_code, by_channel.status_code) == (409, 422)


# ── Listing ───────────────────────────────────────────────────────────────────────────────────────
def test_pages_are_complete_newest_first_and_without_repeats(signing_app: StrictApp) -> None:
    ids = [send_message(signing_app, text=f"{n}")["id"] for n in range(7)]
    message_ids = []
    after = None
    while True:
        page = json_of(signing_app.get("/messages", limit=3, **({"after": after} if after else {})))
        message_ids += [message["id"] for message in page["messages"]]
        if message_ids == ids[:3:-1]:
            send_message(signing_app, text="comes in between")
        after = page["next"]
        if after is None:
            break
    assert message_ids == ids[::-1]


def test_full_last_page_has_no_next_page(signing_app: StrictApp) -> None:
    for n in range(3):
        send_message(signing_app, text=f"{n}")
    assert json_of(signing_app.get("/messages", limit=3))["next"] is None
    assert json_of(signing_app.get("/messages", limit=2))["next"] is not None


@transaction
def set_provider_id(message_id: str, provider_id: str) -> None:
    """Record an attempt that the provider accepted under this ID."""
    connection_id = db.session.get_one(Message, message_id).connection_id
    db.session.add(
        Attempt(
            message_id=message_id, number=1, connection_id=connection_id, provider_id=provider_id
        )
    )


def test_filters_narrow_the_list(signing_app: StrictApp, connection: Connection) -> None:
    copy_connection("Second", like=connection)
    eric = send_message(signing_app)
    anna = send_message(signing_app, to=ANNA)
    other = send_message(signing_app, channel=None, connection="second")
    signing_app.post("/events", event_body(signers=[signer_body("Ravi", "+919876543210")]))
    update_message(anna["id"], status="delivered")
    set_provider_id(anna["id"], "SM1")
    request_id = json_of(signing_app.get("/requests/agr-1001"))["id"]

    def list_ids(**query: Any) -> list[str]:
        return sorted(
            message["id"] for message in json_of(signing_app.get("/messages", **query))["messages"]
        )

    assert list_ids(status="delivered") == [anna["id"]]
    assert list_ids(provider_id="SM1") == [anna["id"]]
    assert list_ids(to=ANNA) == [anna["id"]]
    assert list_ids(connection="second") == [other["id"]]
    assert eric["id"] in list_ids(connection="demo-sms")
    assert len(list_ids(request="agr-1001")) == len(list_ids(request=request_id)) == 1
    assert len(list_ids(channel="sms")) == 4
    assert (
        list_ids(channel="email")
        == list_ids(to="+15550000000")
        == list_ids(request="nothing")
        == []
    )
    assert list_ids(to=ANNA, status="queued") == []
    assert list_ids(to=ANNA, provider_id="SM1", request="agr-1001") == []
    assert list_ids(to=ANNA, provider_id="SM1", channel="sms", connection="demo-sms") == [
        anna["id"]
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"after": "x"}, "after"),
        ({"after": "req_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"}, "after"),
        ({"status": "lost"}, "status"),
        ({"typo": "1"}, "typo"),
    ],
)
def test_invalid_query_is_refused_with_its_field(
    signing_app: StrictApp, query: dict[str, Any], field: str
) -> None:
    answer = signing_app.get("/messages", **query)
    assert (answer.status_code, json_of(answer)["field"]) == (422, field)


def test_connection_name_with_a_null_character_is_refused(
    signing_app: StrictApp,
) -> None:
    answer = signing_app.post("/messages", {"connection": "a\u0000b", "to": ERIC, "text": "x"})
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    "query", [{"to": "\x00"}, {"connection": "\x00"}, {"request": "\x00"}, {"provider_id": "\x00"}]
)
def test_query_for_unstorable_characters_is_refused_or_empty(
    signing_app: StrictApp, query: dict[str, Any]
) -> None:
    assert signing_app.get("/messages", **query).status_code in (200, 422)


# ── One message ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name",
    [
        UNKNOWN_ID,
        "nonsense",
        "msg_",
        "req_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
        UNKNOWN_ID.upper(),
        "%00",
    ],
)
@pytest.mark.parametrize("way", ["", "/cancel", "/resend"])
def test_unknown_message_is_not_found(signing_app: StrictApp, name: str, way: str) -> None:
    answer = (
        signing_app.post(f"/messages/{name}{way}") if way else signing_app.get(f"/messages/{name}")
    )
    assert (answer.status_code, json_of(answer)["code"]) == (404, "no_such_message")


def test_message_can_be_canceled_once(signing_app: StrictApp) -> None:
    message_id = send_message(signing_app)["id"]
    answer = signing_app.post(f"/messages/{message_id}/cancel")
    assert (answer.status_code, json_of(answer)["status"]) == (200, "canceled")
    assert json_of(answer)["timeline"][-1]["what"] == "canceled"
    response = signing_app.post(f"/messages/{message_id}/cancel")
    assert (response.status_code, json_of(response)["code"]) == (409, "not_queued")


def test_message_can_be_resent_once(signing_app: StrictApp) -> None:
    message_id = send_message(signing_app)["id"]
    early = signing_app.post(f"/messages/{message_id}/resend")
    assert (early.status_code, json_of(early)["code"]) == (409, "under_way")
    signing_app.post(f"/messages/{message_id}/cancel")
    response = signing_app.post(f"/messages/{message_id}/resend")
    assert (response.status_code, json_of(response)["status"]) == (202, "queued")
    assert json_of(response)["id"] != message_id
    second_response = signing_app.post(f"/messages/{message_id}/resend")
    assert (second_response.status_code, json_of(second_response)["code"]) == (
        409,
        "resent_already",
    )


def test_failure_is_explained_with_its_remedy(signing_app: StrictApp, simulator: Any) -> None:
    message_id = send_message(signing_app, to="+15005550010")["id"]
    deliver()
    message = json_of(signing_app.get(f"/messages/{message_id}"))
    assert (message["status"], message["code"]) == ("failed", "21608")
    assert message["error"]["code"] == "21608"
    assert "verif" in (message["error"]["text"] + message["error"]["remedy"]).lower()
    handed = [entry for entry in message["timeline"] if entry["attempt"] == 1]
    assert handed[-1]["http_status"] == 400
    assert handed[-1]["provider_request"].startswith("RQ")
