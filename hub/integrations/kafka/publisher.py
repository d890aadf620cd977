"""Publish events to a topic, and wait until the cluster has stored them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hub.integrations.broker import (
    CONNECT_SECONDS,
    CONTENT_TYPE,
    PUBLISH_SECONDS,
    BrokerEvent,
    Network,
    Publisher,
    Rejection,
    Server,
)
from hub.integrations.kafka import errors
from hub.integrations.kafka.client import client_config
from hub.integrations.kafka.form import TLS, read_servers

MAX_AGE = 600.0  # seconds, after which the addresses of all servers are checked again
REPORTS_SECONDS = 2.0  # for the reports about events whose time ended
WAIT_SECONDS = 0.5  # until errors of the connection are read
UNREPORTED = Rejection(errors.NOT_CONFIRMED)


class KafkaError(Exception):
    """A call to the cluster failed. `code` is a name in confluent_kafka.KafkaError."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(errors.describe(code))


class KafkaPublisher(Publisher):
    """A producer for one topic. It is idempotent, and all replicas confirm each event."""

    def __init__(self, settings: Mapping[str, Any], network: Network) -> None:
        super().__init__(settings, network)
        self._producer: Any = None
        self._opened_at = 0.0
        self._codes: set[str] = set()  # errors of the connection since the last success

    def publish(self, events: Sequence[BrokerEvent]) -> list[Rejection | None]:
        """Publish events, and wait once for the reports about all of them."""
        try:
            producer = self.open()
        except KafkaError as error:
            return [Rejection(str(error))] * len(events)
        results: list[Rejection | None] = [UNREPORTED] * len(events)
        for index, event in enumerate(events):
            try:
                producer.produce(
                    self.settings["topic"],
                    value=event.body,
                    key=event.key,
                    headers=headers_of(event),
                    on_delivery=partial(self._record, results, index),
                )
            except Exception as error:
                results[index] = self._judge(_code_of(error))
        producer.flush(PUBLISH_SECONDS + REPORTS_SECONDS)
        if any(result is not None and not result.final for result in results):
            self.close()  # a new producer skips no events of a previous one
        return results

    def close(self) -> None:
        """Forget the producer and everything that it did not publish."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def open(self) -> Any:
        """Return the producer. A new one follows checks of all addresses that it may connect to.

        Raises KafkaError and ConnectFailed.
        """
        if self._producer is None or time.monotonic() - self._opened_at > MAX_AGE:
            from confluent_kafka import Producer

            self.close()
            read_metadata(self.settings, self.network)
            self._codes = set()
            self._opened_at = time.monotonic()
            self._producer = Producer(self._producer_config())
        return self._producer

    def _producer_config(self) -> dict[str, Any]:
        return {
            **client_config(self.settings, self.network, self._note),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "delivery.timeout.ms": round(PUBLISH_SECONDS * 1000),
            "topic.metadata.propagation.max.ms": round(CONNECT_SECONDS * 1000),
        }

    def _note(self, error: Any) -> None:
        self._codes.add(errors.read_code(error))

    def _record(
        self, results: list[Rejection | None], index: int, error: Any, message: Any
    ) -> None:
        del message
        results[index] = self._judge(errors.read_code(error)) if error is not None else None
        if error is None:
            self._codes.clear()

    def _judge(self, code: str) -> Rejection:
        cause = errors.cause_of(code, self._codes)
        return Rejection(errors.describe(cause), final=cause in errors.FINAL)


def headers_of(event: BrokerEvent) -> list[tuple[str, bytes]]:
    """Return the attributes of CloudEvents as its protocol binding for Kafka names them."""
    attributes = [(f"ce_{name}", value.encode()) for name, value in event.attributes.items()]
    return [*attributes, ("content-type", CONTENT_TYPE.encode())]


def read_metadata(settings: Mapping[str, Any], network: Network) -> Any:
    """Return what the cluster reports about the topic and its servers, whose addresses are checked.

    Raises KafkaError and ConnectFailed.
    """
    from confluent_kafka.admin import AdminClient

    is_encrypted = settings.get("encryption", TLS) == TLS
    servers = read_servers(settings["servers"], is_encrypted=is_encrypted)
    for server in servers:
        network.check(server)
    network.check_reachable(servers)  # librdkafka tries again until the time ends
    codes: set[str] = set()
    config = client_config(settings, network, lambda error: codes.add(errors.read_code(error)))
    metadata = _list_topics(AdminClient(config), settings["topic"], codes)
    for broker in metadata.brokers.values():
        network.check(Server(broker.host or "", broker.port or 0, is_encrypted))
    return metadata


def _list_topics(client: Any, topic: str, codes: set[str]) -> Any:
    """Return the metadata of a topic. A failed sign-in ends the wait. Raises KafkaError."""
    from confluent_kafka import KafkaException

    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        left = deadline - time.monotonic()
        try:
            return client.list_topics(topic, timeout=max(min(left, WAIT_SECONDS), 0.1))
        except KafkaException as error:
            client.poll(0)
            cause = errors.cause_of(_code_of(error), codes)
            if cause in errors.VAGUE and left <= WAIT_SECONDS:
                raise KafkaError(errors.NO_ANSWER) from None
            if cause in errors.SIGN_IN_FAILED or left <= WAIT_SECONDS:
                raise KafkaError(cause) from None


def _code_of(error: BaseException) -> str:
    """Return the code of a KafkaException, or the class of another error."""
    details: Any = error.args[0] if error.args else None
    return errors.read_code(details) if hasattr(details, "name") else type(error).__name__
