"""Platform events reach the endpoints of their source, signed, and are retried."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import claims, endpoints, health, retry_schedule, signing_secrets
from hub.endpoints import deliveries as delivery_cases
from hub.endpoints.targets import TargetCache
from hub.models import PlatformEvent, WebhookEndpoint
from tests.endpoints.receivers import (
    Received,
    Receiver,
    add_endpoint,
    deliveries,
    next_due,
    notify,
    report,
    states,
)

pytestmark = pytest.mark.usefixtures("hub_demo")
HOUR = timedelta(hours=1)


def verify(request: Received, secret: str) -> None:
    """Verify a request with the reference library; raises WebhookVerificationError."""
    Webhook(secret).verify(request.body, request.headers)


def endpoint(endpoint_id: str) -> WebhookEndpoint:
    db.session.rollback()
    return db.session.get_one(WebhookEndpoint, endpoint_id)


# ── Who receives what ─────────────────────────────────────────────────────────────────────────────
def test_event_is_delivered_once_and_signed(receiver: Receiver) -> None:
    endpoint_id, secret = add_endpoint(receiver.url)
    event_id = report()
    assert notify() == 1
    [request] = receiver.requests
    verify(request, secret)
    assert request.headers["webhook-id"] == request.payload["id"] == event_id
    assert states(endpoint_id) == ["delivered"]
    assert notify() == 0


def test_endpoints_receive_events_of_their_own_source_only(
    start_receiver: Callable[[], Receiver],
) -> None:
    default_receiver = start_receiver()
    beta_receiver = start_receiver()
    add_endpoint(default_receiver.url, source="default")
    add_endpoint(beta_receiver.url, source="beta")
    sent = {name: {report(source=name) for _ in range(20)} for name in ("default", "beta")}
    notify()
    for receiver, name in ((default_receiver, "default"), (beta_receiver, "beta")):
        assert {request.payload["id"] for request in receiver.requests} == sent[name]
        assert {request.payload["source"] for request in receiver.requests} == {name}


def test_test_and_live_events_never_mix(start_receiver: Callable[[], Receiver]) -> None:
    live = start_receiver()
    test = start_receiver()
    add_endpoint(live.url, test=False)
    add_endpoint(test.url, test=True)
    live_id = report(test=False)
    test_id = report(test=True)
    notify()
    assert [(r.payload["id"], r.payload["test"]) for r in live.requests] == [(live_id, False)]
    assert [(r.payload["id"], r.payload["test"]) for r in test.requests] == [(test_id, True)]


def test_endpoint_receives_no_events_from_before_its_creation(receiver: Receiver) -> None:
    report()
    add_endpoint(receiver.url)
    later = report()
    notify()
    assert [request.payload["id"] for request in receiver.requests] == [later]


def test_patterns_choose_the_events(receiver: Receiver) -> None:
    add_endpoint(receiver.url, ["sms_*", "opted_out"])
    for event_type in ("sms_sent", "whatsapp_sent", "opted_out", "opted_in", "sms_received"):
        report(event_type)
    notify()
    assert sorted(receiver.types) == ["opted_out", "sms_received", "sms_sent"]


def test_event_with_a_known_cause_is_delivered_once(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    report(cause="msg_1:delivered")
    report(cause="msg_1:delivered")
    assert len(deliveries(endpoint_id)) == 1


def test_addresses_and_texts_are_sent_only_if_chosen(
    start_receiver: Callable[[], Receiver],
) -> None:
    plain = start_receiver()
    full = start_receiver()
    add_endpoint(plain.url)
    add_endpoint(full.url, with_addresses=True, with_texts=True)
    details = {"inbound": "inb_1", "from": "+13175551234", "text": "When?", "kind": "text"}
    report("sms_received", payload=details)
    notify()
    assert "+1317" not in plain.requests[0].body.decode()
    assert "When?" not in plain.requests[0].body.decode()
    payload = full.requests[0].payload
    assert (payload["address"], payload["text"]) == ("+13175551234", "When?")
    assert all(not isinstance(value, dict | list) for value in payload.values())


def test_erased_event_is_not_sent(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    event_id = report()
    with_event = delivery_cases.find(endpoint_id, event_id)
    delete_event(event_id)
    assert notify() == 0
    assert states(endpoint_id) == ["failed"]
    assert "deleted" in delivery_cases.attempts_of(with_event)[0].problem


def delete_event(event_id: str) -> None:
    from hub.db.store import transaction

    transaction(lambda: db.session.delete(db.session.get_one(PlatformEvent, event_id)))()


# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────
def test_both_secrets_verify_during_the_overlap(receiver: Receiver) -> None:
    endpoint_id, old = add_endpoint(receiver.url)
    new = signing_secrets.rotate_secret(endpoint_id, 24 * HOUR)
    report()
    notify()
    for secret in (old, new):
        verify(receiver.requests[-1], secret)
    with time_machine.travel(now() + 25 * HOUR):
        report()
        notify()
        verify(receiver.requests[-1], new)
        with pytest.raises(WebhookVerificationError):
            verify(receiver.requests[-1], old)


def test_retry_is_signed_anew_with_the_secrets_of_its_time(receiver: Receiver) -> None:
    endpoint_id, old = add_endpoint(receiver.url)
    receiver.answer_with(500)
    report()
    notify()
    new = signing_secrets.rotate_secret(endpoint_id, timedelta(0))
    with time_machine.travel(now() + HOUR):
        notify()
        verify(receiver.requests[-1], new)
        with pytest.raises(WebhookVerificationError):
            verify(receiver.requests[-1], old)
    first = receiver.requests[0]
    last = receiver.requests[-1]
    assert first.headers["webhook-id"] == last.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] < last.headers["webhook-timestamp"]


def test_second_rotation_within_the_overlap_needs_force(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    signing_secrets.rotate_secret(endpoint_id, 24 * HOUR)
    with pytest.raises(Exception, match="two secrets are valid"):
        signing_secrets.rotate_secret(endpoint_id, HOUR)
    signing_secrets.rotate_secret(endpoint_id, HOUR, force=True)
    assert len(signing_secrets.active_secrets(endpoint_id)) == 2


# ── Retries ───────────────────────────────────────────────────────────────────────────────────────
def test_receiver_that_is_down_for_23_hours_loses_nothing(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(503)
    began = now()
    sent = {report() for _ in range(5)}
    with time_machine.travel(began) as clock:
        while "pending" in states(endpoint_id):
            due = next_due(endpoint_id)
            assert due is not None
            clock.move_to(due + timedelta(seconds=1))
            if now() - began > 23 * HOUR:
                receiver.answer_with(200)
            notify()
    assert set(states(endpoint_id)) == {"delivered"}
    accepted = receiver.requests[-5:]
    assert {request.payload["id"] for request in accepted} == sent
    for request in accepted:
        assert int(request.headers["webhook-timestamp"]) > (began + 23 * HOUR).timestamp()


def test_dead_endpoint_gets_eight_requests_per_event_and_is_switched_off(
    start_receiver: Callable[[], Receiver],
) -> None:
    dead = start_receiver()
    other = start_receiver()
    dead.answer_with(500)
    endpoint_id, _ = add_endpoint(dead.url)
    add_endpoint(other.url, ["endpoint_*"])
    began = now()
    event_ids = [report()]
    with time_machine.travel(began) as clock:
        while (due := next_due(endpoint_id)) is not None:
            clock.move_to(due)
            notify()
        assert states(endpoint_id) == ["failed"]
        assert len(dead.requests) == 8
        clock.move_to(began + timedelta(days=4, minutes=1))
        event_ids.append(report())
        health.check_failing()
        notify()
        assert other.types == ["endpoint_failing"]
        assert endpoint(endpoint_id).state == "enabled"
        clock.move_to(began + timedelta(days=5, minutes=2))
        assert health.is_due()
        health.check_failing()
        notify()
        assert other.types == ["endpoint_failing", "endpoint_disabled"]
        assert endpoint(endpoint_id).state == "disabled"
        event_ids.append(report())
        notify()
        assert states(endpoint_id) == ["failed", "missed", "missed"]
        assert len(dead.requests) <= 8 * len(event_ids)
        # nothing is lost: after the repair, all of them are sent again
        dead.answer_with(200)
        endpoints.enable(endpoint_id)
        assert delivery_cases.resend_since(endpoint_id, began - HOUR) == 3
        notify()
        assert states(endpoint_id) == ["delivered"] * 3


def test_pauses_follow_the_schedule(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(500)
    report()
    waits = []
    with time_machine.travel(now(), tick=False) as clock:
        while True:
            notify()
            due = next_due(endpoint_id)
            if due is None:
                break
            waits.append((due - now()).total_seconds())
            clock.move_to(due)
    for wait, pause in zip(waits, retry_schedule.PAUSES, strict=True):
        assert wait == pytest.approx(pause.total_seconds(), rel=retry_schedule.JITTER + 0.01)


def test_retry_after_replaces_the_pause(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(429, Retry_After="600")
    report()
    before = now()
    notify()
    due = next_due(endpoint_id)
    assert due is not None
    assert before < due - timedelta(seconds=600) < now()


def test_events_that_wait_for_hours_are_resent_with_all_others(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(503, Retry_After="36000")
    report()
    notify()
    [waiting] = deliveries(endpoint_id)
    receiver.answer_with(200)
    assert delivery_cases.resend_since(endpoint_id, now() - HOUR) == 1
    notify()
    assert states(endpoint_id) == ["delivered"]
    assert {request.headers["webhook-id"] for request in receiver.requests} == {waiting.event_id}


def test_request_in_progress_is_not_resent(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    report()
    targets = TargetCache()
    assert len(claims.record_and_claim([], {endpoint_id: 1}, targets)) == 1
    assert delivery_cases.resend_since(endpoint_id, now() - HOUR) == 0
    assert claims.record_and_claim([], {endpoint_id: 1}, targets) == []


@pytest.mark.parametrize("status", [400, 401, 404, 301, 500])
def test_other_statuses_are_retried(receiver: Receiver, status: int) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(status, Location="http://127.0.0.1:1/")
    report()
    notify()
    assert states(endpoint_id) == ["pending"]
    assert len(receiver.requests) == 1


def test_410_is_final_and_switches_the_endpoint_off(receiver: Receiver) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(410)
    report()
    notify()
    assert next_due(endpoint_id) is None
    assert (endpoint(endpoint_id).state, endpoint(endpoint_id).state_reason) == ("disabled", "gone")


@pytest.mark.parametrize(
    ("wish", "status", "state", "delivery"),
    [
        ("disable", 200, "disabled", "delivered"),
        ("disable", 500, "disabled", "failed"),
        ("abort-message", 500, "enabled", "failed"),
        ("something", 500, "enabled", "pending"),
    ],
)
def test_wishes_of_the_receiver_are_obeyed(
    receiver: Receiver, wish: str, status: int, state: str, delivery: str
) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    receiver.answer_with(status, webhook_delivery=wish)
    report()
    notify()
    assert endpoint(endpoint_id).state == state
    assert states(endpoint_id) == [delivery]
