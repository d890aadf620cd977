"""Retention deletes expired data and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, new_id, now
from hub.intake import purge, retention
from hub.messaging.compose import resend
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.models import (
    ActionToken,
    Attempt,
    Connection,
    Consent,
    Contact,
    Event,
    Message,
    MessageBody,
    PlatformEvent,
    ProviderCallback,
    Setting,
    SigningRequest,
    StatusEvent,
    Suppression,
    Thread,
)
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import wait_until
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    deliver,
    event_body,
    message,
    queue_text,
    signer_body,
    source_id,
    status,
    update_message,
)
from tests.signing.people_steps import add_route


def as_days(count: float) -> timedelta:
    return timedelta(days=count)


@transaction
def make_old(message_id: str, age: timedelta) -> str:
    """Backdate a message and return its new ID."""
    old = first_id_at("msg", now() - age)[:-6] + new_id("msg")[-6:]
    row = db.session.get_one(MessageBody, message_id)
    db.session.add(MessageBody(owner_id=old, content=row.content))
    db.session.delete(row)
    db.session.execute(
        update(Message)
        .where(Message.id == message_id)
        .values(id=old, status="delivered", due_at=None)
    )
    return old


@transaction
def add_callback(age: timedelta) -> str:
    callback_id = first_id_at("rcp", now() - age)[:-6] + new_id("rcp")[-6:]
    callback = ProviderCallback(
        id=callback_id, subject=new_id("x"), detail="", endpoint="e", scope="s", due_at=None
    )
    callback.request = {"body": "", "headers": {}}
    db.session.add(callback)
    return callback.id


def count_rows(model: type) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_texts_are_removed_after_their_retention_and_metadata_stays(hub_demo: Flask) -> None:
    old = make_old(queue_text(), as_days(30.1))
    young = make_old(queue_text(), as_days(29.9))
    assert retention.apply_retention() == 1
    assert count_rows(MessageBody) == 1
    assert {message(message_id).status for message_id in (old, young)} == {"delivered"}
    assert message(old).contact.address == ERIC
    assert retention.apply_retention() == 0


def test_callback_bodies_are_removed_after_their_retention(hub_demo: Flask) -> None:
    add_callback(as_days(31))
    kept_id = add_callback(as_days(29))
    retention.apply_retention()
    db.session.rollback()
    assert db.session.scalars(select(ProviderCallback.id)).all() == [kept_id]


@pytest.mark.parametrize("answers", [False, True])
def test_inbound_text_is_removed_from_platform_events_too(hub_demo: Flask, answers: bool) -> None:
    about = queue_text() if answers else None

    @transaction
    def receive_text(past: timedelta) -> None:
        inbound = first_id_at("inb", now() - past)[:-6] + new_id("inb")[-6:]
        db.session.add(MessageBody(owner_id=inbound, content={"text": "Hello"}))
        db.session.add(
            PlatformEvent(
                cause=f"{inbound}:received",
                type="whatsapp_received",
                message_id=about,
                at=now() - past,
                payload={"text": "Hello"},
            )
        )

    receive_text(as_days(31))
    receive_text(as_days(1))
    retention.apply_retention()
    assert count_rows(PlatformEvent) == 1


def test_retention_keeps_opt_outs(hub_demo: Flask) -> None:
    row = suppressions.add_opt_out(ERIC, test=True)

    @transaction
    def backdate() -> None:
        db.session.execute(
            update(Suppression).where(Suppression.id == row.id).values(since=now() - as_days(4000))
        )

    backdate()
    retention.apply_retention()
    assert count_rows(Suppression) == 1


def test_more_than_a_batch_is_removed_in_one_run(hub_demo: Flask) -> None:
    @transaction
    def add_many() -> None:
        for _ in range(retention.AT_ONCE + 5):
            db.session.add(
                MessageBody(
                    owner_id=first_id_at("msg", now() - as_days(40))[:-8] + new_id("msg")[-8:],
                    content={"text": "x"},
                )
            )

    add_many()
    assert retention.apply_retention() == retention.AT_ONCE + 5
    assert count_rows(MessageBody) == 0


class TestShorterRetention:
    """A hub with shorter retention."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_BODY_DAYS": "1", "HUB_RECEIPT_DAYS": "90"}

    def test_configured_retention_applies(self, hub_demo: Flask) -> None:
        make_old(queue_text(), as_days(2))
        add_callback(as_days(80))
        retention.apply_retention()
        assert (count_rows(MessageBody), count_rows(ProviderCallback)) == (0, 1)


# ── After a year ──────────────────────────────────────────────────────────────────────────────────
YEAR = as_days(366)


def test_sent_messages_are_removed_after_a_year(hub_demo: Flask, simulator: Any) -> None:
    old = queue_text()
    deliver()
    later = now() + YEAR
    removed = purge.delete_old_rows(later)
    assert removed["messages"] == 0, "something more is expected of it"
    backdate_last_purge()
    update_message(old, due_at=None)
    removed = purge.delete_old_rows(later)
    assert removed["messages"] == 1
    assert (
        count_rows(Message),
        count_rows(Attempt),
        count_rows(StatusEvent),
        count_rows(PlatformEvent),
        count_rows(MessageBody),
    ) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert count_rows(Contact) == 0, "the address is no longer known"


def test_newer_rows_are_kept(hub_demo: Flask, simulator: Any) -> None:
    queue_text()
    deliver()
    before = count_rows(StatusEvent)
    assert sum(purge.delete_old_rows(now() - as_days(365)).values()) == 0
    assert (count_rows(Message), count_rows(Contact), count_rows(StatusEvent)) == (1, 1, before)


def test_opt_outs_and_consents_do_not_expire(hub_demo: Flask, simulator: Any) -> None:
    opted_out = queue_text("+15005550004")  # who replied STOP
    deliver()
    consents.record_consent(ConsentEntry(ERIC, True), source="api", test=True)
    assert status(opted_out) == "failed"
    purge.delete_old_rows(now() + YEAR)
    assert (count_rows(Suppression), count_rows(Consent)) == (1, 1)
    assert count_rows(Message) == 1, "the one that the opt-out came of"
    assert count_rows(Contact) == 2


def test_old_request_keeps_only_its_existence(hub_demo: Flask, signing_app: SigningApp) -> None:
    add_route("signed", "sender")
    sender = {"name": "Acme HR", "mobile_number": ANNA}
    signing_app.post(
        "/events",
        event_body(
            "request.signed",
            signer=signer_body("Eric"),
            observers=[{"id": "legal", "name": "Lena"}],
            request={"id": "agr-1001", "title": "Lease", "sender": sender},
        ),
    )
    db.session.rollback()
    assert purge.delete_old_rows(now() - as_days(1))["requests"] == 0
    backdate_last_purge()
    assert purge.delete_old_rows(now() + YEAR)["requests"] == 1, (
        "open or not: there was no news of it for a year"
    )
    db.session.rollback()
    request = db.session.scalars(select(SigningRequest)).one()
    assert (request.title, request.sender) == (None, None)
    assert {
        person.role: (person.details, person.signing_url) for person in request.people
    } == dict.fromkeys(("signer", "observer", "sender"), (None, None))
    assert {event.payload for event in db.session.scalars(select(Event))} == {None}


def _count_queued() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(Message.status == "queued")) or 0


def test_erasing_a_team_post_erases_its_thread_and_buttons(
    connect_team: Callable[[str], Connection], fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric", None)])),
        source_id(),
        test=True,
    )
    # the team also reads that the signer has no address, one post a second
    wait_until(lambda: deliver() == 0 and not _count_queued(), 10)
    assert (count_rows(Thread), count_rows(ActionToken)) == (1, 2)
    for _ in range(2):  # of two messages the one that took over goes first
        purge.delete_old_rows(now() + YEAR)
        backdate_last_purge()
    assert (count_rows(Message), count_rows(Thread), count_rows(ActionToken)) == (0, 0, 0)


def test_fallback_message_is_removed_before_its_predecessor(hub_demo: Flask) -> None:
    first = queue_text()
    update_message(first, status="failed", due_at=None)
    second = resend.resend(first).id
    update_message(second, status="failed", due_at=None)
    for _ in range(2):
        purge.delete_old_rows(now() + YEAR)
        backdate_last_purge()
    assert count_rows(Message) == 0


def test_old_rows_are_removed_once_a_day(hub_demo: Flask) -> None:
    assert purge.delete_old_rows(now() - YEAR) != {}
    assert purge.delete_old_rows(now() - YEAR) == {}
    backdate_last_purge()
    assert purge.delete_old_rows(now() - YEAR) != {}


@transaction
def backdate_last_purge() -> None:
    """Backdate the last removal by two days."""
    row = db.session.get(Setting, purge.SETTING)
    if row is not None:
        row.changed_at = now() - as_days(2)
