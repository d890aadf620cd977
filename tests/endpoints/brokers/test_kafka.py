"""Platform events reach a topic of Kafka, with a key and the attributes of CloudEvents."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from confluent_kafka import Producer

from hub.core.errors import Refused
from hub.db.types import new_id, now
from hub.endpoints import broker_tests, deliveries, endpoints, signing_secrets
from hub.endpoints.broker_publishing import network
from hub.endpoints.catalog import event_kinds
from hub.endpoints.claims import LEASE
from hub.integrations import brokers
from hub.integrations.broker import CONNECT_SECONDS, PUBLISH_SECONDS
from hub.integrations.kafka.client import client_config
from hub.integrations.kafka.publisher import REPORTS_SECONDS, KafkaPublisher
from tests.chaos import certificates
from tests.endpoints.brokers.broker_endpoints import (
    add_kafka,
    change_settings,
    headers_of,
    kafka_settings,
    key_of,
    payload_of,
    problems,
)
from tests.endpoints.brokers.test_order import ids, report_about
from tests.endpoints.receivers import notify, report, states
from tests.kafka_cluster import TOPIC, KafkaCluster

pytestmark = pytest.mark.usefixtures("hub_demo")
NOT_CONNECTED = "Signpost could not connect to the broker."


# ── What is published ─────────────────────────────────────────────────────────────────────────────
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


def test_endpoint_receives_events_of_its_source_kind_and_patterns(cluster: KafkaCluster) -> None:
    add_kafka(cluster, ["sms_*"])
    wanted = report("sms_failed")
    for other in ({"source": "beta"}, {"test": False}, {"event_type": "opted_out"}):
        report(**{"event_type": "sms_failed", **other})
    notify()
    assert [payload_of(message)["id"] for message in cluster.read(1)] == [wanted]


@pytest.mark.parametrize("with_texts", [False, True])
def test_addresses_and_texts_are_included_on_request(
    cluster: KafkaCluster, with_texts: bool
) -> None:
    add_kafka(cluster, with_addresses=with_texts, with_texts=with_texts)
    details = {"inbound": new_id("inb"), "from": "+13175551234", "text": "Wann?"}
    report("sms_received", payload=details)
    notify()
    [payload] = map(payload_of, cluster.read(1))
    expected = ("+13175551234", "Wann?") if with_texts else (None, None)
    assert (payload.get("address"), payload.get("text")) == expected


def test_test_event_is_published(cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    event_id = deliveries.send_test_event(endpoint_id, "sms_failed")
    notify()
    [message] = cluster.read(1)
    assert (payload_of(message)["id"], payload_of(message)["type"]) == (event_id, "sms_failed")
    assert headers_of(message)["ce_id"] == event_id


def test_test_event_has_the_key_of_its_type(cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    types = sorted(event_kinds())
    for event_type in (*types, types[0]):
        deliveries.send_test_event(endpoint_id, event_type)
    notify()
    messages = cluster.read(len(types) + 1)
    assert sorted({payload_of(message)["type"] for message in messages}) == types
    source_id = endpoints.find(endpoint_id).source_id
    for message in messages:
        payload = payload_of(message)
        about = map(payload.get, ("request", "message", "inbound", "connection"))
        assert key_of(message) == next(filter(None, about), source_id)


def test_a_thousand_events_need_few_round_trips(
    cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = add_kafka(cluster)
    report_about(*ids(1000))
    batches: Counter[int] = Counter()
    publish = KafkaPublisher.publish

    def counted(self: KafkaPublisher, events: Any) -> Any:
        batches[len(events)] += 1
        return publish(self, events)

    monkeypatch.setattr(KafkaPublisher, "publish", counted)
    notify()
    assert Counter(states(endpoint_id)) == {"delivered": 1000}
    assert batches.total() <= 4
    assert len(cluster.read(1000)) == 1000


def test_publishing_ends_before_the_claim() -> None:
    longest = 2 * CONNECT_SECONDS + PUBLISH_SECONDS + REPORTS_SECONDS
    assert timedelta(seconds=longest) < LEASE / 2


def test_producer_is_idempotent_and_waits_for_all_replicas(cluster: KafkaCluster) -> None:
    config = KafkaPublisher(kafka_settings(cluster), network())._producer_config()
    assert (config["enable.idempotence"], config["acks"]) == (True, "all")
    assert config["delivery.timeout.ms"] == PUBLISH_SECONDS * 1000


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────
MESSAGE_TOO_LARGE = 10
NOT_ENOUGH_REPLICAS = 19
PRODUCE = 0


def test_event_that_is_too_large_fails_alone(cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    [key] = ids(1)
    stored = report_about(key)
    cluster.fail_requests(PRODUCE, MESSAGE_TOO_LARGE)
    notify()
    stored += report_about(key)
    notify()
    assert states(endpoint_id) == ["failed", "delivered"]
    [problem] = problems(endpoint_id, stored[0][1])
    assert problem == "The event is larger than the topic allows."


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"encryption": "tls"}, "did not respond as a Kafka broker"),
        ({"mechanism": "PLAIN", "user": "dana", "password": "s3cret"}, ""),
        ({"servers": "127.0.0.1:9"}, "127.0.0.1:9 is not encrypted"),
        ({"servers": "127.0.0.1:9", "encryption": "tls"}, "127.0.0.1:9 is not on the public"),
        ({"servers": "kafka.invalid:9092", "encryption": "tls"}, NOT_CONNECTED),
    ],
)
def test_failed_connection_is_explained_and_its_event_kept(
    cluster: KafkaCluster, change: dict[str, Any], problem: str
) -> None:
    endpoint_id = add_kafka(cluster)
    change_settings(endpoint_id, kafka_settings(cluster, **change))
    event_id = report()
    notify()
    assert states(endpoint_id) == ["pending"]
    [found] = problems(endpoint_id, event_id)
    assert problem in found
    check = broker_tests.run_test(endpoint_id)
    assert not check.ok
    assert problem in check.title
    assert "librdkafka" not in found + check.title


def test_certificate_of_an_unknown_authority_is_refused(
    cluster: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, _, strange = certificates.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(strange)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"localhost:{listener.getsockname()[1]}"
        thread = threading.Thread(target=accept_all, args=(listener, context), daemon=True)
        thread.start()
        monkeypatch.setattr(
            "hub.endpoints.broker_publishing.allowed_addresses", lambda: frozenset({server})
        )
        settings = {"encryption": "tls", "servers": server, "ca": authority.read_text()}
        check = broker_tests.run_test(add_kafka(cluster, more=settings))
        listener.shutdown(socket.SHUT_RDWR)
    assert check.title.startswith("The certificate of the broker was not accepted.")
    assert check.field == "ca"


def accept_all(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Answer every connection with the certificate, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


def test_stopped_and_filtered_servers_get_the_same_sentence(cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    cluster.stop()
    assert broker_tests.run_test(endpoint_id).title == NOT_CONNECTED
    event_id = report()
    notify()
    assert problems(endpoint_id, event_id) == [NOT_CONNECTED]


def test_connection_test_reads_the_topic_and_publishes_nothing(cluster: KafkaCluster) -> None:
    cluster.create_topic(TOPIC, partitions=3)
    check = broker_tests.run_test(add_kafka(cluster))
    assert check.ok
    assert check.title == f"The topic {TOPIC} exists and has 3 partitions."
    assert cluster.read(0, linger=0.5) == []


def test_missing_topic_is_named_by_the_test(cluster: KafkaCluster) -> None:
    cluster.create_topic(TOPIC)
    cluster.fail_topic(TOPIC, 3)  # UNKNOWN_TOPIC_OR_PART
    check = broker_tests.run_test(add_kafka(cluster))
    assert (check.ok, check.title, check.field) == (False, "The topic does not exist.", "topic")


# ── Addresses and secrets ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "change",
    [{"servers": "10.1.2.3:9093", "encryption": "tls"}, {"servers": "127.0.0.1:9"}],
)
def test_private_and_unencrypted_servers_are_refused(
    cluster: KafkaCluster, change: dict[str, str]
) -> None:
    with pytest.raises(Refused) as refusal:
        add_kafka(cluster, more=change)
    assert refusal.value.field == "servers"
    assert "HUB_HTTP_ALLOW" in str(refusal.value)


def test_server_that_the_cluster_names_is_checked_before_publishing(
    cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cluster.servers.split(",")
    endpoint_id = add_kafka(cluster)
    change_settings(endpoint_id, kafka_settings(cluster, servers=first))
    allowed = frozenset({first})
    monkeypatch.setattr("hub.endpoints.broker_publishing.allowed_addresses", lambda: allowed)
    event_id = report()
    notify()
    assert states(endpoint_id) == ["pending"]
    assert f"The connection to {second} is not encrypted." in problems(endpoint_id, event_id)[0]
    monkeypatch.undo()
    with time_machine.travel(now() + timedelta(minutes=1)):
        notify()
    assert len(cluster.read(1)) == 1, "nothing was published before"


@pytest.mark.usefixtures("short_limits")
def test_password_is_in_no_log(
    cluster: KafkaCluster, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = kafka_settings(
        cluster, mechanism="PLAIN", user="dana", password="very-secret-password"
    )
    config = client_config(settings, network())
    config["logger"].warning("SASL user dana password %s", "very-secret-password")
    producer = Producer({**config, "debug": "security,broker,conf"})
    producer.poll(1)
    endpoint_id = add_kafka(cluster)
    change_settings(endpoint_id, settings)
    report()
    notify()
    logged = caplog.text + "".join(capfd.readouterr())
    assert "SASL user dana password •••" in logged, "the log of the library is kept"
    assert "very-secret-password" not in logged


# ── Without the package ───────────────────────────────────────────────────────────────────────────
def test_without_the_package_events_wait_and_a_sentence_says_how_to_install_it(
    cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = add_kafka(cluster)
    event_id = report()
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    notify()
    assert states(endpoint_id) == ["pending"]
    [problem] = problems(endpoint_id, event_id)
    assert "pip install 'hub[kafka]'" in problem
    assert "pip install 'hub[kafka]'" in broker_tests.run_test(endpoint_id).title
    assert not brokers.get("kafka").is_installed()
    monkeypatch.undo()
    with time_machine.travel(now() + timedelta(minutes=1)):
        notify()
    assert states(endpoint_id) == ["delivered"]


def test_endpoint_of_a_broker_has_no_secret(cluster: KafkaCluster) -> None:
    endpoint_id = add_kafka(cluster)
    assert signing_secrets.active_secrets(endpoint_id) == []
    with pytest.raises(Refused):
        signing_secrets.rotate_secret(endpoint_id, timedelta(0))
    assert endpoints.find(endpoint_id).kind == "kafka"
