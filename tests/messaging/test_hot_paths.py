"""Hot paths are prepared before the write lock, so none of them commits through the session."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import event

from hub.db.engine import db
from hub.db.group_commit import get_group_commit
from hub.db.sqlite_connections import sqlite_connections
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import claims
from hub.messaging.send.calls import Outcome
from hub.models import Connection, EvidenceRow
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import POSTGRES
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    count,
    event_body,
    post_callback,
    process_pending_callbacks,
    queue_text,
    signer_body,
    source_id,
    status,
    status_form,
    status_target,
)

SID = "SM" + "0" * 32

pytestmark = pytest.mark.skipif(bool(POSTGRES), reason="every change is a plain transaction there")


@pytest.fixture
def session_commits(connection: Connection) -> Iterator[list[object]]:
    """Collect the commits of the session."""
    commits: list[object] = []
    record = commits.append
    event.listen(db.session, "after_commit", record)
    yield commits
    event.remove(db.session, "after_commit", record)


@pytest.fixture
def statements(connection: Connection) -> Iterator[list[str]]:
    """Collect the statements of the open connections, with their values."""
    connections = sqlite_connections()
    assert connections is not None
    executed: list[str] = []
    groups = [connections, get_group_commit().connections]  # type: ignore[union-attr]
    for group in groups:
        opened = group.take()
        opened.set_trace_callback(executed.append)
        group.give_back(opened)
    yield executed
    for group in groups:
        group.close()


def post_event(external_id: str, number: str = ERIC) -> None:
    request = {"id": external_id, "title": "Employment Agreement", "sender": {"name": "Acme HR"}}
    body = event_body(signers=[signer_body("Eric", number)], request=request)
    accept.accept_event(EventIn.model_validate(body), source_id(), test=True)


def test_event_is_accepted_without_the_session(session_commits: list[object]) -> None:
    post_event("first")  # creates the index key
    session_commits.clear()
    post_event("second")
    assert session_commits == []


def test_event_about_a_new_person_takes_few_statements(
    statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.db.store.CACHE_SECONDS", 60)
    post_event("first")
    statements.clear()
    post_event("second", ANNA)
    tables = [
        match[2] for line in statements if (match := re.match(r"(INSERT INTO|UPDATE) (\w+)", line))
    ]
    # a new contact is stored once, with the time of its opt-out line
    assert sorted(tables) == [
        "contacts",
        "events",
        "links",
        "message_bodies",
        "messages",
        "requests",
        "signers",
        "unindexed_rows",
        "unindexed_rows",
    ]
    # the request, the connections, the contact for the fallbacks of the route and for the message,
    # and its opt-outs. Nothing else refers to a new request or contact. Each is read again under
    # the lock.
    assert sum(line.startswith("SELECT") for line in statements) == 2 * 5


@pytest.mark.parametrize("is_corrected", [False, True])
def test_only_an_event_with_corrections_takes_the_session_for_evidence(
    session_commits: list[object], *, is_corrected: bool
) -> None:
    post_event("first")
    session_commits.clear()
    post_event("first", ANNA if is_corrected else ERIC)
    assert bool(session_commits) == is_corrected
    assert bool(count(EvidenceRow)) == is_corrected


def test_accepting_an_event_takes_no_connection_of_the_session(
    hub_demo: Flask, signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.db.store.CACHE_SECONDS", 60)
    connections: list[object] = []
    event.listen(db.engine, "checkout", lambda *_: connections.append(1))
    for external_id in ("first", "second"):
        connections.clear()
        request = {"id": external_id, "title": "Employment Agreement"}
        answer = signing_app.post(
            "/events", event_body(signers=[signer_body("Eric")], request=request)
        )
        assert answer.status_code == 202
    assert connections == []


def test_message_is_claimed_and_recorded_without_the_session(
    connection: Connection, session_commits: list[object]
) -> None:
    claims.record_and_claim([], {connection.id: 1})  # creates the integration
    message_id = queue_text()
    assert session_commits, "adding one message by hand is a plain transaction"
    session_commits.clear()
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    assert status(message_id) == "accepted"
    assert session_commits == []


def test_status_callback_is_processed_without_the_session(
    hub_demo: Flask, connection: Connection, session_commits: list[object]
) -> None:
    message_id = queue_text()
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    session_commits.clear()
    form = status_form(hub_demo, SID, "delivered")
    post_callback(hub_demo, form, target=status_target(message_id))
    assert process_pending_callbacks() == 1
    assert status(message_id) == "delivered"
    assert session_commits == []
