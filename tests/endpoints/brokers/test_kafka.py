"""Platform events reach a topic of Kafka, with a key and the attributes of CloudEvents."""

from __future__ import annotations

import pytest

from hub.db.types import new_id
from tests.endpoints.brokers.kafka_endpoints import add_kafka, headers_of, key_of, payload_of
from tests.endpoints.receivers import notify, report, states
from tests.kafka_cluster import KafkaCluster

pytestmark = pytest.mark.usefixtures("hub_demo")


def test_event_is_published_with_key_and_headers(cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    inbound_id = new_id("inb")
    event_id = report("sms_received", payload={"inbound": inbound_id})
    notify()
    assert states(endpoint_id) == ["delivered"]
    [message] = cluster.read(1)
    payload = payload_of(message)
    assert payload["id"] == event_id
    assert key_of(message) == payload["inbound"] == inbound_id
    assert headers_of(message) == {
        "ce_id": event_id,
        "ce_type": "sms_received",
        "ce_source": "signpost/default",
        "ce_time": payload["at"],
        "ce_specversion": "1.0",
        "content-type": "application/json; charset=utf-8",
    }
