"""Scheduled events are planned once, at their time, as people and routes are then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import purge
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.models import Event, Message, MessageBody, QuarantinedRow, Setting
from hub.signing import plan_scheduled
from tests.hub_fixtures import ANNA, SigningApp, count, event_body, json_of, signer_body
from tests.signing.ladder_steps import legs, set_route

IN_TWO_DAYS = timedelta(days=2)


def post(app: SigningApp, kind: str = "request.sent", **fields: Any) -> Any:
    event = event_body(kind, **fields)
    answer = app.post("/events", event)
    assert answer.status_code == 202, answer.text
    return json_of(answer)


def schedule(app: SigningApp, kind: str = "request.sent", **fields: Any) -> str:
    """Post an event to be sent in two days, and return its ID."""
    fields = {"signers": [signer_body("Eric")]} | fields
    answer = post(app, kind, send_at=(now() + IN_TWO_DAYS).isoformat(), **fields)
    assert (answer["messages"], answer["skipped"]) == ([], [])
    return answer["event"]["id"]  # type: ignore[no-any-return]


@transaction
def make_due(event_id: str) -> None:
    db.session.execute(
        update(Event).where(Event.id == event_id).values(due_at=now() - timedelta(seconds=1))
    )


def plan() -> int:
    db.session.rollback()
    return plan_scheduled.plan_due(ShutdownSignal(10))


def event(event_id: str) -> Event:
    db.session.rollback()
    return db.session.get_one(Event, event_id)


def texts() -> list[str]:
    db.session.rollback()
    return [body.content["text"] for body in db.session.scalars(select(MessageBody))]


def test_event_with_a_send_at_is_answered_as_scheduled(signing_app: SigningApp) -> None:
    send_at = now() + IN_TWO_DAYS
    answer = post(signing_app, signers=[signer_body("Eric")], send_at=send_at.isoformat())
    assert answer["event"]["send_at"] == send_at.isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert count(Message) == 0
    assert not plan_scheduled.is_due()
    assert plan() == 0
    [listed] = json_of(signing_app.get("/requests/agr-1001"))["scheduled"]
    assert (listed["id"], listed["type"]) == (answer["event"]["id"], "request.sent")


def test_scheduled_event_is_planned_once_when_its_time_comes(signing_app: SigningApp) -> None:
    event_id = schedule(signing_app)
    make_due(event_id)
    assert plan_scheduled.is_due()
    assert chores.is_due(), "cron wakes the chores for it"
    assert chores.run_chores(ShutdownSignal(10)) >= 1
    assert len(texts()) == 1
    stored = event(event_id)
    assert (stored.due_at, stored.canceled_at) == (None, None)
    assert stored.planned_at is not None
    assert plan() == 0
    assert count(Message) == 1
    assert json_of(signing_app.get("/requests/agr-1001"))["scheduled"] == []


def test_event_is_planned_with_the_people_and_texts_of_its_time(signing_app: SigningApp) -> None:
    event_id = schedule(signing_app)
    changed = event_body("request.viewed", signers=[signer_body("Eric", "+13175559999")])
    changed["request"]["title"] = "Second Draft"
    assert signing_app.post("/events", changed).status_code == 202
    make_due(event_id)
    assert plan() == 1
    [text] = texts()
    assert "Second Draft" in text
    message = db.session.scalars(select(Message)).one()
    assert message.contact.address == "+13175559999"


def test_event_is_planned_by_the_route_of_its_time(signing_app: SigningApp) -> None:
    demo.connect_chats_and_mail()
    set_route(("sms", None, None))
    event_id = schedule(signing_app, signers=[signer_body("Eric", email="eric@example.com")])
    set_route(("email", None, None))
    make_due(event_id)
    assert plan() == 1
    assert [leg.channel for leg in legs()] == ["email"]


@pytest.mark.parametrize("ended_by", ["request.signed", "request.canceled", "request.completed"])
def test_nobody_is_asked_to_sign_by_a_scheduled_event_after_signing_has_ended(
    signing_app: SigningApp, ended_by: str
) -> None:
    event_id = schedule(signing_app)
    post(signing_app, ended_by, signer="eric")
    before = len(texts())
    make_due(event_id)
    assert plan() == 1
    assert len(texts()) == before
    assert event(event_id).skipped[0]["reason"] in ("already_signed", "request_closed")


def test_signature_counts_at_once_and_only_its_notices_wait(signing_app: SigningApp) -> None:
    people = [signer_body("Eric"), signer_body("Anna", ANNA)]
    post(signing_app, signers=people)
    event_id = schedule(signing_app, "request.signed", signer="eric", signers=[])
    [signer] = [
        person
        for person in json_of(signing_app.get("/requests/agr-1001"))["signers"]
        if person["id"] == "eric"
    ]
    assert signer["state"] == "signed"
    before = len(texts())
    make_due(event_id)
    assert plan() == 1
    assert any("Eric has signed" in text for text in texts()[before:])


@pytest.mark.parametrize("sent", [timedelta(), timedelta(seconds=-1), timedelta(days=-30)])
def test_past_send_at_means_now(signing_app: SigningApp, sent: timedelta) -> None:
    answer = post(signing_app, signers=[signer_body("Eric")], send_at=(now() + sent).isoformat())
    assert answer["event"]["send_at"] is None
    assert len(answer["messages"]) == 1


@pytest.mark.parametrize(
    ("send_at", "expires_at", "code"),
    [
        (timedelta(days=90, minutes=1), None, "too_far_ahead"),
        (timedelta(days=2), timedelta(days=1), "after_expiry"),
        (timedelta(days=2), timedelta(days=2), "after_expiry"),
    ],
)
def test_send_at_out_of_range_is_refused_with_its_field(
    signing_app: SigningApp, send_at: timedelta, expires_at: timedelta | None, code: str
) -> None:
    at = now()
    body = event_body(signers=[signer_body("Eric")], send_at=(at + send_at).isoformat())
    if expires_at:
        body["request"]["expires_at"] = (at + expires_at).isoformat()
    answer = signing_app.post("/events", body)
    assert answer.status_code == 422
    assert (json_of(answer)["code"], json_of(answer)["field"]) == (code, "send_at")
    assert count(Event) == 0
    assert signing_app.get("/requests/agr-1001").status_code == 404, "nothing was stored"


def test_send_at_after_the_stored_expiry_is_refused(signing_app: SigningApp) -> None:
    body = event_body(signers=[signer_body("Eric")])
    body["request"]["expires_at"] = (now() + timedelta(days=1)).isoformat()
    assert signing_app.post("/events", body).status_code == 202
    later = event_body("request.reminder", send_at=(now() + IN_TWO_DAYS).isoformat())
    assert json_of(signing_app.post("/events", later))["code"] == "after_expiry"


@pytest.mark.parametrize("value", [1_800_000_000, "2026-12-01", "tomorrow", True])
def test_send_at_is_a_time_with_an_offset(signing_app: SigningApp, value: Any) -> None:
    answer = signing_app.post("/events", event_body(send_at=value))
    assert (answer.status_code, json_of(answer)["field"]) == (422, "send_at")


def test_canceled_event_notifies_nobody(signing_app: SigningApp) -> None:
    event_id = schedule(signing_app, id="invite-1")
    answer = signing_app.post("/events/invite-1/cancel")
    assert (answer.status_code, json_of(answer)["id"]) == (200, event_id)
    assert json_of(answer)["canceled_at"] is not None
    make = event(event_id)
    assert (make.due_at, make.planned_at) == (None, None)
    assert plan() == 0
    assert count(Message) == 0
    again = signing_app.post(f"/events/{event_id}/cancel")
    assert (again.status_code, json_of(again)["code"]) == (409, "not_scheduled")


def test_planned_event_cannot_be_canceled(signing_app: SigningApp) -> None:
    event_id = post(signing_app, signers=[signer_body("Eric")])["event"]["id"]
    answer = signing_app.post(f"/events/{event_id}/cancel")
    assert (answer.status_code, json_of(answer)["code"]) == (409, "not_scheduled")
    assert "Cancel each message" in json_of(answer)["detail"]
    assert signing_app.post("/events/unknown/cancel").status_code == 404


def test_two_workers_plan_a_scheduled_event_once(app: Flask, signing_app: SigningApp) -> None:
    event_ids = [
        schedule(signing_app, request={"id": f"agr-{number}", "title": "Lease"})
        for number in range(4)
    ]
    for event_id in event_ids:
        make_due(event_id)

    def work(event_id: str) -> bool:
        with app.app_context():
            return plan_scheduled.plan_event(event_id)

    with ThreadPoolExecutor(2) as pool:
        planned = list(pool.map(work, [*event_ids, *event_ids]))
    assert sum(planned) == len(event_ids)
    assert count(Message) == len(event_ids)


def test_unreadable_event_does_not_delay_others(signing_app: SigningApp) -> None:
    damaged = schedule(signing_app)
    sound = schedule(signing_app, request={"id": "agr-2", "title": "Lease"})

    @transaction
    def damage() -> None:
        db.session.execute(update(Event).where(Event.id == damaged).values(_payload=b"?"))

    damage()
    make_due(damaged)
    make_due(sound)
    assert plan() == 1
    assert event(sound).planned_at is not None
    due_at = event(damaged).due_at
    assert due_at is not None
    assert due_at > now(), "it is tried again later"
    assert [row.row_id for row in db.session.scalars(select(QuarantinedRow))] == [damaged]


def test_retention_keeps_the_content_of_scheduled_events(signing_app: SigningApp) -> None:
    waiting = schedule(signing_app)
    done = post(signing_app, "request.viewed", signer="eric")["event"]["id"]

    @transaction
    def purge_all() -> None:
        db.session.query(Setting).filter(Setting.name == purge.SETTING).delete()

    purge_all()
    purge.delete_old_rows(now() + timedelta(minutes=1))
    assert event(done).payload is None
    assert event(waiting).payload is not None
    make_due(waiting)
    assert plan() == 1
