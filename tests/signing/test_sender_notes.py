"""The sender of a document is notified once of a signer who could not be reached."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.compose import cancellation
from hub.models import Message, MessageBody, PlatformEvent, Signer
from hub.shared.sentences import known_locale
from tests.conftest import POSTGRES
from tests.signing.ladder_steps import (
    EMAIL_SMS,
    SMS_EMAIL,
    eric,
    escalate,
    hand_over,
    let_time_end,
    lose,
    post,
    report_status,
    set_route,
)

pytestmark = pytest.mark.usefixtures("ladder")
EMAIL_ONLY = (("email", None, None),)
SENDER = {"name": "Anna Berg", "email": "anna@example.com"}


def request(**sender: Any) -> dict[str, Any]:
    return {"id": "agr-1001", "title": "Employment Agreement", "sender": SENDER | sender}


def messages(role: str) -> list[Message]:
    """Return the messages to people with a role in the request, oldest first."""
    db.session.rollback()
    query = (
        select(Message)
        .join(Signer, Signer.id == Message.signer_id)
        .where(Signer.role == role, Message.thread == "")
        .order_by(Message.id)
    )
    return list(db.session.scalars(query))


def invite_by_email(*, signers: Collection[dict[str, Any]] = (), **sender: Any) -> None:
    set_route(*EMAIL_ONLY)
    post(request=request(**sender), signers=[*signers] or [eric()])


def content(message: Message) -> dict[str, Any]:
    return db.session.get_one(MessageBody, message.id.partition("_")[2]).content


def test_returned_email_without_a_further_step_notifies_the_sender_once() -> None:
    invite_by_email()
    lose(messages("signer")[0], code="5.1.1")
    escalate()
    [note] = messages("sender")
    assert (note.channel, note.status) == ("email", "queued")
    text = content(note)["text"].replace("\u2068", "").replace("\u2069", "")
    assert content(note)["subject"] == "Eric could not be reached about “Employment Agreement”."
    assert text == (
        "Eric could not be reached about “Employment Agreement”.\n\n"
        "Check the contact details in your signing app, or contact the signer another way."
    )
    [event] = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.type == "signer_not_reached")
    )
    assert event.message_id == messages("signer")[0].id


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL has its own clock")
def test_email_that_is_returned_after_two_days_notifies_the_sender() -> None:
    invite_by_email()
    hand_over(messages("signer")[0])
    with time_machine.travel(now() + timedelta(days=2)):
        report_status(messages("signer")[0], Status.UNDELIVERED, code="5.1.1")
        escalate()
        assert len(messages("sender")) == 1


def test_returned_reminder_is_no_second_note() -> None:
    invite_by_email()
    set_route(*EMAIL_ONLY, event_type="request.reminder")
    lose(messages("signer")[0])
    hand_over(messages("sender")[0])
    post("request.reminder", id="rem-1")
    lose(messages("signer")[1])
    assert len(messages("sender")) == 1


def test_corrected_address_that_fails_too_is_a_second_note() -> None:
    invite_by_email()
    lose(messages("signer")[0])
    post(request=request(), signers=[eric(email="eric.new@example.com")])
    lose(messages("signer")[1])
    assert len(messages("sender")) == 2


def test_two_signers_are_two_notes() -> None:
    invite_by_email(signers=[eric(), {"id": "bo", "name": "Bo", "email": "bo@example.com"}])
    for invitation in messages("signer"):
        lose(invitation)
    assert len({content(note)["text"] for note in messages("sender")}) == 2


@pytest.mark.parametrize("route", [SMS_EMAIL, EMAIL_SMS], ids=["SMS first", "email first"])
def test_note_follows_the_last_step_of_a_route(route: Any) -> None:
    set_route(*route)
    post(request=request())
    lose(messages("signer")[0])
    assert messages("sender") == []
    lose(messages("signer")[1])
    assert len(messages("sender")) == 1


def test_signer_reached_by_another_message_is_no_note() -> None:
    set_route(("sms", None, None), ("email", "opened", 30))
    post(request=request())
    hand_over(messages("signer")[0])
    report_status(messages("signer")[0], Status.DELIVERED)
    let_time_end(messages("signer")[0])
    lose(messages("signer")[1])
    assert messages("sender") == []


def test_returned_email_after_the_signature_is_no_note() -> None:
    invite_by_email()
    hand_over(messages("signer")[0])
    post("request.signed", signer="eric", request=request())
    report_status(messages("signer")[0], Status.UNDELIVERED)
    escalate()
    notes = [message for message in messages("sender") if message.step_id is None]
    assert notes == []


@pytest.mark.parametrize(
    "sender",
    [{"email": None}, {"email": "eric@example.com"}, {"send_to": {"email": False}}],
    ids=["without an address", "the same person as the signer", "opted out of email"],
)
def test_sender_gets_no_note(sender: dict[str, Any]) -> None:
    invite_by_email(**sender)
    lose(messages("signer")[0])
    assert messages("sender") == []


def test_canceled_email_is_no_note() -> None:
    invite_by_email()
    cancellation.cancel(messages("signer")[0].id)
    escalate()
    assert messages("sender") == []


@pytest.mark.parametrize("locale", ["en", "de", "fr", "es", "pt-BR", "pl", "ja"])
def test_note_is_in_the_language_of_the_sender(locale: str) -> None:
    invite_by_email(locale=locale)
    lose(messages("signer")[0])
    [note] = messages("sender")
    words = {"en": "Check", "de": "prüfen", "fr": "Vérifiez", "es": "Compruebe"} | {
        "pt-BR": "Confira",
        "pl": "sprawdzić",
    }
    assert words[str(known_locale(locale))] in content(note)["text"]
