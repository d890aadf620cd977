"""Steps of tests of endpoints at Kafka."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Message

from hub.endpoints import endpoints
from hub.endpoints.endpoints import EndpointSettings
from tests.endpoints.receivers import source_named
from tests.kafka_cluster import TOPIC, KafkaCluster


def kafka_settings(cluster: KafkaCluster, **more: Any) -> dict[str, Any]:
    """Return the settings of the form for a cluster."""
    return {"servers": cluster.servers, "topic": TOPIC, "encryption": "none", **more}


def add_kafka(
    cluster: KafkaCluster,
    events: Sequence[str] = ("*",),
    *,
    source: str = "default",
    test: bool = True,
    more: Any = None,
    **settings: Any,
) -> str:
    """Create an endpoint at Kafka; return its ID."""
    return endpoints.create(
        source_named(source),
        EndpointSettings(
            kind="kafka", events=events, broker=kafka_settings(cluster, **(more or {})), **settings
        ),
        test=test,
    )[0]


def payload_of(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value() or b"")
    return found


def headers_of(message: Message) -> dict[str, str]:
    """Return the headers of a message."""
    return {name: value.decode() for name, value in message.headers() or ()}


def key_of(message: Message) -> str:
    return (message.key() or b"").decode()
