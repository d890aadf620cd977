"""Process the events of Signpost from a Kafka topic, each exactly once.

An event and what it changes are stored in one transaction of the database. The position in the
topic is committed afterwards, so a crash loses nothing: an event that arrives again is recognized
by its ID.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from typing import Any

from confluent_kafka import Consumer, Message

TABLES = """
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, type TEXT, request TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS documents (request TEXT PRIMARY KEY, last_event TEXT);
CREATE TABLE IF NOT EXISTS rejected (topic TEXT, part INTEGER, position INTEGER, reason TEXT,
    PRIMARY KEY (topic, part, position));
"""


def main() -> None:
    """Process events until the process is asked to stop."""
    database = sqlite3.connect(os.environ.get("DATABASE", "events.db"))
    database.executescript(TABLES)
    consumer = Consumer(settings())
    consumer.subscribe([os.environ.get("KAFKA_TOPIC", "signpost-events")])
    is_stopping = False

    def stop(*_: Any) -> None:
        nonlocal is_stopping
        is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        while not is_stopping:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                print(f"Kafka reports: {message.error()}", flush=True)
                continue
            process(database, message)
            consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()
        database.close()


def settings() -> dict[str, Any]:
    """Return the settings of the consumer, from the environment."""
    config: dict[str, Any] = {
        "bootstrap.servers": os.environ["KAFKA_SERVERS"],
        "group.id": os.environ.get("KAFKA_GROUP", "contracts"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,  # the position is committed after an event is processed
        "session.timeout.ms": 10_000,  # another consumer continues so long after a crash
    }
    if os.environ.get("KAFKA_USER"):
        config |= {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": os.environ.get("KAFKA_MECHANISM", "SCRAM-SHA-512"),
            "sasl.username": os.environ["KAFKA_USER"],
            "sasl.password": os.environ["KAFKA_PASSWORD"],
        }
    return config


def process(database: sqlite3.Connection, message: Message) -> None:
    """Store an event with what it changes. An event that is not readable is set aside."""
    headers = dict(message.headers() or [])
    with database:  # one transaction
        try:
            event_id = headers["ce_id"].decode()
            event = json.loads(message.value() or b"")
            row = (event_id, event["type"], event["request"], json.dumps(event))
        except (KeyError, TypeError, ValueError) as problem:
            place = (message.topic(), message.partition(), message.offset())
            database.execute(
                "INSERT OR IGNORE INTO rejected VALUES (?, ?, ?, ?)", (*place, repr(problem))
            )
            return
        added = database.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", row)
        if added.rowcount:
            handle(database, event)
            print(event_id, event["type"], event["request"], flush=True)


def handle(database: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Change what your app knows. Here, the page of a document shows its last event."""
    if event["request"]:
        database.execute(
            "INSERT INTO documents VALUES (?, ?)"
            " ON CONFLICT (request) DO UPDATE SET last_event = excluded.last_event",
            (event["request"], event["type"]),
        )


if __name__ == "__main__":
    main()
