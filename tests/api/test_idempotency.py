"""The same key and body get the same response, however often and however concurrently they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from hub.db import locks
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Event, IdempotencyKey, Message
from tests.api.conftest import StrictApp
from tests.hub_fixtures import ANNA, ERIC, count, event_body, json_of, signer_body

MESSAGE = {"channel": "sms", "to": ERIC, "text": "Once."}


def test_repeated_request_gets_the_same_response_once(signing_app: StrictApp) -> None:
    first = signing_app.post("/messages", MESSAGE, Idempotency_Key="k1")
    response = signing_app.post("/messages", MESSAGE, Idempotency_Key="k1")
    assert json_of(response) == json_of(first)
    assert (first.status_code, response.status_code) == (202, 202)
    assert "Idempotency-Replayed" not in first.headers
    assert response.headers["Idempotency-Replayed"] == "true"
    assert count(Message) == 1


def test_different_body_under_the_same_key_is_refused(signing_app: StrictApp) -> None:
    signing_app.post("/messages", MESSAGE, Idempotency_Key="k1")
    answer = signing_app.post("/messages", {**MESSAGE, "text": "Twice."}, Idempotency_Key="k1")
    assert (answer.status_code, json_of(answer)["code"]) == (422, "idempotency_mismatch")
    assert count(Message) == 1


def test_idempotency_key_is_scoped_to_a_path_and_an_api_key(
    signing_app: StrictApp, add_signing_app: Callable[..., StrictApp]
) -> None:
    event = event_body(signers=[signer_body("Eric")])
    assert signing_app.post("/messages", MESSAGE, Idempotency_Key="k1").status_code == 202
    assert signing_app.post("/events", event, Idempotency_Key="k1").status_code == 202
    assert add_signing_app().post("/messages", MESSAGE, Idempotency_Key="k1").status_code == 202
    assert count(Message) == 3


def test_refused_request_may_be_corrected_under_its_key(signing_app: StrictApp) -> None:
    assert (
        signing_app.post("/messages", {**MESSAGE, "to": "1"}, Idempotency_Key="k1").status_code
        == 422
    )
    assert signing_app.post("/messages", MESSAGE, Idempotency_Key="k1").status_code == 202
    assert count(IdempotencyKey) == 1


def test_requests_without_a_key_are_not_deduplicated(signing_app: StrictApp) -> None:
    for _ in range(2):
        signing_app.post("/messages", MESSAGE)
    assert (count(Message), count(IdempotencyKey)) == (2, 0)


@pytest.mark.parametrize("key", ["x" * 256, "line\tbreak"])
def test_invalid_idempotency_key_is_refused(signing_app: StrictApp, key: str) -> None:
    answer = signing_app.post("/messages", MESSAGE, Idempotency_Key=key)
    assert (answer.status_code, json_of(answer)["field"]) == (422, "Idempotency-Key")


def test_response_is_stored_encrypted_for_a_week(signing_app: StrictApp) -> None:
    first = json_of(signing_app.post("/messages", MESSAGE, Idempotency_Key="k1"))
    row = db.session.query(IdempotencyKey).one()
    assert row._response is not None
    assert first["id"].encode() not in row._response
    assert ERIC.encode() not in row._response
    with time_machine.travel(now() + timedelta(days=6, hours=23)):
        assert (
            json_of(signing_app.post("/messages", MESSAGE, Idempotency_Key="k1"))["id"]
            == first["id"]
        )
    with time_machine.travel(now() + timedelta(days=8)):
        assert (
            json_of(signing_app.post("/messages", MESSAGE, Idempotency_Key="k1"))["id"]
            != first["id"]
        )


def test_repeated_reminder_under_one_key_is_sent_once(signing_app: StrictApp) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]))
    answers = [
        json_of(signing_app.post("/requests/agr-1001/remind", {}, Idempotency_Key="k1"))
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert count(Message) == 2


# ── At the same time ──────────────────────────────────────────────────────────────────────────────
def call_concurrently(app: Flask, calls: list[Callable[[], TestResponse]]) -> list[TestResponse]:
    """Make calls at the same moment, each in a thread with its own database connection."""
    responses: list[TestResponse] = []
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], TestResponse]) -> None:
        barrier.wait()
        responses.append(call())

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return responses


def test_concurrent_equal_requests_are_processed_once(
    signing_app: StrictApp, hub_demo: Flask
) -> None:
    # its key has been used: nothing but the request itself is written from here on
    signing_app.get("/messages")
    db.session.rollback()
    for n in range(4):
        message = {**MESSAGE, "text": f"Round {n}."}
        answers = call_concurrently(
            hub_demo,
            [lambda m=message, n=n: signing_app.post("/messages", m, Idempotency_Key=f"k{n}")] * 4,
        )  # type: ignore[misc]
        assert [answer.status_code for answer in answers] == [202] * 4
        assert len({json_of(answer)["id"] for answer in answers}) == 1
    assert count(Message) == 4


def test_request_waits_for_a_running_one_with_its_key(
    signing_app: StrictApp, hub_demo: Flask
) -> None:
    signing_app.get("/messages")
    db.session.rollback()
    began = threading.Event()
    event = threading.Event()

    @transaction
    def hold_write_lock() -> None:  # the only writer of SQLite; on PostgreSQL it holds the table
        db.session.execute(db.text("UPDATE api_keys SET used_at = used_at"))
        if db.engine.dialect.name == "postgresql":
            db.session.execute(db.text("LOCK TABLE messages IN EXCLUSIVE MODE"))
        event.set()
        began.wait(5)
        time.sleep(0.4)

    def in_context() -> None:
        with hub_demo.app_context():
            hold_write_lock()

    holder = threading.Thread(target=in_context)
    holder.start()
    assert event.wait(5)
    calls = [lambda: signing_app.post("/messages", MESSAGE, Idempotency_Key="k1")] * 2
    threading.Timer(0.1, began.set).start()
    answers = call_concurrently(hub_demo, calls)
    holder.join()
    assert [answer.status_code for answer in answers] == [202, 202]
    assert json_of(answers[0]) == json_of(answers[1])
    assert count(Message) == 1


def test_request_waiting_too_long_is_a_conflict(signing_app: StrictApp, hub_demo: Flask) -> None:
    signing_app.post("/messages", MESSAGE, Idempotency_Key="k0")
    key_id = db.session.query(IdempotencyKey).one().api_key_id
    db.session.rollback()
    with locks.hold_lock(f"{key_id} /api/v1/messages k1") as is_locked:
        assert is_locked
        began = time.monotonic()
        [answer] = call_concurrently(
            hub_demo, [lambda: signing_app.post("/messages", MESSAGE, Idempotency_Key="k1")]
        )
        waited = time.monotonic() - began
    assert (answer.status_code, json_of(answer)["code"]) == (409, "still_running")
    assert 1.9 < waited < 4
    assert signing_app.post("/messages", MESSAGE, Idempotency_Key="k1").status_code == 202
    assert count(Message) == 2


def test_different_keys_do_not_wait_for_each_other(signing_app: StrictApp, hub_demo: Flask) -> None:
    signing_app.post("/messages", MESSAGE, Idempotency_Key="k0")
    key_id = db.session.query(IdempotencyKey).one().api_key_id
    db.session.rollback()
    with locks.hold_lock(f"{key_id} /api/v1/messages k1"):
        began = time.monotonic()
        [answer] = call_concurrently(
            hub_demo, [lambda: signing_app.post("/messages", MESSAGE, Idempotency_Key="k2")]
        )
        assert time.monotonic() - began < 1.5
    assert answer.status_code == 202


def test_concurrent_first_events_about_one_person_are_all_accepted(
    signing_app: StrictApp, hub_demo: Flask
) -> None:
    signing_app.get("/messages")
    db.session.rollback()
    events = [
        event_body(
            signers=[signer_body("Anna", ANNA)], request={"id": f"agr-{n // 2}", "title": "T"}
        )
        for n in range(8)
    ]
    answers = call_concurrently(
        hub_demo, [lambda e=event: signing_app.post("/events", e) for event in events]
    )  # type: ignore[misc]
    assert [answer.status_code for answer in answers] == [202] * 8
    assert (count(Event), count(Message)) == (
        8,
        4,
    ), "a request is announced once, although its event was posted twice at once"
