"""The example consumer processes each event once, in the order of each request."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from hub.db.types import now
from hub.endpoints import deliveries
from tests.conftest import wait_until
from tests.endpoints.brokers.broker_endpoints import add_kafka
from tests.endpoints.brokers.conftest import cluster as cluster
from tests.endpoints.brokers.conftest import settings as settings
from tests.endpoints.brokers.test_order import ids, report_about
from tests.endpoints.receivers import notify
from tests.hub_fixtures import hub_demo as hub_demo
from tests.kafka_cluster import TOPIC, KafkaCluster

CONSUMER = Path(__file__).resolve().parents[2] / "examples" / "kafka-consumer" / "consumer.py"
pytestmark = pytest.mark.usefixtures("hub_demo")


class Consumers:
    """Consumers of one group, with one database."""

    def __init__(self, cluster: KafkaCluster, folder: Path) -> None:
        self.database = folder / "events.db"
        self.running: list[subprocess.Popen[bytes]] = []
        self.environ = {
            **os.environ,
            "KAFKA_SERVERS": cluster.servers,
            "KAFKA_TOPIC": TOPIC,
            "DATABASE": str(self.database),
        }

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, str(CONSUMER)], env=self.environ, stdout=subprocess.DEVNULL
        )
        self.running.append(process)
        return process

    def rows(self, query: str) -> list[Any]:
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(self.database)) as database:
            try:
                return database.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []  # the tables are not there yet

    def event_ids(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT id FROM events ORDER BY rowid")]


@pytest.fixture
def consumers(cluster: KafkaCluster, tmp_path: Path) -> Iterator[Consumers]:
    cluster.create_topic(TOPIC)
    started = Consumers(cluster, tmp_path)
    yield started
    for process in started.running:
        process.kill()
        process.wait()


def test_each_event_is_processed_once_through_a_crash_and_repeats(
    cluster: KafkaCluster, consumers: Consumers
) -> None:
    start = now()
    endpoint_id = add_kafka(cluster)
    keys = ids(5)
    stored = report_about(*keys, *keys)
    notify()
    crashed = consumers.start()
    assert wait_until(lambda: len(consumers.event_ids()) >= 5, 30)
    crashed.send_signal(signal.SIGKILL)
    crashed.wait()
    deliveries.resend_since(endpoint_id, start, delivered_too=True)
    stored += report_about(*keys)
    notify()
    stopped = consumers.start()
    assert wait_until(lambda: len(consumers.event_ids()) >= len(stored), 60)
    stopped.terminate()
    assert stopped.wait(20) == 0
    found = consumers.event_ids()
    assert sorted(found) == sorted(event_id for _, event_id in stored)
    for key in keys:
        expected = [event_id for found_key, event_id in stored if found_key == key]
        assert [event_id for event_id in found if event_id in expected] == expected


def test_unreadable_message_is_set_aside(cluster: KafkaCluster, consumers: Consumers) -> None:
    producer = Producer({"bootstrap.servers": cluster.servers})
    for value, headers in ((b"{", [("ce_id", b"x")]), (b"{}", []), (b"[]", [("ce_id", b"y")])):
        producer.produce(TOPIC, value, headers=headers, partition=0)
    producer.flush(10)
    add_kafka(cluster)
    [(_, event_id)] = report_about(*ids(1))
    notify()
    consumers.start()
    assert wait_until(lambda: consumers.event_ids() == [event_id], 30)
    assert wait_until(lambda: len(consumers.rows("SELECT * FROM rejected")) == 3, 10)
