"""Evidence outlives messages and texts, until its own retention ends or a person is erased."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from hub.core.errors import Conflict, NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.evidence import erasure, export, holds
from hub.intake import purge, retention
from hub.models import (
    Contact,
    EvidenceRow,
    InboundMessage,
    Message,
    MessageBody,
    Setting,
    SigningRequest,
)
from hub.shared import clock_check
from hub.signing import contact_erasure
from tests.evidence.conftest import entries_of, export_file, value_of, verify
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    count,
    credentials,
    event_body,
    post_callback,
    process_pending_callbacks,
)
from tests.signing.post_steps import ConnectTeam, deliver_posts, load_request, post_event

YEAR = timedelta(days=366)
DECADE = timedelta(days=3_700)
NO_HASH = {"sha256": ""}
WHY = "Letter of the person, 2026-11-30"


@pytest.fixture
def trusted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests of retention move the clock, which otherwise stops it."""
    monkeypatch.setattr(clock_check, "is_trusted", lambda: True)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, trusted_clock: None) -> Any:
    """Return a function that runs retention as if some time had passed."""

    def run(passed: timedelta) -> None:
        import time_machine

        _settle_messages()
        with time_machine.travel(now() + passed, tick=True):
            for _ in range(3):  # a fallback is deleted before the message that it follows
                _forget_last_run()
                retention.apply_retention()
        db.session.rollback()

    return run


@transaction
def _settle_messages() -> None:
    """Expect no further status of any message, as after the time for it ended."""
    db.session.execute(update(Message).values(due_at=None))


@transaction
def _forget_last_run() -> None:
    db.session.execute(delete(Setting).where(Setting.name == purge.SETTING))


def reply(app: Flask, text: str) -> None:
    """Let Eric write to the hub."""
    account = credentials(app)
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": ERIC,
        "To": account.phone_number,
        "MessageSid": "SM" + "b" * 32,
        "SmsStatus": "received",
        "Body": text,
    }
    post_callback(app, form)
    process_pending_callbacks()


def test_evidence_is_complete_after_a_year(
    hub_demo: Flask, request_id: str, signing_app: SigningApp, later: Any
) -> None:
    """Nothing was exported before messages, replies and texts were deleted."""
    reply(hub_demo, "Thanks")
    signing_app.post("/events", event_body("request.canceled"))
    later(YEAR)
    assert [count(table) for table in (Message, InboundMessage, MessageBody)] == [0, 0, 0]
    data = export_file(request_id)
    assert verify(data).findings == []
    sent = entries_of(data, "message.created")
    assert [value_of(data, entry["recipient"]) for entry in sent] == [ERIC, ANNA, ERIC, ANNA]
    assert {value_of(data, entry["content"]) for entry in sent} == {None}
    assert len(entries_of(data, "message.attempt")) == 2
    assert len(entries_of(data, "message.status")) >= 2
    assert len(entries_of(data, "reply.received")) == 1
    people = entries_of(data, "person.stored")
    assert {value_of(data, entry["name"]) for entry in people} == {"Eric", "Anna", "Acme HR"}
    [request] = entries_of(data, "request.stored")
    assert value_of(data, request["title"]) == "Employment Agreement"


def test_deletion_changes_no_entry(hub_demo: Flask, request_id: str, later: Any) -> None:
    reply(hub_demo, "Thanks")
    before = export_file(request_id)
    later(YEAR)
    after = export_file(request_id)
    assert entries_of(after) == entries_of(before)
    assert verify(before).findings == verify(after).findings == []


def test_text_is_in_evidence_while_it_is_stored(request_id: str, later: Any) -> None:
    [entry, _] = entries_of(export_file(request_id), "message.created")
    later(timedelta(days=31))
    data = export_file(request_id)
    item = json.loads(data)["values"][entry["content"]["sha256"]]
    assert item.keys() == {"salt"}, "a text that somebody kept can still be compared"
    assert verify(data).is_intact


def test_evidence_is_deleted_after_its_own_time(request_id: str, later: Any) -> None:
    export_file(request_id)
    later(DECADE)
    assert count(EvidenceRow) == 0


def test_evidence_that_is_no_longer_kept_is_not_exported(request_id: str) -> None:
    import time_machine

    with time_machine.travel(now() + DECADE, tick=True), pytest.raises(NotFound):
        export_file(request_id)


def test_hold_keeps_everything(request_id: str, later: Any) -> None:
    holds.place_hold(request_id, "Case 12")
    before = entries_of(export_file(request_id))
    later(DECADE)
    data = export_file(request_id)
    assert entries_of(data) == before
    [sent, _] = entries_of(data, "message.created")
    assert value_of(data, sent["content"])["text"]
    holds.remove_hold(request_id)
    later(DECADE)
    assert count(EvidenceRow) == count(Message) == count(MessageBody) == 0


def test_hold_is_part_of_the_evidence(request_id: str) -> None:
    holds.place_hold(request_id, "Case 12")
    with pytest.raises(Conflict):
        holds.place_hold(request_id, "Case 13")
    holds.remove_hold(request_id)
    with pytest.raises(NotFound):
        holds.remove_hold(request_id)
    data = export_file(request_id)
    actions = [entry["action"] for entry in entries_of(data, "action")]
    assert actions == ["request.hold_placed", "request.hold_removed"]
    assert b"Case 12" not in data


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_hold_needs_a_reason(request_id: str, reason: str) -> None:
    with pytest.raises(Refused):
        holds.place_hold(request_id, reason)


def contact_of(address: str) -> str:
    db.session.rollback()
    return db.session.scalars(select(Contact.id).where(Contact.address == address)).one()


@pytest.mark.parametrize("recorded", [True, False])
def test_erasure_removes_values_and_salts(hub_demo: Flask, request_id: str, recorded: bool) -> None:
    reply(hub_demo, "My name is Eric")
    before = export_file(request_id) if recorded else b""
    contact_erasure.erase_contact(contact_of(ERIC), reason=WHY)
    data = export_file(request_id)
    verdict = verify(data)
    assert verdict.findings == []
    for secret in (ERIC, "Eric", "My name"):
        assert secret not in data.decode()
    assert ANNA in data.decode()
    [erased] = entries_of(data, "values.erased")
    assert erased["by"] == "user"
    if recorded:
        assert verify(before).is_intact, "an earlier export stays valid"
        assert entries_of(data)[: len(entries_of(before))] == entries_of(before)
        kept = json.loads(data)["values"].keys()
        [sent, _] = entries_of(data, "message.created")
        assert not {sent["recipient"]["sha256"], sent["content"]["sha256"]} & kept
    assert not db.session.scalars(
        select(Message.content_salt).where(Message.contact_id == erased["contact"])
    ).one()


@pytest.mark.parametrize(
    ("recorded", "by_address"),
    [(True, True), (True, False), (False, False)],
    ids=["address", "contact", "contact, not exported"],
)
def test_erasure_removes_the_salts_of_posts_that_name_the_person(
    connect_team: ConnectTeam, fake_provider: FakeProvider, *, recorded: bool, by_address: bool
) -> None:
    """A guessed name could be compared with the hash of a post, if its salt were kept."""
    connect_team("E1")
    post_event()
    deliver_posts(fake_provider, "E1")
    post_event("request.signed", signer={"id": "anna"})  # it edits the post
    deliver_posts(fake_provider, "E1")
    request = load_request().id
    if recorded:
        assert all(salt_of(entry, export_file(request)) for entry in posts_of(request))
    if by_address:
        _forget_contact(ERIC)
        erasure.erase_address(ERIC)
    else:
        contact_erasure.erase_contact(contact_of(ERIC), reason=WHY)
    data = export_file(request)
    assert verify(data).findings == []
    posts = posts_of(request)
    assert len(posts) >= 2
    assert not any(salt_of(entry, data) for entry in posts)
    assert all(value_of(data, entry["recipient"]) == "E1" for entry in posts)
    db.session.rollback()
    salts = select(Message.content_salt).where(Message.thread != "")
    assert set(db.session.scalars(salts)) == {None}
    assert entries_of(data, "values.erased")
    others = [entry for entry in entries_of(data, "message.created") if entry["person"]]
    kept = [entry for entry in others if value_of(data, entry.get("recipient", NO_HASH)) == ANNA]
    assert kept
    assert all(salt_of(entry, data) for entry in kept), "texts to other people stay"


def posts_of(request_id: str) -> list[dict[str, Any]]:
    created = entries_of(export_file(request_id), "message.created")
    return [entry for entry in created if entry["channel"] == "chat" and not entry["person"]]


def salt_of(entry: dict[str, Any], data: bytes) -> str | None:
    """Return the salt of the text of a message, or None if the file does not have it."""
    salt: str | None = json.loads(data)["values"].get(entry["content"]["sha256"], {}).get("salt")
    return salt


@transaction
def _forget_contact(address: str) -> None:
    """Let an erasure of an address find no contact, as after a year."""
    values = update(Contact).where(Contact.address == address).values(erased_at=now())
    db.session.execute(values)


def test_erasure_and_a_year_of_retention_leave_a_valid_file(request_id: str, later: Any) -> None:
    contact_erasure.erase_contact(contact_of(ERIC), reason=WHY)
    later(YEAR)
    data = export_file(request_id)
    assert verify(data).findings == []
    assert ERIC not in data.decode()
    assert len(entries_of(data, "message.created")) == 2
    assert len(entries_of(data, "values.erased")) == 1


def test_address_is_erased_after_its_contact_is_gone(request_id: str, later: Any) -> None:
    later(YEAR)
    assert count(Contact) == 0
    assert ERIC in export_file(request_id).decode()
    assert erasure.erase_address("+1 (317) 555-1234") > 0
    data = export_file(request_id)
    assert ERIC not in data.decode()
    assert "Eric" not in data.decode()
    assert ANNA in data.decode()
    assert verify(data).is_intact
    assert erasure.erase_address(ERIC) == 0


def test_person_of_a_held_request_is_not_erased(request_id: str, later: Any) -> None:
    holds.place_hold(request_id, "Case 12")
    with pytest.raises(Refused, match="legal hold"):
        contact_erasure.erase_contact(contact_of(ERIC), reason=WHY)
    export_file(request_id)
    with pytest.raises(Refused, match="legal hold"):
        erasure.erase_address(ERIC)
    holds.remove_hold(request_id)
    contact_erasure.erase_contact(contact_of(ERIC), reason=WHY)


def test_test_and_live_evidence_are_erased_apart(request_id: str) -> None:
    """The page of an erasure lists the same address in live data as another contact."""
    export_file(request_id)
    _make_live(request_id)
    contact_erasure.erase_contact(contact_of(ERIC), reason=WHY)
    assert '"Eric"' in export_file(request_id).decode()


@transaction
def _make_live(request_id: str) -> None:
    db.session.execute(
        update(SigningRequest).where(SigningRequest.id == request_id).values(test=False)
    )


def test_request_is_found_by_the_id_in_the_app(request_id: str) -> None:
    assert export.find_request("agr-1001").id == request_id
    assert export.find_request(request_id).id == request_id
    for name in ("nothing", "req_nothing", ""):
        with pytest.raises(NotFound):
            export.find_request(name)


def test_damaged_row_stops_neither_export_nor_retention(request_id: str, later: Any) -> None:
    export_file(request_id)
    _damage_first_row()
    data = export_file(request_id)
    assert verify(data).is_intact
    assert len(entries_of(data, "entries.unreadable")) == 1
    later(YEAR)
    assert count(Message) == 0
    assert verify(export_file(request_id)).is_intact


@transaction
def _damage_first_row() -> None:
    db.session.execute(
        update(EvidenceRow).where(EvidenceRow.number == 1).values(content=b"damaged")
    )
