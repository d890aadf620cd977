"""A slow, dead or deleted endpoint harms no other, and its rows are bounded."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from standardwebhooks import Webhook

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import cleanup, endpoints, signing_secrets
from hub.endpoints import deliveries as delivery_cases
from hub.messaging.compose import direct
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import PlatformEvent, WebhookEndpoint, WebhookSecret
from hub.shared import clock_check
from hub.signing import contact_erasure
from tests.endpoints.receivers import (
    Received,
    Receiver,
    add_endpoint,
    deliveries,
    notify,
    report,
    source_named,
    states,
)
from tests.hub_fixtures import ERIC

pytestmark = pytest.mark.usefixtures("hub_demo")
HOUR = timedelta(hours=1)


def verify(request: Received, secret: str) -> None:
    """Verify a request with the reference library; raises WebhookVerificationError."""
    Webhook(secret).verify(request.body, request.headers)


def test_slow_endpoint_delays_no_other(start_receiver: Callable[[], Receiver]) -> None:
    slow = start_receiver()
    fast = start_receiver()
    is_done = threading.Event()
    order: list[str] = []

    def answer_slowly(_: Received) -> tuple[int, bytes, dict[str, str]]:
        is_done.wait(10)
        order.append("slow")
        return 200, b"", {}

    def answer_fast(_: Received) -> tuple[int, bytes, dict[str, str]]:
        order.append("fast")
        if order.count("fast") == 60:
            is_done.set()
        return 200, b"", {}

    slow.answer = answer_slowly
    fast.answer = answer_fast
    for receiver in (slow, fast):
        add_endpoint(receiver.url)
    for _ in range(60):
        report()
    notify()
    assert order[:60] == ["fast"] * 60, "the slow endpoint answered only when these had arrived"
    assert len(order) == 120


def test_unreachable_endpoint_delays_no_other_and_hides_its_ports(
    receiver: Receiver, ports: list[int]
) -> None:
    dead_id, _ = add_endpoint(f"http://127.0.0.1:{ports[-1]}/")
    add_endpoint(receiver.url)
    event_id = report()
    notify()
    assert len(receiver.requests) == 1
    [attempt] = delivery_cases.attempts_of(delivery_cases.find(dead_id, event_id))
    assert attempt.problem == "Signpost could not connect to the endpoint."
    assert (attempt.milliseconds, attempt.http_status) == (None, None)


def test_attempt_keeps_the_masked_beginning_of_the_answer(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(500, b"Card 4111 1111 1111 1111 refused. " + b"x" * 100_000)
    event_id = report()
    notify()
    [attempt] = delivery_cases.attempts_of(delivery_cases.find(endpoint_id, event_id))
    answer = delivery_cases.read_response(attempt)
    assert attempt.http_status == 500
    assert answer.startswith("Card •••• 1111 ") or "1111" in answer
    assert "4111 1111" not in answer
    assert len(answer) <= 2000


def test_deleted_endpoint_gets_nothing_and_its_rows_go(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    report()
    endpoints.delete(endpoint_id)
    report()
    assert notify() == 0
    with time_machine.travel(now() + 2 * HOUR):
        cleanup.delete_old()
    assert deliveries(endpoint_id) == []
    assert db.session.scalar(select(WebhookEndpoint.id)) is None


def test_missed_events_are_bounded(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "MAX_MISSED", 3)
    endpoint_id, _ = add_endpoint(receiver.url)
    endpoints.disable(endpoint_id)
    newest = [report() for _ in range(7)][-3:]
    cleanup.delete_old()
    assert [row.event_id for row in deliveries(endpoint_id)] == newest


def test_test_event_is_sent_and_marked_by_its_endpoint(receiver: Receiver) -> None:
    endpoint_id, secret = add_endpoint(receiver.url)
    event_id = delivery_cases.send_test_event(endpoint_id, "sms_failed")
    notify()
    [request] = receiver.requests
    verify(request, secret)
    assert (request.payload["id"], request.payload["type"]) == (event_id, "sms_failed")
    assert states(endpoint_id) == ["delivered"]


def test_crashed_worker_s_delivery_is_repeated_after_its_lease(receiver: Receiver) -> None:
    from hub.endpoints.claims import record_and_claim
    from hub.endpoints.targets import TargetCache

    endpoint_id, _ = add_endpoint(receiver.url)
    report()
    assert len(record_and_claim([], {endpoint_id: 1}, TargetCache())) == 1
    assert notify() == 0
    with time_machine.travel(now() + timedelta(seconds=random.uniform(91, 120))):
        assert notify() == 1
    assert states(endpoint_id) == ["delivered"]


def test_source_without_an_endpoint_stores_no_delivery(hub_demo: Flask) -> None:
    event_id = report(source="beta")
    assert db.session.get_one(PlatformEvent, event_id).source_id == source_named("beta")


def test_old_deliveries_and_ended_secrets_are_deleted(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    signing_secrets.rotate_secret(endpoint_id, HOUR)
    report()
    notify()
    cleanup.delete_old()
    assert states(endpoint_id) == ["delivered"]
    assert db.session.query(WebhookSecret).count() == 2
    clock_check.is_trusted()  # the clock was right until now
    with time_machine.travel(now() + timedelta(days=40)):
        clock_check.confirm()
        cleanup.delete_old()
    assert states(endpoint_id) == []
    assert db.session.query(WebhookSecret).count() == 1


def test_erasure_deletes_the_answers_about_a_person(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url, with_addresses=True)
    message_id = direct.send_message(to=ERIC, text="Sign.", channel="sms", test=True)
    receiver.answer_with(500, b"no contact with this number: " + ERIC.encode())
    event_id = report(message_id=message_id)
    other_id = report()
    notify()
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    contact_erasure.erase_contact(contact.id, reason="Asked.")
    for number, is_kept in ((event_id, False), (other_id, True)):
        [attempt] = delivery_cases.attempts_of(delivery_cases.find(endpoint_id, number))
        assert bool(delivery_cases.read_response(attempt)) == is_kept
    with time_machine.travel(now() + HOUR):
        notify()
    last = {request.payload["id"]: request.payload for request in receiver.requests}
    assert last[event_id]["address"] in ("", None)
