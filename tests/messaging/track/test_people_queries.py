"""Lists of people: each person once, at the last message, with any filters and page sizes."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from hub.core.vocabulary import RequestState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.messaging.track import people_queries
from hub.messaging.track.people_queries import CONSENTS, PeopleFilter, PeoplePage
from hub.models import Connection, Consent, Contact, Message, SigningRequest, Suppression
from tests.conftest import POSTGRES
from tests.effort import examples
from tests.hub_fixtures import source_id

CHANNELS = ("sms", "whatsapp")


@dataclass(frozen=True)
class Sent:
    """A message of the test to one of its people."""

    to: int
    channel: str
    request: str  # the state of its request, or ''


@dataclass(frozen=True)
class History:
    """People with their consents and opt-outs, and messages in the order of their sending."""

    consents: list[list[bool]]
    opted_out: list[bool]
    erased: list[bool]
    messages: list[Sent]


people_count = st.integers(1, 8)


@st.composite
def histories(draw: st.DrawFn) -> History:
    count = draw(people_count)
    each = {"min_size": count, "max_size": count}
    message = st.builds(
        Sent,
        st.integers(0, count - 1),
        st.sampled_from(CHANNELS),
        st.sampled_from(["", "open", "completed"]),
    )
    return History(
        draw(st.lists(st.lists(st.booleans(), max_size=2), **each)),  # type: ignore[arg-type]
        draw(st.lists(st.booleans(), **each)),  # type: ignore[arg-type]
        draw(st.lists(st.sampled_from([False, False, True]), **each)),  # type: ignore[arg-type]
        draw(st.lists(message, max_size=12)),
    )


filters = st.builds(
    PeopleFilter,
    st.sampled_from(["", *CHANNELS, "voice"]),
    st.sampled_from(["", *CONSENTS]),
    has_open_request=st.booleans(),
)


def store(history: History) -> list[str]:
    """Add a history to the session, and return the IDs of its people."""
    ids = [_add_person(history, index) for index in range(len(history.consents))]
    rows = db.session.execute(select(Connection.channel, Connection.id)).all()
    connections = {row.channel: row.id for row in rows}
    requests = {state: _add_request(state) for state in ("open", "completed")}
    for sent in history.messages:
        db.session.add(
            Message(
                id=new_id("msg"),
                contact_id=ids[sent.to],
                connection_id=connections[sent.channel],
                channel=sent.channel,
                test=True,
                request_id=requests.get(sent.request),
            )
        )
        db.session.flush()
    return ids


def _add_person(history: History, index: int) -> str:
    key = secrets.token_bytes(32)
    person = Contact(
        id=new_id("ctc"), kind="phone", address=f"+1317555{index:04}", address_key=key, test=True
    )
    if history.erased[index]:
        person.erased_at = person.created_at = now()
    db.session.add(person)
    db.session.flush()
    for given_consent in history.consents[index]:
        db.session.add(
            Consent(contact_id=person.id, channel="sms", given=given_consent, evidence="api")
        )
        db.session.flush()
    if history.opted_out[index]:
        db.session.add(Suppression(address_key=key, test=True, reason="admin"))
    return person.id


def _add_request(state: str) -> str:
    request = SigningRequest(
        source_id=source_id(),
        external_id=secrets.token_hex(8),
        test=True,
        state=RequestState(state).value,
    )
    db.session.add(request)
    db.session.flush()
    return request.id


def expected(history: History, ids: list[str], wanted: PeopleFilter) -> list[str]:
    """Return the people of a filter, the newest message first, then the newest without one."""
    last = {sent.to: position for position, sent in enumerate(history.messages)}
    shown = [index for index in range(len(ids)) if _is_wanted(history, index, wanted)]
    shown.sort(key=lambda index: (last.get(index, -1), index), reverse=True)
    return [ids[index] for index in shown]


def _is_wanted(history: History, index: int, wanted: PeopleFilter) -> bool:
    own = [sent for sent in history.messages if sent.to == index]
    consents = history.consents[index]
    state = "recorded" if consents and consents[-1] else "refused"
    if not consents:
        state = "missing"
    if history.opted_out[index]:
        state = "opted_out"
    return (
        not history.erased[index]
        and (not wanted.channel or any(sent.channel == wanted.channel for sent in own))
        and wanted.consent in ("", state)
        and (not wanted.has_open_request or any(sent.request == "open" for sent in own))
    )


def read_all(wanted: PeopleFilter, size: int) -> list[PeoplePage]:
    """Return all pages, following the links to older people."""
    pages = []
    before = ""
    for _ in itertools.repeat(None, 100):
        pages.append(people_queries.read_page(wanted, before=before, after="", size=size))
        before = pages[-1].older
        if not before:
            return pages
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("few", [people_queries.FEW, -1])
@settings(max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), filters, *[st.integers(1, 6)] * 4)
def test_pages_list_each_person_once_by_the_last_message(
    hub_demo: Flask,
    few: int,
    history: History,
    wanted: PeopleFilter,
    size: int,
    first: int,
    second: int,
    counted: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people_queries, "FEW", few)
        patch.setattr(people_queries, "WINDOWS", (first, second))
        patch.setattr(people_queries, "MAX_COUNTED", counted)
        with pytest.raises(UndoError):
            _check(history, wanted, size)


class UndoError(Exception):
    """End a transaction without storing anything."""


@transaction
def _check(history: History, wanted: PeopleFilter, size: int) -> None:
    ids = store(history)
    wanted_ids = expected(history, ids, wanted)
    pages = read_all(wanted, size)
    assert [key for page in pages for key in page.contact_ids] == wanted_ids
    assert all(len(page.contact_ids) <= size for page in pages)
    for page in pages:
        assert page.count <= len(wanted_ids)
        assert not page.is_exact or page.count == len(wanted_ids)
    _check_way_back(wanted, pages, size, wanted_ids)
    raise UndoError


def _check_way_back(
    wanted: PeopleFilter, pages: list[PeoplePage], size: int, wanted_ids: list[str]
) -> None:
    """Check that the links to newer people lead from the last page to the first one."""
    found = list(pages[-1].contact_ids)
    after = pages[-1].newer
    for _ in itertools.repeat(None, 100):
        if not after:
            break
        page = people_queries.read_page(wanted, before="", after=after, size=size)
        found = [*page.contact_ids, *found]
        after = page.newer
    assert found == wanted_ids


@pytest.mark.skipif(not POSTGRES, reason="SQLite plans without statistics")
@pytest.mark.parametrize("wanted", [PeopleFilter(), PeopleFilter(has_open_request=True)])
def test_postgresql_reads_no_whole_table_of_people(in_app: Flask, wanted: PeopleFilter) -> None:
    store_people = (
        "INSERT INTO contacts (id, kind, address, address_key, test, time_zone, created_at)"
        " SELECT gen_random_uuid(), 'phone', '+1317' || g, decode(md5(g::text), 'hex'), true, '',"
        " now() FROM generate_series(2000000, 2030000) g"
    )
    with db.engine.begin() as opened:
        opened.exec_driver_sql(store_people)
        opened.exec_driver_sql("ANALYZE")  # earlier tests left statistics of other rows
    executed: list[tuple[str, Any]] = []

    def listener(_: Any, __: Any, *sql: Any) -> None:
        executed.append((sql[0], sql[1]))

    event.listen(db.engine, "before_cursor_execute", listener)
    try:
        people_queries.read_page(wanted, before="", after="", size=50)
    finally:
        event.remove(db.engine, "before_cursor_execute", listener)
    with db.engine.connect() as opened:
        plans = [
            row[0]
            for statement, values in executed
            for row in opened.exec_driver_sql(f"EXPLAIN {statement}", values)
        ]
    assert plans
    assert [step for step in plans if "Seq Scan on contacts" in step] == []
