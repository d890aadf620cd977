"""Each person is one contact: every form of a number shares opt-outs, consents and windows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib import phones
from hub.lib.crypto import blind_index
from hub.lib.number_forms import TABLE
from hub.messaging.compose import direct
from hub.messaging.contacts import chats, consents, merging, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.messaging.send import claims
from hub.messaging.track import message_queries
from hub.models import (
    Connection,
    Consent,
    Contact,
    Conversation,
    InboundMessage,
    LinkedChat,
    Message,
    RecipientPace,
    SessionWindow,
    Suppression,
)
from hub.shared.address_keys import address_key
from hub.shared.index_key import index_key
from hub.signing import contact_erasure
from tests.hub_fixtures import callbacks, count, process_pending_callbacks, source_id, status
from tests.messaging.whatsapp_steps import claim_one, receive_whatsapp
from tests.messaging.whatsapp_steps import whatsapp as whatsapp

TRUNK = [
    ("+491701234567", "+4901701234567"),
    ("+447911123456", "+4407911123456"),
    ("+13175559001", "+113175559001"),
    ("+46701234567", "+460701234567"),
]
PAIRS = [row.examples for row in TABLE] + TRUNK
EACH = pytest.mark.parametrize(("normal", "other_form"), PAIRS, ids=[pair[1] for pair in PAIRS])
NEXT = iter(range(10**6, 10**9))


def receive_text(
    app: Flask, number: str, text: str, prefix: str = "whatsapp:", **fields: str
) -> None:
    form = {
        "From": prefix + number,
        "sid": f"SM{next(NEXT):032x}",
        "channel": "whatsapp:" if prefix == "whatsapp:" else "",
        **fields,
    }
    assert receive_whatsapp(app, text, **form).status_code == 200
    process_pending_callbacks()
    db.session.rollback()


def send(number: str, channel: str) -> str:
    return status(
        direct.send_message(to=number, text="Your contract is ready.", channel=channel, test=True)
    )


@transaction
def store_without_normal_form(
    number: str, *, erased: bool = False, test: bool = True, **columns: Any
) -> str:
    """Store a contact as before numbers had a normal form."""
    row = Contact(
        kind=Address.PHONE,
        address="" if erased else number,
        address_key=legacy_key(number),
        test=test,
        erased_at=now() if erased else None,
    )
    db.session.add(row)
    db.session.flush()
    for name, value in columns.items():
        setattr(row, name, value)
    return row.id


def legacy_key(number: str) -> bytes:
    return blind_index(index_key(), Address.PHONE, number)


@transaction
def add_legacy_suppression(number: str, **columns: Any) -> str:
    row = Suppression(
        **{"address_key": legacy_key(number), "test": True, "reason": "keyword", **columns}
    )
    db.session.add(row)
    db.session.flush()
    return row.id


@EACH
@pytest.mark.parametrize("prefix", ["", "whatsapp:"])
def test_stop_from_one_form_blocks_the_other(
    hub_demo: Flask, normal: str, other_form: str, prefix: str
) -> None:
    channel = "whatsapp" if prefix else "sms"
    receive_text(hub_demo, other_form, "Hello", prefix)
    assert (send(normal, channel), send(other_form, channel)) == ("queued", "queued")
    receive_text(hub_demo, normal, "STOP", prefix)
    assert (send(normal, channel), send(other_form, channel)) == ("suppressed", "suppressed")
    receive_text(hub_demo, other_form, "START", prefix)
    assert (send(normal, channel), send(other_form, channel)) == ("queued", "queued")
    assert (count(Contact), count(Conversation)) == (1, 1)
    assert db.session.scalars(select(Contact.address)).one() == normal


@pytest.mark.parametrize("prefix", ["rcs:", "RCS:", "Rcs:", "SMS:"])
def test_channel_prefix_of_a_number_is_ignored(hub_demo: Flask, prefix: str) -> None:
    receive_text(hub_demo, "+13175550142", "STOP", prefix)
    [contact] = db.session.scalars(select(Contact))
    assert (contact.kind, contact.address) == (Address.PHONE, "+13175550142")
    assert send("+13175550142", "sms") == "suppressed"


@pytest.mark.parametrize(
    "sent_from",
    [
        " 13175550142",
        "+1 317 555-0142",
        "+1 (317) 555 0142",
        "whatsapp:13175550142",
        "whatsapp: 13175550142",
        "rcs: +13175550142",
        "0013175550142",
        "＋１３１７５５５０１４２",
        "\u200b+13175550142",
    ],
)
def test_damaged_number_is_recognized(hub_demo: Flask, sent_from: str) -> None:
    prefix = "whatsapp:" if sent_from.startswith("whatsapp:") else ""
    receive_text(hub_demo, "", "STOP", prefix, From=sent_from)
    assert send("+13175550142", "whatsapp" if prefix else "sms") == "suppressed"


@pytest.mark.parametrize(
    "sent_from",
    [
        "3175550142",
        "72345",
        " 72345",
        "ACME",
        "+1 317 555 0142 x5",
        "whatsapp:US.13491208655302741918",
    ],
)
def test_doubtful_number_is_not_a_number(hub_demo: Flask, sent_from: str) -> None:
    receive_text(hub_demo, "", "STOP", "", From=sent_from)
    assert not db.session.scalars(select(Contact.id).where(Contact.kind == Address.PHONE)).all()


def test_number_known_only_by_the_whatsapp_id_is_recognized(
    hub_demo: Flask,
) -> None:
    receive_text(hub_demo, "", "STOP", "whatsapp:", WaId="5215512345678", From="whatsapp:")
    assert db.session.scalars(select(Contact.address)).one() == "+525512345678"


def test_message_finds_its_connection_by_any_form_of_its_number(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    @transaction
    def set_sender(sender: str) -> None:
        connection = db.session.get_one(Connection, whatsapp.id)
        connection.settings = {**connection.settings, "sender": sender}
        connection.sender = f"whatsapp:{sender}"

    set_sender("+525512345678")
    receive_text(hub_demo, "+13175550142", "Hello", To="whatsapp:+5215512345678")
    assert session_windows.closing_times(
        "whatsapp:+525512345678", [db.session.scalars(select(Contact.id)).one()]
    )
    assert not callbacks()[0].error


@EACH
def test_sent_number_has_the_form_of_its_provider(
    hub_demo: Flask, whatsapp: Connection, normal: str, other_form: str
) -> None:
    sms = db.session.scalars(select(Connection).where(Connection.channel == "sms")).one()
    receive_text(hub_demo, normal, "Hello")
    for connection, expected in (
        (whatsapp, other_form if normal.startswith("+52") else normal),
        (sms, normal),
    ):
        direct.send_message(to=other_form, text="Hello.", connection_id=connection.id, test=True)
        claim = claim_one(connection)
        assert claim is not None
        assert claim.outbound.to == expected
        assert claim.outbound.country == phones.region(normal)
        claims.record_and_claim([], {})


@EACH
def test_posted_address_is_found_by_each_form(
    hub_demo: Flask, normal: str, other_form: str
) -> None:
    suppressions.add_opt_out(other_form, test=True, explanation="By letter.")
    consents.record_consent(
        ConsentEntry(normal, given=False), source="api", test=True, source_id=source_id()
    )
    message_id = direct.send_message(to=normal, text="Hello.", channel="sms", test=True)
    for form in (normal, other_form):
        assert (
            db.session.scalars(suppressions.list_opt_outs(address=form, test=True))
            .one()
            .explanation
            == "By letter."
        )
        assert (
            not db.session.scalars(consents.consent_history(form, test=True, source_id=source_id()))
            .one()
            .given
        )
        assert suppressions.blocks_of_address(form, test=True, source_id=source_id()) == [
            ("", "admin")
        ]
        [branch] = message_queries.match_address([(Address.PHONE, form)])
        assert [message.id for message in message_queries.newest_messages([branch], 5)] == [
            message_id
        ]


@EACH
def test_person_erased_under_one_form_is_found_by_the_other(
    hub_demo: Flask, normal: str, other_form: str
) -> None:
    erased = store_without_normal_form(other_form, erased=True)
    add_legacy_suppression(other_form)
    assert send(normal, "sms") == "suppressed"
    assert [contact.id for contact in db.session.scalars(select(Contact))] == [erased]
    assert [suppression.address_key for suppression in db.session.scalars(select(Suppression))] == [
        address_key(Address.PHONE, other_form)
    ]


def test_live_opt_out_of_an_old_form_applies_to_test_messages(hub_demo: Flask) -> None:
    store_without_normal_form("+4901701234567", erased=True, test=False)
    add_legacy_suppression("+4901701234567", test=False)
    assert send("+491701234567", "sms") == "suppressed"


def test_two_forms_of_one_number_are_merged(hub_demo: Flask, connection: Connection) -> None:
    kept_contact = get_or_create_contact(Address.PHONE, "+525512345678", test=True, name="Ana")
    merged_contact = store_without_normal_form("+5215512345678", time_zone="America/Mexico_City")
    strict = add_legacy_suppression("+5215512345678", reason="admin", explanation="By letter.")
    weak = add_legacy_suppression("+525512345678")
    at = now()
    add_rows_of_every_table(kept_contact.id, connection, at - timedelta(hours=2), provider_id="SM1")
    add_rows_of_every_table(merged_contact, connection, at, provider_id="SM2")

    current_contact = get_or_create_contact(Address.PHONE, "+5215512345678", test=True)

    db.session.rollback()
    [contact] = db.session.scalars(select(Contact))
    assert (current_contact.id, contact.address, contact.name, contact.time_zone) == (
        kept_contact.id,
        "+525512345678",
        "Ana",
        "America/Mexico_City",
    )
    for model in (Message, Consent, InboundMessage):
        contact_ids = select(model.contact_id)  # type: ignore[attr-defined]
        assert set(db.session.scalars(contact_ids)) == {kept_contact.id}
        assert count(model) == 2
    [conversation] = db.session.scalars(select(Conversation))
    assert (conversation.contact_id, conversation.unread, conversation.last_at) == (
        kept_contact.id,
        2,
        at,
    )
    [window] = db.session.scalars(select(SessionWindow))
    assert (window.contact_id, window.opened_at) == (kept_contact.id, at)
    [pace] = db.session.scalars(select(RecipientPace))
    assert (pace.contact_id, pace.next_at) == (kept_contact.id, at)
    [open_] = db.session.scalars(select(Suppression))
    assert (open_.id, open_.reason, open_.explanation) == (strict, "admin", "By letter.")
    assert open_.id != weak


@transaction
def add_rows_of_every_table(
    contact_id: str, connection: Connection, at: Any, *, provider_id: str
) -> None:
    """Add a row to every table that references contacts."""
    db.session.add_all(
        [
            Message(
                id=f"msg_{padded_id(provider_id)}",
                connection_id=connection.id,
                contact_id=contact_id,
                channel="sms",
                test=True,
                lane="urgent",
                expires_at=at + timedelta(days=1),
            ),
            Consent(contact_id=contact_id, channel="", given=False, evidence="api", at=at),
            InboundMessage(
                id=f"inb_{padded_id(provider_id)}",
                connection_id=connection.id,
                contact_id=contact_id,
                provider_id=provider_id,
                at=at,
            ),
            Conversation(
                connection_id=connection.id,
                contact_id=contact_id,
                test=True,
                last_id=f"inb_{padded_id(provider_id)}",
                last_at=at,
                unread=1,
            ),
            SessionWindow(
                sender="+1", contact_id=contact_id, opened_at=at, closes_at=at + timedelta(days=1)
            ),
            RecipientPace(name="+1", contact_id=contact_id, next_at=at),
        ]
    )


def padded_id(text: str) -> str:
    return f"019aa5c2-71f8-7b3e-9c40-{int(text[2:]):012x}"


def test_chat_linked_under_another_form_is_found(hub_demo: Flask, connection: Connection) -> None:
    chat = get_or_create_contact(Address.CHAT, "4711", test=True)

    @transaction
    def add_linked_chat() -> None:
        db.session.add(
            LinkedChat(
                connection_id=connection.id,
                source_id=source_id(),
                address_key=legacy_key("+5215512345678"),
                contact_id=chat.id,
            )
        )

    add_linked_chat()
    for number in ("+525512345678", "+5215512345678"):
        linked = chats.find_chats({"ana": {Address.PHONE: number}}, source_id(), [connection.id])
        assert linked == {"ana": {connection.id: "4711"}}
    get_or_create_contact(Address.PHONE, "+525512345678", test=True)
    chats.link_chat(connection.id, source_id(), {Address.PHONE: "+5215512345678"}, chat.id)
    assert len(set(db.session.scalars(select(LinkedChat.address_key)))) <= 2


def test_erasure_includes_rows_of_the_other_form(hub_demo: Flask) -> None:
    row = suppressions.add_opt_out("+5215512345678", test=True, explanation="By letter.")
    contact = get_or_create_contact(Address.PHONE, "+525512345678", test=True)
    contact_erasure.erase_contact(contact.id, reason="By letter.")
    db.session.rollback()
    assert db.session.get_one(Suppression, row.id).explanation == ""
    assert send("+5215512345678", "sms") == "suppressed"


def test_merging_handles_every_table_with_contacts() -> None:
    handled = {"messages", "consents", "inbound_messages", "linked_chats", *merging._MERGE_ROWS}
    assert {table.name for table, _ in merging._references()} == handled, (
        "say in hub/messaging/contacts/merging.py what becomes of its rows"
    )


def test_merging_compares_every_unique_column_of_suppressions() -> None:
    indexes = Suppression.__table__.indexes  # type: ignore[attr-defined]
    unique = [index for index in indexes if index.unique]
    columns = {column.name for index in unique for column in index.columns}
    assert columns == {
        "address_key",
        "channel",
        "sender",
        "test",
        "source_id",
    }, "merging compares them"
