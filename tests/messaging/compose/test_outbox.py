"""Canceling, resending and deduplicating messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import cancellation, direct, outbox, resend
from hub.messaging.compose.outbox import Draft
from hub.messaging.contacts import suppressions
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import AuditEntry, Connection, Contact, Message
from hub.signing import accept
from hub.signing.events import EventIn
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    count,
    deliver,
    event_body,
    message,
    queue_text,
    set_connection_state,
    signer_body,
    source_id,
    status,
    status_words,
    update_message,
)

ALL = [status.value for status in Status]


def post(kind: str = "request.sent", **fields: object) -> dict[str, object]:
    return accept.accept_event(
        EventIn.model_validate(event_body(kind, **fields)), source_id(), test=True
    )  # type: ignore[arg-type]


def message_ids(answer: dict[str, object]) -> list[str]:
    return [message["id"] for message in answer["messages"]]  # type: ignore[index,attr-defined]


# ── Taking back ───────────────────────────────────────────────────────────────────────────────────
def test_queued_message_can_be_canceled(fake_chat: Connection, fake_provider: FakeProvider) -> None:
    message_id = queue_text("room", "Hello.", channel="", connection_slug="fake-chat")
    cancellation.cancel(message_id)
    assert (status(message_id), status_words(message_id)) == ("canceled", ["canceled"])
    assert deliver() == 0
    assert (
        db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc())).first()
        == "message.canceled"
    )


@pytest.mark.parametrize("state", [other_state for other_state in ALL if other_state != "queued"])
def test_message_that_is_not_queued_cannot_be_canceled(connection: Connection, state: str) -> None:
    message_id = queue_text()
    update_message(message_id, status=state)
    with pytest.raises(Conflict) as refused:
        cancellation.cancel(message_id)
    assert refused.value.code == "not_queued"
    assert status(message_id) == state


def test_unknown_message_cannot_be_canceled(hub_demo: Flask) -> None:
    with pytest.raises(NotFound):
        cancellation.cancel("msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c")


# ── Again ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "state", ["failed", "undelivered", "delivered", "unknown", "canceled", "expired"]
)
def test_resent_message_is_a_new_one_linked_to_the_first(
    connection: Connection, state: str
) -> None:
    message_id = queue_text()
    update_message(message_id, status=state, due_at=None)
    resent_id = resend.resend(message_id).id
    row = message(resent_id)
    assert (row.after_id, row.status, row.contact.address) == (message_id, "queued", ERIC)
    assert status(message_id) == state, "the old one keeps its end"


@pytest.mark.parametrize("state", ["queued", "sending", "accepted", "sent"])
def test_message_in_progress_is_not_resent(connection: Connection, state: str) -> None:
    message_id = queue_text()
    update_message(message_id, status=state)
    with pytest.raises(Conflict) as refused:
        resend.resend(message_id)
    assert refused.value.code == "under_way"
    assert count(Message) == 1


def test_message_can_be_resent_only_once(connection: Connection) -> None:
    message_id = queue_text()
    update_message(message_id, status="failed", due_at=None)
    resent_id = resend.resend(message_id).id
    with pytest.raises(Conflict, match=resent_id):
        resend.resend(message_id)
    contact = db.session.scalars(select(Contact)).one()
    like = db.session.get_one(Connection, connection.id)

    @transaction
    def add_second_successor() -> None:
        outbox.add_message(
            Draft(
                connection=like.info,
                recipient=contact.recipient,
                text="Once more.",
                after_id=message_id,
            )
        )

    with pytest.raises(IntegrityError):
        add_second_successor()
    assert count(Message) == 2


def test_message_is_not_resent_over_a_disabled_connection(connection: Connection) -> None:
    message_id = queue_text()
    update_message(message_id, status="failed", due_at=None)
    set_connection_state(connection.id, ConnectionState.DISABLED)
    with pytest.raises(Conflict) as refused:
        resend.resend(message_id)
    assert refused.value.code == "connection_off"


def test_resending_respects_suppressions(connection: Connection) -> None:
    message_id = queue_text()
    suppressions.suppress(message_id, reason="provider", code="21610")
    update_message(message_id, status="failed", due_at=None)
    resent = resend.resend(message_id)
    assert (resent.status, resent.code) == ("suppressed", "21610")
    suppressions.lift_opt_outs_of_message(message_id)
    update_message(resent.id, due_at=None)
    assert resend.resend(resent.id).status == Status.QUEUED


# ── Once ──────────────────────────────────────────────────────────────────────────────────────────
def test_repeated_event_sends_no_second_message(connection: Connection) -> None:
    signers = [signer_body("Eric"), signer_body("Anna", ANNA)]
    first = message_ids(post(signers=signers))
    second = message_ids(post(signers=signers))
    assert len(first) == 2
    assert second == first
    assert count(Message) == 2


def test_signer_added_later_is_notified_alone(connection: Connection) -> None:
    [eric] = message_ids(post(signers=[signer_body("Eric")]))
    first_messages = message_ids(post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)]))
    assert first_messages[0] == eric
    assert count(Message) == 2
    assert message(first_messages[1]).contact.address == ANNA


def test_signer_with_a_new_number_is_notified(connection: Connection) -> None:
    post(signers=[signer_body("Eric")])
    post(signers=[signer_body("Eric", "+13175559876")])
    assert count(Message) == 2


def test_database_refuses_a_duplicate_message(connection: Connection) -> None:
    like = db.session.get_one(Connection, connection.id)

    @transaction
    def add_duplicates() -> None:
        contact = get_or_create_contact("phone", ERIC, test=True)
        for _ in range(2):
            outbox.add_message(
                Draft(connection=like.info, recipient=contact, text="Once.", dedup_key=b"x" * 32)
            )

    with pytest.raises(IntegrityError):
        add_duplicates()
    assert count(Message) == 0, "all or nothing"


def test_each_reminder_is_sent_and_a_repeated_one_is_not(connection: Connection) -> None:
    post(signers=[signer_body("Eric")])
    for hours, name in enumerate(("r1", "r1", "r2")):
        with time_machine.travel(now() + timedelta(hours=2 * hours), tick=True):
            post("request.reminder", id=name)
    assert count(Message) == 3


# ── Stopped ───────────────────────────────────────────────────────────────────────────────────────
def test_signer_who_has_signed_is_not_reminded(connection: Connection) -> None:
    eric, anna = message_ids(post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)]))
    post("request.signed", signer="eric")
    assert (status(eric), status_words(eric)) == ("canceled", ["stopped"])
    assert status(anna) == Status.QUEUED


@pytest.mark.parametrize(
    "kind", ["request.declined", "request.completed", "request.expired", "request.canceled"]
)
def test_closing_a_request_cancels_queued_reminders(connection: Connection, kind: str) -> None:
    reminders = message_ids(post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)]))
    post(kind)
    assert [status(message_id) for message_id in reminders] == ["canceled", "canceled"]


def test_message_in_progress_is_marked_and_not_canceled(connection: Connection) -> None:
    [eric] = message_ids(post(signers=[signer_body("Eric")]))
    update_message(eric, status="sending")
    post("request.canceled")
    row = message(eric)
    assert (row.status, row.stop_reason) == ("sending", "canceled")


def test_other_requests_are_not_affected(connection: Connection) -> None:
    [eric] = message_ids(post(signers=[signer_body("Eric")]))
    other_event = event_body(signers=[signer_body("Eric")])
    other_event["request"]["id"] = "agr-2"
    [other_message] = [
        message["id"]
        for message in accept.accept_event(
            EventIn.model_validate(other_event), source_id(), test=True
        )["messages"]
    ]
    post("request.canceled")
    assert (status(eric), status(other_message)) == ("canceled", "queued")


def test_signature_is_confirmed_after_the_completion_which_replaces_other_notices(
    connection: Connection,
) -> None:
    post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    message_ids_of_signature = message_ids(post("request.signed", signer="eric"))
    post("request.completed")
    statuses = [status(message_id) for message_id in message_ids_of_signature]
    assert sorted(statuses) == ["canceled", "queued"]


def test_message_expires_with_its_request(connection: Connection) -> None:
    event = event_body(signers=[signer_body("Eric")])
    event["request"]["expires_at"] = (
        (today := now().replace(microsecond=0)).replace(year=today.year + 1).isoformat()
    )
    [reminder] = accept.accept_event(EventIn.model_validate(event), source_id(), test=True)[
        "messages"
    ]
    expires = message(reminder["id"]).expires_at
    assert expires is not None
    assert (expires - now()).total_seconds() <= 86_400


# ── Directly ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"to": "5551234567"}, "to"),
        ({"text": "   "}, "text"),
        ({"text": "x" * 1601}, "text"),
        ({"channel": "telegram"}, "channel"),
    ],
)
def test_invalid_direct_message_is_refused_with_its_field(
    connection: Connection, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        direct.send_message(
            **{"to": ERIC, "text": "Hello.", "channel": "sms", "test": True, **fields}
        )  # type: ignore[arg-type]
    assert refused.value.field == field
    assert count(Message) == 0


def test_live_message_never_uses_a_test_connection(connection: Connection) -> None:
    with pytest.raises(Refused, match="live"):
        direct.send_message(to=ERIC, text="Hello.", channel="sms", test=False)
    with pytest.raises(NotFound):
        direct.send_message(to=ERIC, text="Hello.", connection_slug=connection.slug, test=False)
