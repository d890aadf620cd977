"""Platform events reach a broker that speaks MQTT 5, and are confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from hub.core.errors import Refused
from hub.db.types import now
from hub.endpoints import broker_tests, endpoints
from hub.endpoints.endpoints import EndpointSettings
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


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"password": "x"}, "The broker did not accept the user, the password or the topic."),
        ({"encryption": "tls"}, "The broker uses no TLS, or no valid certificate."),
        ({"port": 1, "encryption": "tls"}, "127.0.0.1:1 is not on the public internet."),
    ],
)
def test_failure_is_explained(
    mosquitto: MosquittoServer, change: dict[str, Any], problem: str
) -> None:
    endpoint_id = add_mqtt(mosquitto.settings())
    change_settings(endpoint_id, mosquitto.settings(**change))
    event_id = report()
    notify()
    assert problem in problems(endpoint_id, event_id)[0]
    assert problem in broker_tests.run_test(endpoint_id).title


def test_connection_is_tested_without_an_event(mosquitto: MosquittoServer) -> None:
    endpoint_id = add_mqtt(mosquitto.settings(tls=True))
    check = broker_tests.run_test(endpoint_id)
    assert (check.ok, check.title) == (True, "Signpost is connected to the broker.")
    assert mosquitto.received == []


def test_private_server_is_refused(mosquitto: MosquittoServer) -> None:
    with pytest.raises(Refused) as refusal:
        add_mqtt(mosquitto.settings(port=1883, encryption="tls"))
    assert refusal.value.field == "host"
