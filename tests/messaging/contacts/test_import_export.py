"""Exports of opt-outs and consents can be imported again with the same result, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import Refused
from hub.core.vocabulary import Address, Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.messaging.contacts import consents, opt_out_files, suppressions
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Connection, Consent, Source, Suppression
from tests.hub_fixtures import ERIC
from tests.messaging.contacts.csv_people import AGAIN, ODD, stored_consents, stored_opt_outs
from tests.messaging.contacts.csv_people import empty_tables as empty_tables

PHONES = st.sampled_from(
    [
        "+13175557788",
        "+525512345678",
        "+491701234567",
        "+390612345678",
        "+2250708091011",
        "+15551234567",
    ]
)
EMAILS = st.sampled_from(
    [
        "o'hara+sign@mail.acme.com",
        "-dash@acme.com",
        "=formula@acme.com",
        "müller@bücher.de",
        "a/b@acme.com",
    ]
)
OTHERS = st.tuples(
    st.sampled_from([Address.CHAT, Address.EXTERNAL]),
    st.sampled_from(["-100123", "4711", "=1+1", "US.13491208655302"]),
)
PEOPLE = (
    PHONES.map(lambda text: (Address.PHONE, text))
    | EMAILS.map(lambda text: (Address.EMAIL, text))
    | OTHERS
)
EARLIEST = datetime(2001, 1, 1)  # noqa: DTZ001
LATEST = datetime(2026, 1, 1)  # noqa: DTZ001
TIMES = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))
CHANNELS = st.sampled_from(["", *(channel.value for channel in Channel)])
CLOSED = st.fixed_dictionaries(
    {
        "channel": CHANNELS,
        "reason": st.sampled_from(suppressions.REASONS),
        "explanation": ODD,
        "since": TIMES,
        "sender": st.sampled_from(["", "+13175550100", "whatsapp:+13175550100"]),
        "code": st.sampled_from(["", "21610"]),
        "app": st.booleans(),
    }
)
SAID = st.fixed_dictionaries(
    {
        "channel": CHANNELS,
        "purpose": ODD,
        "given": st.booleans(),
        "evidence": st.sampled_from(consents.SOURCES),
        "at": TIMES,
        "ip": st.sampled_from(["", "203.0.113.7", "2001:db8::1"]),
        "user_agent": ODD,
        "proof": ODD,
        "app": st.booleans(),
    }
)


def own_source_id(is_own: bool) -> str | None:
    return db.session.scalars(select(Source.id)).first() if is_own else None


@transaction
def add_exported_opt_out(
    browser_for: tuple[Address, str], app: bool, channel: str, sender: str, **columns: Any
) -> None:
    key = get_or_create_contact(*browser_for, test=False).address_key
    same_entry = (
        Suppression.address_key == key,
        Suppression.channel == channel,
        Suppression.sender == sender,
    )
    if not db.session.scalar(select(Suppression.id).where(*same_entry)):
        db.session.add(
            Suppression(
                address_key=key,
                channel=channel,
                sender=sender,
                test=False,
                source_id=own_source_id(app),
                **columns,
            )
        )


@transaction
def add_exported_consent(
    browser_for: tuple[Address, str], app: bool, proof: str, **columns: Any
) -> None:
    row = Consent(
        contact_id=get_or_create_contact(*browser_for, test=False).id,
        source_id=own_source_id(app),
        **columns,
    )
    row.proof = proof or None
    db.session.add(row)


@AGAIN
@given(rows=st.lists(st.tuples(PEOPLE, CLOSED), max_size=6))
def test_exported_opt_outs_are_imported_unchanged(
    empty_tables: Callable[[], None], rows: list[Any]
) -> None:
    empty_tables()
    for person, row in rows:
        add_exported_opt_out(person, **row)
    before = stored_opt_outs()
    file = "".join(opt_out_files.export_opt_outs(test=False)).encode()
    assert opt_out_files.import_opt_outs(file, test=False).duplicates == len(before), (
        "what is there stays as it is"
    )
    assert stored_opt_outs() == before
    empty_tables()
    report = opt_out_files.import_opt_outs(file, test=False)
    assert (report.stored, report.refused) == (len(before), [])
    assert stored_opt_outs() == before


def test_opt_out_of_an_unknown_connection_applies_to_the_channel(hub_demo: Flask) -> None:
    connection_id = db.session.scalars(select(Connection.id)).first()
    file = (
        "address,channel,sender\r\n"
        f"+13175550001,chat,{new_id('con')}\r\n"
        f"+13175550002,chat,{connection_id}\r\n"
        "+13175550003,sms,+15005550006\r\n"
    )
    assert opt_out_files.import_opt_outs(file, test=True).stored == 3
    assert {row.sender for row in db.session.scalars(select(Suppression))} == {
        "",
        connection_id,
        "+15005550006",
    }


@AGAIN
@given(
    rows=st.lists(
        st.tuples(PEOPLE, SAID), max_size=6, unique_by=lambda exported_row: exported_row[1]["at"]
    )
)
def test_exported_consents_are_imported_unchanged(
    empty_tables: Callable[[], None], rows: list[Any]
) -> None:
    empty_tables()
    for person, row in rows:
        add_exported_consent(person, **row)
    before = stored_consents()
    file = "".join(consents.export_consents(test=False)).encode()
    assert consents.import_consents(file, test=False).duplicates == len(before), (
        "the ledger does not grow by what it holds"
    )
    empty_tables()
    report = consents.import_consents(file, test=False)
    assert (report.stored, report.refused) == (len(before), [])
    assert stored_consents() == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"),
        ("2026-01-01", "2025-12-31T18:30:00-05:30"),
    ],
)
def test_conflicting_consents_at_the_same_time_are_refused(
    hub_demo: Flask, first: str, second: str
) -> None:
    file = f"address,given,at\n{ERIC},no,{first}\n{ERIC},yes,{second}\n"
    with pytest.raises(Refused, match="Line 3: This line contradicts line 2"):
        consents.import_consents(file, test=True)
    assert stored_consents() == []


def test_exported_conflicting_consents_keep_their_order(
    empty_tables: Callable[[], None],
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for answer in (True, False):
        consents.record_consent(
            consents.ConsentEntry(ERIC, answer, at=at), source=consents.BY_API, test=True
        )
    file = "".join(consents.export_consents(test=True))
    empty_tables()
    assert consents.import_consents(file, test=True).stored == 2
    in_order = select(Consent.given).order_by(Consent.id)
    assert db.session.scalars(in_order).all() == [True, False]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("given", "yes", "This line contains a consent"),
        ("Given", "1", "This line contains a consent"),
        ("given", "?", "This line contains a consent"),
        ("Lifted_At", "2026-01-01", "This opt-out was removed"),
    ],
)
def test_file_with_other_lines_adds_no_opt_out(
    hub_demo: Flask, column: str, cell: str, reason: str
) -> None:
    file = f"address,{column}\n+13175557708,\n{ERIC},{cell}\n"
    with pytest.raises(Refused, match=f"Line 3: .*{reason}"):
        opt_out_files.import_opt_outs(file, test=True)
    assert db.session.scalars(select(Suppression)).all() == []
