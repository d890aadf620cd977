"""Kafka with TLS and SASL: sign-ins that succeed, and what admins read when they fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from hub.db.types import now
from hub.endpoints import broker_tests
from hub.integrations.kafka.errors import OWN_CODES
from tests.chaos import certificates
from tests.endpoints.brokers.broker_endpoints import (
    add_kafka,
    change_settings,
    payload_of,
    problems,
)
from tests.endpoints.receivers import notify, report, states
from tests.kafka_cluster import TOPIC, KafkaCluster
from tests.kafka_proxy import KafkaProxy, kafka_proxy
from tests.sasl_server import MECHANISMS, Credentials

pytestmark = pytest.mark.usefixtures("hub_demo")


@pytest.fixture
def proxy(tmp_path: Path, cluster: KafkaCluster) -> Iterator[KafkaProxy]:
    folder = tmp_path / "kafka"
    folder.mkdir()
    with kafka_proxy(folder, cluster) as running:
        yield running


@pytest.fixture
def settings(proxy: KafkaProxy) -> dict[str, str]:
    return {"HUB_HTTP_ALLOW": proxy.servers}


def add_secured(proxy: KafkaProxy, **change: Any) -> str:
    """Create an endpoint with settings as after a change that the form does not check."""
    endpoint_id = add_kafka(proxy.cluster, more=proxy.settings())
    change_settings(endpoint_id, proxy.settings(topic=TOPIC, **change))
    return endpoint_id


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "credentials",
    [Credentials(), Credentials("a,b=c=2C", "p=1,\\ \"ü\u00a0♥' ")],
    ids=["plain", "special"],
)
def test_event_is_published_after_a_sign_in(
    proxy: KafkaProxy, mechanism: str, credentials: Credentials
) -> None:
    proxy.credentials = credentials
    endpoint_id = add_secured(proxy, mechanism=mechanism)
    check = broker_tests.run_test(endpoint_id)
    assert (check.ok, check.title) == (True, f"The topic {TOPIC} exists and has 4 partitions.")
    event_id = report()
    notify()
    assert states(endpoint_id) == ["delivered"]
    assert [payload_of(message)["id"] for message in proxy.cluster.read(1)] == [event_id]
    assert set(proxy.sign_ins) == {mechanism}


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────
WRONG_PASSWORD = "a-very-wrong-password"
NOT_ACCEPTED = "The broker did not accept the user and the password."


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("change", [{"password": WRONG_PASSWORD}, {"user": "nobody"}])
def test_wrong_credentials_are_named_and_sent_once_to_each_broker(
    proxy: KafkaProxy, mechanism: str, change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint_id = add_secured(proxy, mechanism=mechanism, **change)
    check = broker_tests.run_test(endpoint_id)
    assert (check.ok, check.title, check.field) == (False, NOT_ACCEPTED, "user")
    event_id = report()
    notify()
    assert states(endpoint_id) == ["pending"]
    assert problems(endpoint_id, event_id) == [NOT_ACCEPTED]
    assert 2 <= len(proxy.refusals) <= 6, "more sign-ins could lock the user"
    assert proxy.sign_ins == []
    assert "SASL authentication error" in caplog.text, "the log of the library is kept"
    for secret in (WRONG_PASSWORD, proxy.credentials.password):
        assert secret not in caplog.text


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize(
    ("change", "problem", "field"),
    [
        ({"mechanism": "none"}, "did not respond as a Kafka broker", "encryption"),
        ({"encryption": "none"}, "did not respond as a Kafka broker", "encryption"),
        ({"ca": ""}, "The certificate of the broker was not accepted.", "ca"),
    ],
)
def test_wrong_settings_are_named(
    proxy: KafkaProxy, change: dict[str, str], problem: str, field: str
) -> None:
    check_failure(add_secured(proxy, **change), problem, field)


@pytest.mark.usefixtures("short_limits")
def test_certificate_of_another_authority_is_refused(proxy: KafkaProxy, tmp_path: Path) -> None:
    authority, _, _ = certificates.write(tmp_path)
    endpoint_id = add_secured(proxy, ca=authority.read_text())
    check_failure(endpoint_id, "signed by an unknown authority", "ca")


@pytest.mark.usefixtures("short_limits")
def test_certificate_for_another_name_is_refused(
    proxy: KafkaProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = proxy.servers.replace("localhost", "127.0.0.1")
    allowed = frozenset(servers.split(","))
    endpoint_id = add_secured(proxy, servers=servers)
    monkeypatch.setattr("hub.endpoints.broker_publishing.allowed_addresses", lambda: allowed)
    check_failure(endpoint_id, "It is for another name", "ca")


@pytest.mark.usefixtures("short_limits")
def test_server_without_tls_is_named(proxy: KafkaProxy) -> None:
    endpoint_id = add_secured(proxy)
    proxy.encrypted = False
    check_failure(endpoint_id, "did not respond as a Kafka broker", "encryption")


def test_mechanism_that_the_cluster_does_not_support_is_named(proxy: KafkaProxy) -> None:
    proxy.mechanisms = ("SCRAM-SHA-512",)
    check_failure(
        add_secured(proxy), "The broker does not support this SASL mechanism.", "mechanism"
    )


def check_failure(endpoint_id: str, problem: str, field: str) -> None:
    """Check that a test of the connection and an attempt name the problem, without details."""
    check = broker_tests.run_test(endpoint_id)
    assert not check.ok
    assert problem in check.title
    assert check.field == field
    assert check.code not in OWN_CODES, "no documentation has it"
    event_id = report()
    notify()
    assert states(endpoint_id) == ["pending"]
    [found] = problems(endpoint_id, event_id)
    assert problem in found
    for text in (found, check.title, check.text):
        assert "librdkafka" not in text
        assert Credentials().password not in text


# ── Afterwards ────────────────────────────────────────────────────────────────────────────────────
def test_event_is_delivered_after_the_password_was_corrected(proxy: KafkaProxy) -> None:
    endpoint_id = add_secured(proxy, password=WRONG_PASSWORD)
    event_id = report()
    notify()
    assert states(endpoint_id) == ["pending"]
    change_settings(endpoint_id, proxy.settings(topic=TOPIC))
    with time_machine.travel(now() + timedelta(minutes=1)):
        notify()
    assert states(endpoint_id) == ["delivered"]
    assert [payload_of(message)["id"] for message in proxy.cluster.read(1)] == [event_id]


@pytest.mark.usefixtures("short_limits")
def test_password_that_was_changed_at_the_cluster_stops_and_resumes_the_events(
    proxy: KafkaProxy,
) -> None:
    endpoint_id = add_secured(proxy)
    with time_machine.travel(now()) as clock:
        stored = [report()]
        notify()
        proxy.credentials = Credentials(password="another password")
        proxy.disconnect()
        stored += [report(), report()]
        notify()
        assert states(endpoint_id) == ["delivered", "pending", "pending"]
        clock.shift(timedelta(minutes=1))
        notify()
        assert problems(endpoint_id, stored[1])[0] == NOT_ACCEPTED
        change_settings(endpoint_id, proxy.settings(topic=TOPIC))
        clock.shift(timedelta(minutes=2))
        notify()
    assert set(states(endpoint_id)) == {"delivered"}
    published = {payload_of(message)["id"] for message in proxy.cluster.read(3)}
    assert published == set(stored)


class TestAuthorityOfTheOperator:
    """The certificate of the authority is in HUB_CA_FILE, and not in the form."""

    @pytest.fixture
    def settings(self, proxy: KafkaProxy) -> dict[str, str]:
        return {"HUB_HTTP_ALLOW": proxy.servers, "HUB_CA_FILE": str(proxy.authority)}

    def test_event_is_published(self, proxy: KafkaProxy) -> None:
        endpoint_id = add_secured(proxy, ca="")
        report()
        notify()
        assert states(endpoint_id) == ["delivered"]
        assert len(proxy.cluster.read(1)) == 1
