"""Evidence contains what was known at each time: a correction is another entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sql_event
from sqlalchemy import select, update

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.evidence import erasure
from hub.models import Contact, EvidenceRow, SigningRequest
from hub.signing import accept, contact_erasure
from hub.signing.events import EventIn
from tests.evidence.conftest import entries_of, export_file, value_of, verify
from tests.hub_fixtures import ERIC, count, deliver, event_body, signer_body, source_id

OLD_TITLE = "Employment Agreement"
NEW_TITLE = "Corrected title"
NEW_NUMBER = "+13175558806"
WHY = "Letter of the person, 2026-11-30"


def post(number: str = ERIC, **request: Any) -> datetime:
    """Post an event that lists Eric; return the time after which it was stored."""
    event = event_body("request.sent", signers=[signer_body("Eric", number)])
    event["request"] |= request
    return post_body(event)


def post_body(event: dict[str, Any]) -> datetime:
    before = now()
    accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    return before


def export() -> bytes:
    db.session.rollback()
    data = export_file(db.session.scalars(select(SigningRequest.id)).one())
    assert verify(data).findings == []
    return data


def history(data: bytes, kind: str, field: str, **fields: Any) -> list[tuple[Any, datetime]]:
    """Return the values of a field, each with the time of its entry."""
    return [
        (value_of(data, entry[field]) if field in entry else None, time_of(entry))
        for entry in entries_of(data, kind)
        if fields.items() <= entry.items()
    ]


def time_of(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["at"]).astimezone(UTC)


def numbers_of(data: bytes) -> list[tuple[Any, datetime]]:
    return history(data, "person.stored", "mobile_number", role="signer")


@pytest.mark.parametrize("is_exported", [False, True], ids=["first export", "later export"])
def test_correction_is_another_entry(hub_demo: Flask, simulator: Any, *, is_exported: bool) -> None:
    post()
    deliver()
    before = entries_of(export()) if is_exported else []
    corrected = post(NEW_NUMBER, title=NEW_TITLE)
    data = export()
    assert entries_of(data)[: len(before)] == before
    [(first, first_at), (second, second_at)] = history(data, "request.stored", "title")
    assert (first, second) == (OLD_TITLE, NEW_TITLE)
    assert first_at < corrected <= second_at
    [(first, first_at), (second, second_at)] = numbers_of(data)
    assert (first, second) == (ERIC, NEW_NUMBER)
    assert first_at < corrected <= second_at
    [sent, *_] = entries_of(data, "message.created")
    assert value_of(data, sent["recipient"]) == ERIC
    assert first_at <= time_of(sent)


def test_sender_and_expiry_are_corrected_too(hub_demo: Flask) -> None:
    expiries = [(now() + timedelta(days=days)).isoformat() for days in (5, 9)]
    post(sender={"name": "Acme HR"}, expires_at=expiries[0])
    corrected = post(sender={"name": "Acme Legal"}, expires_at=expiries[1])
    removed = post(sender=None)
    data = export()
    names = history(data, "person.stored", "name", role="sender")
    assert [name for name, _ in names] == ["Acme HR", "Acme Legal", None]
    assert names[0][1] < corrected <= names[1][1] < removed <= names[2][1]
    assert [
        datetime.fromisoformat(entry["expires_at"]) for entry in entries_of(data, "request.stored")
    ] == [datetime.fromisoformat(expiry) for expiry in expiries]


def test_details_that_follow_later_have_their_own_time(hub_demo: Flask) -> None:
    event = event_body("request.viewed", signer={"id": "eric"})
    del event["request"]["title"]
    del event["request"]["sender"]
    post_body(event)
    followed = post()
    data = export()
    [(title, at), (new_title, new_at)] = history(data, "request.stored", "title")
    assert (title, new_title) == (None, OLD_TITLE)
    assert at < followed <= new_at
    [(number, at), (new_number, new_at)] = numbers_of(data)
    assert (number, new_number) == (None, ERIC)
    assert at < followed <= new_at
    [(name, at)] = history(data, "person.stored", "name", role="sender")
    assert name == "Acme HR"
    assert followed <= at


def test_person_is_dated_when_the_details_were_stored(hub_demo: Flask, simulator: Any) -> None:
    post()
    deliver()
    signed = post_body(event_body("request.signed", signer={"id": "eric"}))
    data = export()
    [(_, at)] = numbers_of(data)
    assert at < signed
    [sent] = [entry for entry in entries_of(data, "message.created") if entry["channel"] == "sms"][
        :1
    ]
    assert at <= time_of(sent)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["A", "B", "C"]),
            st.sampled_from([ERIC, NEW_NUMBER, "+442071234567"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_version_is_recorded_in_its_order(
    hub_demo: Flask, steps: list[tuple[str, str, bool]]
) -> None:
    """Also a version that returns, and wherever exports are between the corrections."""
    name = new_id("agreement")
    times = []
    for title, number, is_exported in steps:
        times.append(post(number, id=name, title=title))
        if is_exported:
            export_named(name)
    data = export_named(name)
    for values, versions in (
        ([title for title, *_ in steps], history(data, "request.stored", "title")),
        ([number for _, number, _ in steps], numbers_of(data)),
    ):
        stored = groupby(zip(values, times, strict=True), itemgetter(0))
        expected = [next(group) for _, group in stored]  # each change, with its time
        assert [value for value, _ in versions] == [value for value, _ in expected]
        for (_, at), (_, earliest) in zip(versions[1:], expected[1:], strict=True):
            assert at >= earliest


def export_named(name: str) -> bytes:
    db.session.rollback()
    query = select(SigningRequest.id).where(SigningRequest.external_id == name)
    data = export_file(db.session.scalars(query).one())
    assert verify(data).findings == []
    return data


def test_event_without_corrections_records_no_evidence(hub_demo: Flask) -> None:
    post()
    statements: list[str] = []
    db.session.rollback()

    def record(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sql_event.listen(db.engine, "before_cursor_execute", record)
    try:
        post()
        post_body(event_body("request.signed", signer={"id": "eric"}))
    finally:
        sql_event.remove(db.engine, "before_cursor_execute", record)
    assert not [statement for statement in statements if "evidence_rows" in statement]
    assert count(EvidenceRow) == 0


def test_former_details_are_erased_by_their_address(hub_demo: Flask, simulator: Any) -> None:
    post()
    post(NEW_NUMBER)
    assert [number for number, _ in numbers_of(export())] == [ERIC, NEW_NUMBER]
    _forget_contacts()
    assert erasure.erase_address(ERIC) > 0
    assert [number for number, _ in numbers_of(export())] == [None, NEW_NUMBER]
    assert ERIC not in export().decode()


@transaction
def _forget_contacts() -> None:
    """Let an erasure of an address find no contact, as after a year."""
    db.session.execute(update(Contact).values(erased_at=now()))


def test_erasure_of_a_person_includes_former_details(hub_demo: Flask, simulator: Any) -> None:
    post()
    deliver()
    post(NEW_NUMBER)
    assert NEW_NUMBER in export().decode()
    contact = db.session.scalars(select(Contact.id).where(Contact.address == ERIC)).one()
    db.session.rollback()
    contact_erasure.erase_contact(contact, reason=WHY)
    data = export()
    assert [number for number, _ in numbers_of(data)] == [None, None]
    for secret in (ERIC, NEW_NUMBER, '"Eric"'):
        assert secret not in data.decode()
