"""A Kafka cluster in this process: the mock cluster of librdkafka, reached over TCP.

`confluent_kafka` has no functions to stop and start its brokers, so the ones of the library that it
ships are called.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

TOPIC = "signpost-events"
_PRODUCER = 0  # RD_KAFKA_PRODUCER


@dataclass
class KafkaCluster:
    """A running cluster. Its topics outlive an outage."""

    servers: str
    _library: Any
    _cluster: int
    brokers: int

    def stop(self) -> None:
        """Close all connections, and refuse new ones."""
        self._set_all("down")

    def start(self) -> None:
        """Accept connections again."""
        self._set_all("up")

    def fail_requests(self, kind: int, *codes: int) -> None:
        """Respond with errors to the next requests of a kind, such as 0 for Produce."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(kind), ctypes.c_size_t(len(codes)), array
        )

    def create_topic(self, name: str, partitions: int = 4) -> None:
        self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, self.brokers
        )

    def fail_topic(self, name: str, code: int) -> None:
        """Respond to all requests about a topic with an error; 0 ends it."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), code)

    def read(
        self, count: int, *, topic: str = TOPIC, seconds: float = 20, linger: float = 0.5
    ) -> list[Message]:
        """Return the messages of a topic, in the order of each partition, as soon as there are so
        many, and those that come within `linger` seconds after.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "tests",
                "enable.auto.commit": False,
                "logger": logging.getLogger("tests.kafka"),
            }
        )
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions or {}
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: list[Message] = []
        try:
            waited = 0.0
            while waited < (seconds if len(found) < count else linger):
                message = consumer.poll(0.1)
                if message is None:
                    waited += 0.1
                elif message.error() is None:
                    waited = 0.0
                    found.append(message)
        finally:
            consumer.close()
        return found

    def _set_all(self, state: str) -> None:
        function = getattr(self._library, f"rd_kafka_mock_broker_set_{state}")
        for number in range(1, self.brokers + 1):
            assert function(self._cluster, ctypes.c_int32(number)) == 0


@contextmanager
def kafka_cluster(brokers: int = 1) -> Iterator[KafkaCluster]:
    """Run a cluster on free loopback ports."""
    library = _load()
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"log_level", b"0", None, 0)
    error = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(_PRODUCER, settings, error, len(error))
    assert client, error.value.decode()
    cluster = library.rd_kafka_mock_cluster_new(client, brokers)
    servers = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    try:
        yield KafkaCluster(servers, library, cluster, brokers)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)


def _load() -> Any:
    """Return the library that the package ships, with the types of its pointers."""
    folder = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    [path] = folder.glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(path))
    pointer = ctypes.c_void_p
    library.rd_kafka_conf_new.restype = pointer
    library.rd_kafka_conf_set.argtypes = [
        pointer,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.rd_kafka_new.restype = pointer
    library.rd_kafka_new.argtypes = [ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [pointer]
    library.rd_kafka_mock_cluster_new.restype = pointer
    library.rd_kafka_mock_cluster_new.argtypes = [pointer, ctypes.c_int]
    library.rd_kafka_mock_cluster_destroy.argtypes = [pointer]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    for state in ("down", "up"):
        function = getattr(library, f"rd_kafka_mock_broker_set_{state}")
        function.argtypes = [pointer, ctypes.c_int32]
    library.rd_kafka_mock_topic_create.argtypes = [
        pointer,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    library.rd_kafka_mock_topic_set_error.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
    library.rd_kafka_mock_topic_set_error.restype = None
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        pointer,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    library.rd_kafka_mock_push_request_errors_array.restype = None
    return library
