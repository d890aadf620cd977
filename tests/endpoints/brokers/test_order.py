"""Events with the same key keep their order: through an outage, and with several workers."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.endpoints import deliveries as delivery_cases
from hub.endpoints.platform_events import NewEvent, store_events
from hub.models import WebhookDelivery
from tests.endpoints.brokers.broker_endpoints import add_kafka, key_of, payload_of
from tests.endpoints.event_steps import listen
from tests.endpoints.receivers import deliveries, notify, source_named, states
from tests.kafka_cluster import KafkaCluster


@transaction
def report_about(*keys: str, source: str = "default") -> list[tuple[str, str]]:
    """Store an event about each of these; return pairs of key and event ID."""
    events = [
        NewEvent(
            cause=f"{new_id('inb')}:received",
            type="sms_received",
            source_id=source_named(source),
            test=True,
            payload={"inbound": key},
        )
        for key in keys
    ]
    store_events(events)
    return [(key, event.id) for key, event in zip(keys, events, strict=True)]


def ids(count: int) -> list[str]:
    return [new_id("inb") for _ in range(count)]


def start_workers(app: Flask, count: int) -> list[threading.Thread]:
    """Start workers, which send until they find nothing due."""

    def work() -> None:
        with app.app_context():
            notify()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def wait_for(workers: Iterable[threading.Thread]) -> None:
    for worker in workers:
        worker.join(120)
    db.session.rollback()


def run_workers(app: Flask, count: int) -> None:
    """Send with several workers at once, until none finds anything due."""
    wait_for(start_workers(app, count))


def by_key(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the IDs of events by their key, in order. Only the first of repeats counts."""
    found: dict[str, list[str]] = {}
    for key, event_id in pairs:
        if event_id not in found.setdefault(key, []):
            found[key].append(event_id)
    return found


def published(cluster: KafkaCluster, count: int) -> list[tuple[str, str]]:
    return [(key_of(message), payload_of(message)["id"]) for message in cluster.read(count)]


def assert_in_order(cluster: KafkaCluster, stored: Sequence[tuple[str, str]]) -> None:
    """Assert that all events were published, in the order of each key."""
    assert by_key(published(cluster, len(stored))) == by_key(stored)


def positions(endpoint_id: str) -> Mapping[str, Any]:
    return {row.event_id: (row.order_key, row.position) for row in deliveries(endpoint_id)}


def test_several_workers_keep_the_order(hub_demo: Flask, cluster: KafkaCluster) -> None:
    add_kafka(cluster)
    keys = ids(15)
    stored = report_about(*(random.choice(keys) for _ in range(200)))
    run_workers(hub_demo, 3)
    found = published(cluster, len(stored))
    assert len(found) == len(stored), "each event is published once"
    assert by_key(found) == by_key(stored)


def test_ten_minutes_without_the_cluster_lose_nothing(
    hub_demo: Flask, cluster: KafkaCluster
) -> None:
    endpoint_id = add_kafka(cluster)
    keys = ids(12)
    stored = report_about(*keys)
    with time_machine.travel(now()) as clock:
        run_workers(hub_demo, 2)
        cluster.stop()
        for _ in range(40):
            stored += report_about(*random.choices(keys, k=5))
            run_workers(hub_demo, 2)
            clock.shift(timedelta(seconds=15))
        assert states(endpoint_id).count("pending") == 200
        cluster.start()
        for _ in range(8):
            stored += report_about(*random.choices(keys, k=5))
            run_workers(hub_demo, 2)
            clock.shift(timedelta(seconds=15))
        run_workers(hub_demo, 2)
    assert set(states(endpoint_id)) == {"delivered"}
    assert_in_order(cluster, stored)


@pytest.mark.usefixtures("short_limits")
def test_outage_in_the_middle_of_a_batch_keeps_the_order(
    hub_demo: Flask, cluster: KafkaCluster
) -> None:
    endpoint_id = add_kafka(cluster)
    keys = ids(40)
    stored = [pair for _ in range(30) for pair in report_about(*keys)]
    with time_machine.travel(now()) as clock:
        workers = start_workers(hub_demo, 2)
        while "delivered" not in states(endpoint_id):
            time.sleep(0.002)
        cluster.stop()
        wait_for(workers)
        assert {"delivered", "pending"} == set(states(endpoint_id)), "the outage came in between"
        cluster.start()
        for _ in range(6):
            clock.shift(timedelta(minutes=2))
            run_workers(hub_demo, 2)
    assert set(states(endpoint_id)) == {"delivered"}
    assert_in_order(cluster, stored)


def test_later_event_waits_for_an_earlier_one_that_is_retried(
    hub_demo: Flask, cluster: KafkaCluster
) -> None:
    endpoint_id = add_kafka(cluster)
    key, other = ids(2)
    cluster.stop()
    stored = report_about(key)
    notify()
    cluster.start()
    stored += report_about(key, other)
    notify()
    retried = deliveries(endpoint_id)[0]
    assert delivery_cases.next_attempt(endpoint_id) == retried.due_at, "the other event waits"
    by_event = {row.event_id: row.state for row in deliveries(endpoint_id)}
    assert [by_event[event_id] for _, event_id in stored] == ["pending", "pending", "delivered"]
    with time_machine.travel(now() + timedelta(minutes=1)):
        notify()
    assert_in_order(cluster, stored)


def test_order_does_not_depend_on_the_clocks_of_machines(
    hub_demo: Flask, cluster: KafkaCluster
) -> None:
    add_kafka(cluster)
    [key] = ids(1)
    stored = report_about(key)
    with time_machine.travel(now() - timedelta(minutes=5)):
        stored += report_about(key)
    notify()
    assert_in_order(cluster, stored)


def test_resent_events_are_published_in_their_order(hub_demo: Flask, cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    start = now() - timedelta(minutes=1)
    keys = ids(3)
    stored = report_about(*keys, *keys)
    notify()
    stored += report_about(*keys)
    notify()
    assert delivery_cases.resend_since(endpoint_id, start, delivered_too=True) == len(stored)
    notify()
    found = published(cluster, 2 * len(stored))
    for key in keys:
        sequence = [event_id for found_key, event_id in found if found_key == key]
        assert sequence == 2 * by_key(stored)[key]


def test_webhooks_have_no_order(hub_demo: Flask) -> None:
    endpoint_id = listen()
    report_about(*ids(3))
    assert set(positions(endpoint_id).values()) == {(None, None)}
    assert db.session.query(WebhookDelivery).count() == 3
