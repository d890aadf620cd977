"""Steps of tests of endpoints at message brokers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Message

from hub.db.engine import db
from hub.db.store import transaction
from hub.endpoints import deliveries as delivery_cases
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


@transaction
def change_settings(endpoint_id: str, settings: Mapping[str, Any]) -> None:
    """Store settings without the checks of the form, as if the network had changed since."""
    endpoint = endpoints.find(endpoint_id)
    endpoint.settings = dict(settings)
    endpoint.version += 1


def problems(endpoint_id: str, event_id: str) -> list[str]:
    """Return the problems of the attempts of a delivery, newest first."""
    db.session.rollback()
    delivery = delivery_cases.find(endpoint_id, event_id)
    return [attempt.problem for attempt in delivery_cases.attempts_of(delivery)]
