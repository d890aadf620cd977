"""Platform events reach a broker that speaks MQTT 5, and are confirmed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from hub.core.errors import Refused
from hub.db.types import now
from hub.endpoints import broker_tests, endpoints
from hub.endpoints.endpoints import EndpointSettings
from hub.integrations.broker import BrokerEvent, Network, Rejection
from hub.integrations.mqtt.integration import MqttPublisher
from hub.integrations.mqtt.packets import properties_of, size_of
from tests.chaos import certificates
from tests.endpoints.brokers.broker_endpoints import change_settings, problems
from tests.endpoints.brokers.test_order import by_key, ids, report_about
from tests.endpoints.receivers import notify, report, source_named, states
from tests.mosquitto_server import MosquittoServer, mosquitto_server

pytestmark = pytest.mark.usefixtures("hub_demo")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[MosquittoServer]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with mosquitto_server(folder) as server:
        yield server


@pytest.fixture
def settings(mosquitto: MosquittoServer) -> dict[str, str]:
    return {"HUB_HTTP_ALLOW": mosquitto.allowed, "HUB_CA_FILE": str(mosquitto.ca_file)}


def add_mqtt(settings: dict[str, Any], source: str = "default") -> str:
    return endpoints.create(
        source_named(source),
        EndpointSettings(kind="mqtt", events=["*"], broker=settings),
        test=True,
    )[0]


@pytest.mark.parametrize("tls", [False, True])
def test_event_is_published_to_the_topic_of_its_source_and_type(
    mosquitto: MosquittoServer, tls: bool
) -> None:
    endpoint_id = add_mqtt(mosquitto.settings(tls=tls))
    event_id = report("sms_delivered")
    notify()
    assert states(endpoint_id) == ["delivered"]
    [message] = mosquitto.wait_for(1)
    assert (message.topic, message.qos) == ("signpost/default/sms_delivered", 1)
    payload = json.loads(message.payload)
    assert payload["id"] == event_id
    assert message.properties is not None
    assert message.properties.ContentType == "application/json; charset=utf-8"
    assert dict(message.properties.UserProperty) == {
        "id": event_id,
        "type": "sms_delivered",
        "source": "signpost/default",
        "time": payload["at"],
        "specversion": "1.0",
    }


def test_events_keep_their_order_through_an_outage(mosquitto: MosquittoServer) -> None:
    endpoint_id = add_mqtt(mosquitto.settings())
    keys = ids(5)
    with time_machine.travel(now()) as clock:
        stored = report_about(*keys, *keys)
        notify()
        mosquitto.wait_for(10)
        mosquitto.stop()
        for _ in range(5):
            stored += report_about(*keys)
            notify()
            clock.shift(timedelta(minutes=2))
        mosquitto.start()
        for _ in range(4):
            clock.shift(timedelta(minutes=2))
            notify()
    assert set(states(endpoint_id)) == {"delivered"}
    bodies = [json.loads(message.payload) for message in mosquitto.wait_for(len(stored))]
    assert by_key((body["inbound"], body["id"]) for body in bodies) == by_key(stored)


def test_hundreds_of_events_are_published_together(mosquitto: MosquittoServer) -> None:
    endpoint_id = add_mqtt(mosquitto.settings())
    stored = report_about(*ids(300))
    notify()
    assert set(states(endpoint_id)) == {"delivered"}
    assert len(mosquitto.wait_for(300)) == len(stored)


@pytest.mark.parametrize("surplus", [0, 1, 5_000])
def test_event_that_is_too_large_fails_alone(tmp_path: Path, surplus: int) -> None:
    """A broker closes the connection at a packet that is too large, with all that it carries."""
    largest = 3_000
    with mosquitto_server(tmp_path, largest=largest) as server:
        network = Network(frozenset(server.allowed.split(",")), str(server.ca_file))
        publisher = MqttPublisher(server.settings(), network)
        small = BrokerEvent("1", "sms_sent", "default", "2026-11-30T00:00:00Z", "k1", b"{}")
        empty = replace(small, id="2", key="k2", body=b"")
        body = b"x" * (largest - size_of(empty, properties_of(empty)) + surplus)
        results = publisher.publish([small, replace(empty, body=body), replace(small, id="3")])
        publisher.close()
        assert results[0] is None
        assert results[2] is None
        if surplus:
            assert results[1] == Rejection("The event is larger than the broker allows.", True)
        else:
            assert results[1] is None
        assert len(server.wait_for(3 - bool(surplus))) == 3 - bool(surplus)


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────
WRONG_PASSWORD = "a-very-wrong-password"
ALLOWED = "hub.endpoints.broker_publishing.allowed_addresses"
NOT_SIGNED_IN = "The broker did not accept the user and the password."


def check_failure(
    endpoint_id: str, settings: dict[str, Any], problem: str, field: str, patch: pytest.MonkeyPatch
) -> None:
    """Check that a test of the connection and an attempt name the problem, and keep the event."""
    server = f"{settings['host']}:{settings['port']}"
    change_settings(endpoint_id, settings)
    patch.setattr(ALLOWED, lambda: frozenset({server}))
    check = broker_tests.run_test(endpoint_id)
    assert problem in check.title
    assert check.field == field
    event_id = report()
    notify()
    assert states(endpoint_id) == ["pending"]
    [found] = problems(endpoint_id, event_id)
    assert problem in found


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "change", [{"password": WRONG_PASSWORD}, {"user": "nobody"}, {"user": "", "password": ""}]
)
def test_wrong_credentials_are_named(
    mosquitto: MosquittoServer,
    tls: bool,
    change: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = mosquitto.settings(tls=tls, **change)
    check_failure(add_mqtt(mosquitto.settings()), settings, NOT_SIGNED_IN, "user", monkeypatch)
    assert WRONG_PASSWORD not in caplog.text
    assert mosquitto.received == []


@pytest.mark.parametrize(
    ("tls", "change", "problem", "field"),
    [
        (False, {"encryption": "tls"}, "The broker does not use TLS at this port.", "encryption"),
        (True, {"encryption": "none"}, "The broker closed the connection.", "encryption"),
        (True, {"host": "127.0.0.1"}, "The certificate of the broker was not", "encryption"),
        (False, {"port": 1}, "Signpost could not connect to the broker.", "host"),
    ],
)
def test_wrong_settings_are_named(
    mosquitto: MosquittoServer,
    tls: bool,
    change: dict[str, Any],
    problem: str,
    field: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = mosquitto.settings(tls=tls, **change)
    check_failure(add_mqtt(mosquitto.settings()), settings, problem, field, monkeypatch)


def test_certificate_of_another_authority_is_refused(
    mosquitto: MosquittoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, _, _ = certificates.write(tmp_path)
    endpoint_id = add_mqtt(mosquitto.settings(tls=True))
    mosquitto.ca_file.write_bytes(authority.read_bytes())
    problem = "signed by an unknown authority. HUB_CA_FILE can name"
    settings = mosquitto.settings(tls=True)
    check_failure(endpoint_id, settings, problem, "encryption", monkeypatch)


def test_private_address_is_explained(mosquitto: MosquittoServer) -> None:
    endpoint_id = add_mqtt(mosquitto.settings())
    change_settings(endpoint_id, mosquitto.settings(port=1, encryption="tls"))
    problem = "127.0.0.1:1 is not on the public internet."
    assert problem in broker_tests.run_test(endpoint_id).title


def test_topic_that_the_user_may_not_write_to_is_named(mosquitto: MosquittoServer) -> None:
    endpoint_id = add_mqtt(mosquitto.settings(), "beta")
    event_id = report(source="beta")
    notify()
    assert states(endpoint_id) == ["pending"]
    assert problems(endpoint_id, event_id) == ["The user may not publish to this topic."]
    assert broker_tests.run_test(endpoint_id).ok


@pytest.mark.parametrize("tls", [False, True])
def test_password_that_was_changed_at_the_broker_stops_and_resumes_the_events(
    mosquitto: MosquittoServer, tls: bool
) -> None:
    endpoint_id = add_mqtt(mosquitto.settings(tls=tls))
    with time_machine.travel(now()) as clock:
        stored = [report()]
        notify()
        mosquitto.change_password("a-new-password")
        stored += [report(), report()]
        notify()
        assert states(endpoint_id) == ["delivered", "pending", "pending"]
        clock.shift(timedelta(minutes=1))
        notify()
        assert problems(endpoint_id, stored[1])[0] == NOT_SIGNED_IN
        change_settings(endpoint_id, mosquitto.settings(tls=tls))
        clock.shift(timedelta(minutes=2))
        notify()
    assert set(states(endpoint_id)) == {"delivered"}
    assert {json.loads(item.payload)["id"] for item in mosquitto.wait_for(3)} == {*stored}


# ── Tests of the connection ───────────────────────────────────────────────────────────────────────
def test_connection_is_tested_without_an_event(mosquitto: MosquittoServer) -> None:
    endpoint_id = add_mqtt(mosquitto.settings(tls=True))
    check = broker_tests.run_test(endpoint_id)
    assert (check.ok, check.title) == (True, "Signpost is connected to the broker.")
    assert mosquitto.received == []


def test_private_server_is_refused(mosquitto: MosquittoServer) -> None:
    with pytest.raises(Refused) as refusal:
        add_mqtt(mosquitto.settings(port=1883, encryption="tls"))
    assert refusal.value.field == "host"
