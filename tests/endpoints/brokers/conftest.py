"""Fixtures of the tests of message brokers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.integrations.kafka import publisher
from tests.endpoints.conftest import hub_demo as hub_demo
from tests.kafka_cluster import KafkaCluster, kafka_cluster


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Run a Kafka cluster with two brokers."""
    with kafka_cluster(2) as running:
        yield running


@pytest.fixture
def settings(cluster: KafkaCluster) -> dict[str, str]:
    """Allow connections to the cluster."""
    return {"HUB_HTTP_ALLOW": cluster.servers}


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attempts that cannot succeed end after seconds."""
    monkeypatch.setattr(publisher, "CONNECT_SECONDS", 2.0)
    monkeypatch.setattr(publisher, "PUBLISH_SECONDS", 4.0)
