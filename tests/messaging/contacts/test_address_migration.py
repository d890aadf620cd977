"""`hub migrate` merges contacts that are one person; killed half way and run again, it finishes."""

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
from hub.messaging.contacts.contacts import contact_for
from hub.models import Connection, Consent, Contact, Message, Setting, Suppression
from hub.shared.address_keys import address_key
from tests.hub_fixtures import count
from tests.messaging.contacts.test_address_forms import (
    key_before,
    send,
    stored_before,
    suppressed_before,
)

PEOPLE = 300
COUNTRIES = (
    ("+5255", 10_000_000),
    ("+49151", 10_000_000),
    ("+55319", 80_000_000),
    ("+1317", 5_550_000),
)


@transaction
def duplicates(connection: Connection) -> None:
    """Store people of four countries, each under every form of their number, with a message, a
    consent and an opt-out for each.
    """
    moment = now()
    db.session.execute(Setting.__table__.delete().where(Setting.name == address_migration.SETTING))  # type: ignore[attr-defined]
    for number in (
        f"{code}{first + n}" for code, first in COUNTRIES for n in range(PEOPLE // len(COUNTRIES))
    ):
        for n, form in enumerate(phones.written_forms(number)):
            contact = Contact(
                kind=Address.PHONE, address=form, address_key=key_before(form), test=True
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
                        address_key=key_before(form),
                        channel="sms",
                        test=True,
                        reason="keyword",
                        since=at,
                        lifted_at=None if n else moment,
                    ),
                ]
            )


def state() -> Any:
    """Return what is stored of everybody, by number."""
    db.session.rollback()
    contacts = {one.id: one.address for one in db.session.scalars(select(Contact))}
    messages = Counter(contacts[one] for one in db.session.scalars(select(Message.contact_id)))
    latest = {
        contacts[one.contact_id]: one.given
        for one in db.session.scalars(select(Consent).order_by(Consent.at))
    }
    closed = set(
        db.session.scalars(select(Suppression.address_key).where(Suppression.lifted_at.is_(None)))
    )
    return sorted(contacts.values()), messages, latest, closed


def all_is_merged(before: int) -> None:
    numbers, messages, latest, closed = state()
    assert len(numbers) == len(set(numbers)) == PEOPLE
    assert all(phones.parse_strict(number) == number for number in numbers)
    assert sum(messages.values()) == before
    assert all(count_ == len(phones.written_forms(number)) for number, count_ in messages.items())
    assert set(latest.values()) == {False}, "the newest refusal holds"
    assert closed == {
        address_key(Address.PHONE, number)
        for number in numbers
        if len(phones.written_forms(number)) > 1
    }
    assert count(Suppression) >= PEOPLE


def test_everybody_is_one_contact_afterwards_and_nothing_is_lost(
    hub_demo: Flask, connection: Connection
) -> None:
    duplicates(connection)
    before = count(Message)
    assert address_migration.migrate_addresses() == PEOPLE
    all_is_merged(before)
    assert address_migration.migrate_addresses() == 0


@pytest.mark.parametrize("seconds", [0, pytest.param(0.2, marks=pytest.mark.long)])
def test_killed_half_way_and_run_again_it_finishes(
    hub_demo: Flask, connection: Connection, environ: dict[str, str], seconds: float
) -> None:
    duplicates(connection)
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
    numbers = state()[0]
    assert PEOPLE < len(numbers) < contacts, "it was killed in the middle"
    address_migration.migrate_addresses()
    all_is_merged(before)


def test_a_person_with_many_messages_is_moved_a_part_at_a_time(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "AT_ONCE", 10)
    mine = contact_for(Address.PHONE, "+525512345678", test=True).id
    theirs = stored_before("+5215512345678")

    @transaction
    def many() -> None:
        db.session.add_all(
            Message(
                id=new_id("msg"),
                connection_id=connection.id,
                contact_id=theirs,
                channel="sms",
                test=True,
            )
            for _ in range(95)
        )

    many()
    merging.merge_all(theirs, mine)
    assert (
        db.session.scalar(
            select(func.count()).select_from(Message).where(Message.contact_id == mine)
        )
        == 90
    ), "the rest is for the merge"


def test_a_contact_whose_name_cannot_be_read_is_merged_all_the_same(hub_demo: Flask) -> None:
    stored_before("+525512345678")
    stored_before("+5215512345678", _name=b"no key opens this")

    @transaction
    def forget() -> None:
        db.session.execute(
            Setting.__table__.delete().where(Setting.name == address_migration.SETTING)
        )  # type: ignore[attr-defined]

    forget()
    assert address_migration.migrate_addresses() == 1
    assert db.session.scalars(select(Contact.address)).all() == ["+525512345678"]


def test_opt_out_of_an_erased_person_is_found_by_the_known_number(
    hub_demo: Flask,
) -> None:
    contact_for(Address.PHONE, "+491701234567", test=True)
    erased = stored_before("+4901701234567", erased=True)
    suppressed_before("+4901701234567")
    db.session.rollback()

    @transaction
    def forget() -> None:
        db.session.execute(
            Setting.__table__.delete().where(Setting.name == address_migration.SETTING)
        )  # type: ignore[attr-defined]

    forget()
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
def test_a_number_that_was_written_in_any_way_keeps_its_opt_out(
    hub_demo: Flask, written: str, normal: str
) -> None:
    @transaction
    def before() -> None:
        db.session.execute(
            Setting.__table__.delete().where(Setting.name == address_migration.SETTING)
        )  # type: ignore[attr-defined]
        contact_for(Address.PHONE, normal, test=True)
        stored_before(written)
        suppressed_before(written)

    before()
    assert address_migration.migrate_addresses() == 1
    assert db.session.scalars(select(Contact.address)).all() == [normal]
    assert (send(written, "sms"), send(normal, "sms")) == ("suppressed", "suppressed")


def test_a_new_table_of_forms_asks_for_another_run(
    hub_demo: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    address_migration.migrate_addresses()
    stored_before("+5215512345678")
    assert address_migration.migrate_addresses() == 0
    monkeypatch.setattr(address_migration, "_version", lambda: "another")
    assert address_migration.migrate_addresses() == 1
