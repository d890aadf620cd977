"""An opt-out from texts also blocks calls to the number, and a START allows them again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Channel, Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Inbound
from hub.messaging.compose import direct
from hub.messaging.contacts import consents, opt_out_status, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.inbox import inbound
from hub.messaging.send import claims
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Contact, Message, Suppression
from tests.hub_fixtures import source_id
from tests.messaging.voice_steps import LONDON, calls, queue_call

pytestmark = pytest.mark.usefixtures("hub_demo")


def sms() -> Connection:
    return db.session.scalars(select(Connection).where(Connection.slug == "demo-sms")).one()


def reply(text: str, number: int = 1) -> None:
    """Receive an SMS to the demo's sender."""
    connection = sms()
    message = Inbound(
        provider_id=f"SM{number:032x}",
        channel=Channel.SMS,
        senders=(connection.sender,),
        address=LONDON,
        text=text,
    )
    at = now() + timedelta(seconds=number - 1)
    inbound.store_inbound(message, Origin("callback", [connection.id]), at)


def status_of(message_id: str) -> tuple[str, str]:
    db.session.rollback()
    row = db.session.get_one(Message, message_id)
    return row.status, row.code


def send_call() -> str:
    return direct.send_message(to=LONDON, text="Hello.", test=True, channel="voice")


def claim(app: Flask) -> int:
    return len(claims.record_and_claim([], {calls(app).id: 1}))


def block_by_provider(code: str) -> None:
    message_id = direct.send_message(to=LONDON, text="Hello.", test=True, channel="sms")
    suppressions.suppress(message_id, reason=suppressions.BY_PROVIDER, code=code)


def test_stop_blocks_calls_until_start() -> None:
    reply("STOP")
    assert status_of(send_call()) == (Status.SUPPRESSED, "opted_out_of_sms")
    reply("START", 2)
    assert status_of(send_call())[0] == Status.QUEUED


def test_stop_blocks_a_call_that_waits(hub_demo: Flask) -> None:
    call = queue_call()
    reply("STOP")
    assert claim(hub_demo) == 0
    assert status_of(call) == (Status.SUPPRESSED, "opted_out_of_sms")


@pytest.mark.parametrize(
    ("code", "is_blocked"), [("21610", True), ("30099", True), ("21614", False), ("30006", False)]
)
def test_provider_block_of_texts_covers_calls_unless_it_is_a_landline(
    code: str, is_blocked: bool
) -> None:
    block_by_provider(code)
    status, reason = status_of(send_call())
    assert (status, reason == "opted_out_of_sms") == (
        (Status.SUPPRESSED, True) if is_blocked else (Status.QUEUED, False)
    )


def test_opt_out_counts_beside_a_landline() -> None:
    block_by_provider("21614")
    reply("STOP")
    assert status_of(send_call()) == (Status.SUPPRESSED, "opted_out_of_sms")


@pytest.mark.parametrize("channel", ["voice", "whatsapp", "email"])
def test_other_opt_outs_do_not_block_texts(channel: str) -> None:
    suppressions.add_opt_out(LONDON, channel=channel, test=True)
    text = direct.send_message(to=LONDON, text="Hello.", test=True, channel="sms")
    assert status_of(text)[0] == Status.QUEUED
    assert (status_of(send_call())[0] == Status.SUPPRESSED) == (channel == "voice")


def test_opt_out_of_one_source_blocks_calls_of_this_source_only() -> None:
    suppressions.add_opt_out(LONDON, channel="sms", test=True, reason="api", source_id=source_id())
    assert suppressions.blocks_of_address(LONDON, test=True, source_id=source_id()) == [
        ("sms", "api"),
        ("voice", "opted_out_of_sms"),
    ]
    other = "src_00000000-0000-7000-8000-000000000001"
    assert suppressions.blocks_of_address(LONDON, test=True, source_id=other) == []


def test_objection_to_texts_covers_calls_until_a_consent_to_calls() -> None:
    def decide(channel: str, given: bool) -> tuple[str, str]:
        entry = ConsentEntry(LONDON, given, channel)
        consents.record_consent(entry, source=consents.BY_ADMIN, test=True)
        return status_of(send_call())

    assert decide("voice", True)[0] == Status.QUEUED
    assert decide("sms", False) == (Status.SUPPRESSED, "consent_no")
    assert decide("voice", True)[0] == Status.QUEUED
    assert decide("voice", False) == (Status.SUPPRESSED, "consent_no")
    assert decide("sms", True) == (Status.SUPPRESSED, "consent_no")


def test_pages_show_that_calls_are_blocked(hub_demo: Flask) -> None:
    reply("STOP")
    shown = opt_out_status.opt_outs_of_person([LONDON], [], test=True, source_id=None)
    assert [(item.channel, item.reason) for item in shown] == [
        ("sms", "keyword"),
        ("voice", "keyword"),
    ]
    contact = db.session.scalars(select(Contact).where(Contact.address == LONDON)).one()
    of_calls = opt_out_status.opt_out_of_recipient(contact, calls(hub_demo), source_id=None)
    assert of_calls is not None
    assert (of_calls.channel, of_calls.reason) == ("sms", "keyword")


def test_removing_what_blocks_a_call_removes_the_opt_out_of_texts() -> None:
    reply("STOP")
    suppressions.lift_opt_outs_of_message(send_call())
    assert db.session.scalar(select(Suppression).where(Suppression.lifted_at.is_(None))) is None
    assert status_of(send_call())[0] == Status.QUEUED
