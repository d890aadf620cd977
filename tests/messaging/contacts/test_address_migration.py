"""`hub migrate` merges the contacts of one person, also after a run that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.lib import phones
from hub.messaging.contacts import address_migration, merging
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Connection, Consent, Contact, Message, Setting, Suppression
from hub.shared.address_keys import address_key
from tests.effort import sized
from tests.hub_fixtures import count
from tests.messaging.contacts.test_address_forms import (
    add_legacy_suppression,
    legacy_key,
    send,
    store_without_normal_form,
)

PEOPLE = sized(300, 100)  # more than one batch
COUNTRIES = (
    ("+5255", 10_000_000),
    ("+49151", 10_000_000),
    ("+55319", 80_000_000),
    ("+1317", 5_550_000),
)


@transaction
def add_duplicates(connection: Connection) -> None:
    """Store people of four countries under every form of their number.

    Each contact has a message, a consent and an opt-out.
    """
    moment = now()
    is_progress = Setting.name == address_migration.SETTING
    db.session.execute(Setting.__table__.delete().where(is_progress))  # type: ignore[attr-defined]
    for number in (
        f"{code}{first + n}" for code, first in COUNTRIES for n in range(PEOPLE // len(COUNTRIES))
    ):
        for n, form in enumerate(phones.written_forms(number)):
            contact = Contact(
                kind=Address.PHONE, address=form, address_key=legacy_key(form), test=True
            )
            db.session.add(contact)
            db.session.flush()
            at = moment - timedelta(days=n)
            db.session.add_all(
                [
                    Message(
                        id=new_id("msg"),
                        connection_id=connection.id,
                        contact_id=contact.id,
                        channel="sms",
                        test=True,
                    ),
                    Consent(
                        contact_id=contact.id, channel="", given=bool(n), evidence="api", at=at
                    ),
                    Suppression(
                        address_key=legacy_key(form),
                        channel="sms",
                        test=True,
                        reason="keyword",
                        since=at,
                        lifted_at=None if n else moment,
                    ),
                ]
            )


def stored_state() -> Any:
    """Return the stored contacts, messages, consents and opt-outs by number."""
    db.session.rollback()
    contacts = {contact.id: contact.address for contact in db.session.scalars(select(Contact))}
    messages = Counter(
        contacts[contact_id] for contact_id in db.session.scalars(select(Message.contact_id))
    )
    latest = {
        contacts[consent.contact_id]: consent.given
        for consent in db.session.scalars(select(Consent).order_by(Consent.at))
    }
    opt_outs = set(
        db.session.scalars(select(Suppression.address_key).where(Suppression.lifted_at.is_(None)))
    )
    return sorted(contacts.values()), messages, latest, opt_outs


def assert_all_merged(before: int) -> None:
    numbers, messages, latest, opt_outs = stored_state()
    assert len(numbers) == len(set(numbers)) == PEOPLE
    assert all(phones.parse_strict(number) == number for number in numbers)
    assert sum(messages.values()) == before
    assert all(count_ == len(phones.written_forms(number)) for number, count_ in messages.items())
    assert set(latest.values()) == {False}, "the newest refusal holds"
    assert opt_outs == {
        address_key(Address.PHONE, number)
        for number in numbers
        if len(phones.written_forms(number)) > 1
    }
    assert count(Suppression) >= PEOPLE


def test_everybody_is_one_contact_and_nothing_is_lost(
    hub_demo: Flask, connection: Connection
) -> None:
    add_duplicates(connection)
    before = count(Message)
    assert address_migration.migrate_addresses() == PEOPLE
    assert_all_merged(before)
    assert address_migration.migrate_addresses() == 0


@pytest.mark.parametrize("seconds", [0, pytest.param(0.2, marks=pytest.mark.long)])
def test_migration_continues_after_it_was_killed(
    hub_demo: Flask, connection: Connection, environ: dict[str, str], seconds: float
) -> None:
    add_duplicates(connection)
    before = count(Message)
    contacts = count(Contact)
    db.session.rollback()
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "migrate"],
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while count(Contact) >= contacts - 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    numbers = stored_state()[0]
    assert PEOPLE < len(numbers) < contacts, "it was killed in the middle"
    address_migration.migrate_addresses()
    assert_all_merged(before)


def test_person_with_many_messages_is_migrated_in_parts(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "AT_ONCE", 10)
    kept_contact = get_or_create_contact(Address.PHONE, "+525512345678", test=True).id
    merged_contact = store_without_normal_form("+5215512345678")

    @transaction
    def add_messages() -> None:
        db.session.add_all(
            Message(
                id=new_id("msg"),
                connection_id=connection.id,
                contact_id=merged_contact,
                channel="sms",
                test=True,
            )
            for _ in range(95)
        )

    add_messages()
    merging.merge_all(merged_contact, kept_contact)
    assert (
        db.session.scalar(
            select(func.count()).select_from(Message).where(Message.contact_id == kept_contact)
        )
        == 90
    ), "the rest is for the merge"


def test_contact_with_an_unreadable_name_is_merged(hub_demo: Flask) -> None:
    store_without_normal_form("+525512345678")
    store_without_normal_form("+5215512345678", _name=b"no key opens this")

    @transaction
    def damage_name() -> None:
        db.session.execute(
            Setting.__table__.delete().where(Setting.name == address_migration.SETTING)
        )  # type: ignore[attr-defined]

    damage_name()
    assert address_migration.migrate_addresses() == 1
    assert db.session.scalars(select(Contact.address)).all() == ["+525512345678"]


def test_opt_out_of_an_erased_person_is_found_by_the_known_number(
    hub_demo: Flask,
) -> None:
    get_or_create_contact(Address.PHONE, "+491701234567", test=True)
    erased = store_without_normal_form("+4901701234567", erased=True)
    add_legacy_suppression("+4901701234567")
    db.session.rollback()

    @transaction
    def reset_migration() -> None:
        db.session.execute(
            Setting.__table__.delete().where(Setting.name == address_migration.SETTING)
        )  # type: ignore[attr-defined]

    reset_migration()
    assert address_migration.migrate_addresses() == 1
    assert count(Contact) == 1
    assert db.session.get(Contact, erased) is None
    assert send("+491701234567", "sms") == "suppressed"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("+370861234567", "+37061234567"),
        ("+54111523456789", "+5491123456789"),
        ("+49001701234567", "+491701234567"),
    ],
)
def test_number_in_any_old_notation_keeps_its_opt_out(
    hub_demo: Flask, written: str, normal: str
) -> None:
    @transaction
    def add_opt_out() -> None:
        db.session.execute(
            Setting.__table__.delete().where(Setting.name == address_migration.SETTING)
        )  # type: ignore[attr-defined]
        get_or_create_contact(Address.PHONE, normal, test=True)
        store_without_normal_form(written)
        add_legacy_suppression(written)

    add_opt_out()
    assert address_migration.migrate_addresses() == 1
    assert db.session.scalars(select(Contact.address)).all() == [normal]
    assert (send(written, "sms"), send(normal, "sms")) == ("suppressed", "suppressed")


def test_changed_table_of_forms_runs_the_migration_again(
    hub_demo: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    address_migration.migrate_addresses()
    store_without_normal_form("+5215512345678")
    assert address_migration.migrate_addresses() == 0
    monkeypatch.setattr(address_migration, "_version", lambda: "another")
    assert address_migration.migrate_addresses() == 1
