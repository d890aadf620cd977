"""Kafka as a target of platform events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.integrations.api import CheckResult
from hub.integrations.broker import Broker, ConnectFailed, Network, Server
from hub.integrations.kafka import errors
from hub.integrations.kafka.form import TLS, KafkaForm, read_servers
from hub.integrations.kafka.publisher import KafkaError, KafkaPublisher, read_metadata


class Kafka(Broker):
    """Apache Kafka, and services that speak its protocol."""

    name = "kafka"
    title = "Kafka"
    summary = "A topic of Apache Kafka, or of a service that speaks its protocol."
    module = "confluent_kafka"
    extra = "kafka"
    Form = KafkaForm
    publisher = KafkaPublisher

    @classmethod
    def servers(cls, settings: Mapping[str, Any]) -> list[Server]:
        """Return the bootstrap servers."""
        is_encrypted = settings.get("encryption", TLS) == TLS
        return read_servers(settings["servers"], is_encrypted=is_encrypted)

    @classmethod
    def address(cls, settings: Mapping[str, Any]) -> str:
        """Return the bootstrap servers and the topic."""
        return f"{super().address(settings)}/{settings['topic']}"

    @classmethod
    def check(cls, settings: Mapping[str, Any], network: Network) -> CheckResult:
        """Read the metadata of the topic."""
        topic = settings["topic"]
        try:
            metadata = read_metadata(settings, network)
            found = metadata.topics.get(topic)
            if found is None or found.error is not None:
                code = found.error.name() if found is not None else "UNKNOWN_TOPIC_OR_PART"
                raise KafkaError(code)
        except ConnectFailed as problem:
            return CheckResult(False, str(problem), field="servers")
        except KafkaError as problem:
            field = errors.FIELDS.get(problem.code, "servers")
            code = "" if problem.code in errors.OWN_CODES else problem.code.lstrip("_")
            return CheckResult(False, str(problem), _remedy(problem.code), field=field, code=code)
        count = len(found.partitions)
        partitions = f"{count} partition" + ("" if count == 1 else "s")
        return CheckResult(True, f"The topic {topic} exists and has {partitions}.")


def _remedy(code: str) -> str:
    if code in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"):
        return "Create the topic, or correct its name."
    if code in ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"):
        return "Check the servers and their ports, and that a firewall allows the connection."
    return ""
