"""Telegram over HTTP, with the simulator: refusals, edited posts, links, opt-outs and buttons."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    RecipientMoved,
    RecipientRefused,
    SendError,
    TransientError,
)
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.integrations.base import Button, Card, Outbound
from hub.integrations.telegram.integration import Telegram
from hub.models import Connection, Message, Suppression
from hub.shared import integration_instances
from hub.signing import accept, chat_invitations
from hub.signing.events import EventIn
from tests.conftest import config_of
from tests.hub_fixtures import (
    credentials,
    deliver,
    event_body,
    eventually,
    process_pending_callbacks,
    set_connection_state,
    signer_body,
    source_id,
)
from tests.hub_fixtures import served as served


def demo_settings(app: Flask, **settings: Any) -> dict[str, Any]:
    return {**(Telegram.demo_settings(credentials(app)) or {}), **settings}


def make_telegram(app: Flask, **settings: Any) -> Any:
    return integration_instances.instances().create(
        "telegram", demo_settings(app, **settings), test=True
    )


def outbound(to: str, text: str = "Hello", **fields: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": to, "text": text, **fields})


def telegram_state(simulator: Any) -> dict[str, Any]:
    """Return the state of the simulated Telegram."""
    state: dict[str, Any] = simulator.test_client().get("/simulator/telegram.json").json
    return state


def simulate(simulator: Any, action: str, **fields: Any) -> dict[str, Any]:
    answer = simulator.test_client().post(f"/simulator/telegram/{action}", json=fields)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json
    return state


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("chat", "error", "code"),
    [
        ("99940001", RecipientRefused, "chat_not_found"),
        ("99940002", RecipientRefused, "chat_not_found"),
        ("99940003", RecipientRefused, "chat_not_found"),
        ("99940004", PermanentError, "text_empty"),
        ("99940005", PermanentError, "too_long"),
        ("99940007", PermanentError, "bad_link"),
        ("99940008", PermanentError, "bad_buttons"),
        ("99940009", PermanentError, "bad_buttons"),
        ("-99940010", DestinationUnavailable, "no_rights"),
        ("-99940011", RecipientMoved, "chat_moved"),
        ("99940301", RecipientRefused, "bot_blocked"),
        ("99940302", RecipientRefused, "user_deactivated"),
        ("-99940303", DestinationUnavailable, "bot_removed"),
        ("-10099940304", DestinationUnavailable, "bot_removed"),
        ("-10099940305", DestinationUnavailable, "bot_removed"),
        ("-10099940012", DestinationUnavailable, "topic_closed"),
        ("-10099940013", DestinationUnavailable, "thread_not_found"),
        ("-10099940014", DestinationUnavailable, "http_400"),
        ("-99940306", DestinationUnavailable, "group_deleted"),
        ("99940307", RecipientRefused, "not_started"),
        ("99940901", ConnectionBroken, "conflict"),
        ("99942901", TransientError, "too_many"),
        ("99950001", OutcomeUnknown, "http_500"),
        ("99950201", OutcomeUnknown, "http_502"),
        ("99950401", OutcomeUnknown, "http_504"),
        ("99950090", OutcomeUnknown, "http_500"),
    ],
)
def test_every_failing_chat_has_its_error(
    in_app: Flask, simulator: Any, chat: str, error: type[SendError], code: str
) -> None:
    with pytest.raises(SendError) as problem:
        make_telegram(in_app).send(outbound(Telegram.clean_address(chat)))
    assert (type(problem.value), problem.value.code) == (error, code)
    assert problem.value.retry_after == 1 if isinstance(problem.value, TransientError) else True


def test_plain_text_chat_receives_plain_text(in_app: Flask, simulator: Any) -> None:
    assert (
        make_telegram(in_app).send(outbound("99940006", "1 < 2", card=Card("Title"))).status
        is Status.DELIVERED
    )
    [message] = telegram_state(simulator)["messages"]
    assert (message["text"], message["entities"]) == ("Title\n\n1 < 2", [])


def test_moved_group_receives_messages_at_its_new_id(in_app: Flask, simulator: Any) -> None:
    telegram = make_telegram(in_app)
    with pytest.raises(RecipientMoved) as problem:
        telegram.send(outbound("-99940011"))
    assert telegram.send(outbound(problem.value.new)).provider_id.startswith(
        f"{problem.value.new}/"
    )


@pytest.mark.parametrize(
    ("token", "code"), [("1000000000:" + "A" * 35, "token_refused"), ("no-token", "token_unknown")]
)
def test_wrong_token_is_reported_at_its_field(
    in_app: Flask, simulator: Any, token: str, code: str
) -> None:
    result = make_telegram(in_app, token=token).check()
    assert (result.ok, result.field, result.code) == (False, "token", code)


def test_post_is_edited_in_place_with_its_buttons(in_app: Flask, simulator: Any) -> None:
    telegram = make_telegram(in_app)
    team = telegram.destination_of(telegram.settings)
    card = Card("Employment & Co", (("Signers", "0 of 1"),), ("Sent by <Acme>",))
    buttons = (
        Button("Open", "https://sign.example/1"),
        Button("Remind", "https://hub.example/a/x", token="tok-1"),
    )
    first = telegram.send(outbound(team, "Sent", card=card, buttons=buttons))
    [message] = telegram_state(simulator)["messages"]
    assert message["text"] == "Employment & Co\n\nSent\n\nSigners 0 of 1\n\nSent by <Acme>"
    assert [entity["type"] for entity in message["entities"]] == ["bold", "bold", "italic"]
    assert [button["text"] for row in message["keyboard"] for button in row] == ["Open", "Remind"]
    for _ in range(2):  # the second changes nothing, and succeeds
        assert telegram.send(outbound(team, "All signed", edits=first.provider_id)) == first
    [message] = telegram_state(simulator)["messages"]
    assert (message["text"], message["keyboard"], message["edits"]) == ("All signed", [], 1)


# ── The webhook ───────────────────────────────────────────────────────────────────────────────────
def connect_bot(app: Flask) -> str:
    """Connect the bot, set its webhook, and return the connection's ID."""
    for connection in db.session.scalars(
        select(Connection).where(Connection.integration == "telegram")
    ).all():
        set_connection_state(connection.id, ConnectionState.DISABLED)
    connection_id = connections.add("telegram", "Our bot", True, demo_settings(app))
    connections.enable(connection_id)
    make_telegram(app).subscribe(webhook_url(app, connection_id))
    return connection_id


def webhook_url(app: Flask, connection_id: str) -> str:
    slug = db.session.get_one(Connection, connection_id).slug
    return f"{config_of(app).public_url}/api/rpc/webhooks/telegram/{slug}"


def test_webhook_is_set_checked_and_removed(hub_demo: Flask, served: Flask, simulator: Any) -> None:
    telegram = make_telegram(hub_demo)
    telegram.remove_webhook("")
    assert "No webhook is set" in telegram.check().warnings[0]
    address = webhook_url(hub_demo, connect_bot(hub_demo))
    assert telegram.check().warnings == ()
    assert (
        telegram.check_webhook(address)
        == f"Telegram sends the updates of @signpostdemobot to {address}. No delivery failed."
    )
    telegram.remove_webhook(address)
    assert "No webhook is set" in telegram.check_webhook(address)


def test_webhook_with_another_secret_is_repaired_by_setting_it_again(
    hub_demo: Flask, served: Flask, simulator: Any
) -> None:
    address = webhook_url(hub_demo, connect_bot(hub_demo))
    telegram = make_telegram(hub_demo)
    telegram._call("setWebhook", {"url": address, "secret_token": "another"})
    simulate(simulator, "start", who="Eric Smith")
    check_result = telegram.check_webhook(address)
    assert (
        "403 Forbidden. The secret in Telegram’s request does not match this connection."
        in check_result
    )
    assert "1 update is waiting" in check_result
    telegram.subscribe(address)
    eventually(lambda: telegram_state(simulator)["webhook"]["pending"] == 0)
    assert telegram.check_webhook(address).endswith("No delivery failed.")


# ── People ────────────────────────────────────────────────────────────────────────────────────────
def process_and_deliver() -> None:
    process_pending_callbacks()
    deliver()


def last_message_contains(simulator: Any, chat: int, text: str) -> bool:
    """Wait until the last message of the bot to a person contains this text.

    The bot sends to one person once a second.
    """

    def read_last() -> bool:
        deliver()
        texts = [
            message["text"]
            for message in telegram_state(simulator)["messages"]
            if message["chat"] == chat and message["by"] is None
        ]
        return bool(texts) and text in texts[-1]

    return bool(eventually(read_last))


def open_suppressions() -> list[str]:
    db.session.rollback()
    return list(
        db.session.scalars(select(Suppression.reason).where(Suppression.lifted_at.is_(None)))
    )


def test_person_links_opts_out_opts_in_blocks_and_unblocks(
    hub_demo: Flask, served: Flask, simulator: Any
) -> None:
    connection_id = connect_bot(hub_demo)
    accepted = accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    request_id = db.session.scalars(
        select(Message.request_id).where(Message.id == accepted["messages"][0]["id"])
    ).one()
    link = chat_invitations.invite(
        str(request_id), "eric", db.session.get_one(Connection, connection_id).slug
    ).url
    assert link.startswith(config_of(hub_demo).simulator_url)
    chat = simulate(
        simulator, "start", who="Eric Smith", payload=parse_qs(urlsplit(link).query)["start"][0]
    )["chat"]
    process_and_deliver()
    assert last_message_contains(simulator, chat, "You are connected.")
    simulate(simulator, "write", who="Eric Smith", text="/stop")
    process_and_deliver()
    assert open_suppressions() == ["keyword"]
    assert last_message_contains(simulator, chat, "You have opted out.")
    simulate(simulator, "write", who="Eric Smith", text="/start")
    process_and_deliver()
    assert open_suppressions() == []
    simulate(simulator, "write", who="Eric Smith", text="/help")
    process_and_deliver()
    assert last_message_contains(simulator, chat, "Our bot: ")
    simulate(simulator, "block", who="Eric Smith")
    process_and_deliver()
    assert len(open_suppressions()) == 1
    simulate(simulator, "block", who="Eric Smith", blocked=0)
    process_and_deliver()
    assert open_suppressions() == []


def test_button_in_a_group_reminds_the_signer_and_the_post_names_the_user(
    hub_demo: Flask, served: Flask, simulator: Any
) -> None:
    connect_bot(hub_demo)
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    deliver()
    [post] = [message for message in telegram_state(simulator)["messages"] if message["keyboard"]]
    button = next(
        key for row in post["keyboard"] for key in row if key["text"].startswith("Remind")
    )
    response = simulate(
        simulator, "press", chat=post["chat"], button=button["callback_data"], who="Priya Nair"
    )
    assert response["answer"] == "response 200"
    [press] = telegram_state(simulator)["presses"]
    assert (press["answered"], press["said"]) == (
        True,
        "Received. The message will update shortly.",
    )
    process_pending_callbacks()

    def names_user() -> bool:
        deliver()
        return "Priya Nair" in next(
            message["text"]
            for message in telegram_state(simulator)["messages"]
            if message["message_id"] == post["message_id"]
        )

    assert eventually(names_user)
    assert db.session.scalars(select(Message).where(Message.channel == "sms")).all()[1:], (
        "the reminder"
    )
