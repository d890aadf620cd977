"""Admins create endpoints at message brokers on pages, test the connection, and see attempts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import endpoints
from hub.endpoints.endpoints import EndpointSettings, find
from hub.integrations import brokers
from hub.models import WebhookEndpoint
from tests.admin.webhook_endpoints.test_webhook_pages import call as call
from tests.admin.webhook_endpoints.test_webhook_pages import only_endpoint
from tests.conftest import Browser
from tests.endpoints.brokers.broker_endpoints import add_kafka, payload_of
from tests.endpoints.receivers import notify, report, source_named, states
from tests.hub_fixtures import count
from tests.kafka_cluster import TOPIC, KafkaCluster, kafka_cluster

Call = Callable[..., Any]
NEW = "/webhook-endpoints/new?kind=kafka"
FORM = {"events": "*", "description": "Stream", "source": "default", "test": "y"}


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as running:
        yield running


@pytest.fixture
def settings(cluster: KafkaCluster) -> dict[str, str]:
    return {"HUB_HTTP_ALLOW": cluster.servers}


def form(cluster: KafkaCluster, **more: str) -> dict[str, str]:
    return {
        **FORM,
        "servers": cluster.servers,
        "topic": TOPIC,
        "encryption": "none",
        "mechanism": "none",
        **more,
    }


def stored(endpoint_id: str) -> dict[str, Any]:
    db.session.rollback()
    return dict(find(endpoint_id).settings)


@pytest.mark.parametrize("kind", sorted(brokers.registry()))
def test_form_of_each_broker_is_shown(admin: Browser, kind: str) -> None:
    page = admin.get(f"/webhook-endpoints/new?kind={kind}")
    assert page.status_code == 200
    assert brokers.get(kind).summary in page.text
    assert 'name="events"' in page.text
    assert 'name="url"' not in page.text


def test_page_shows_the_user_of_a_broker_once(admin: Browser, call: Call) -> None:
    def add() -> str:
        settings = {"host": "mqtt.example", "port": 8883, "encryption": "tls", "user": "only-user"}
        added = endpoints.create(
            source_named("default"),
            EndpointSettings(kind="mqtt", events=["*"], broker=settings),
            test=True,
        )
        return added[0]

    page = admin.get(f"/webhook-endpoints/{call(add)}").text
    assert page.count("only-user") == 1
    assert "Basic auth" not in page


def test_unknown_broker_does_not_exist(admin: Browser) -> None:
    assert admin.get("/webhook-endpoints/new?kind=rabbit").status_code == 404


def test_created_endpoint_receives_events(
    call: Call, admin: Browser, cluster: KafkaCluster
) -> None:
    created = admin.post(NEW, form(cluster))
    assert created.status_code == 303
    endpoint_id = call(only_endpoint)
    page = admin.get(f"/webhook-endpoints/{endpoint_id}").text
    for words in ("Kafka", cluster.servers, TOPIC, "Test connection"):
        assert words in page
    for words in ("Rotate secret", "Secret created", ">URL<", "Basic auth"):
        assert words not in page
    tested = admin.post(f"/webhook-endpoints/{endpoint_id}/check").text
    assert f"The topic {TOPIC} exists and has 4 partitions." in tested
    answer = admin.post(f"/webhook-endpoints/{endpoint_id}/test", {"event": "sms_failed"})
    call(notify)
    assert [payload_of(message)["type"] for message in cluster.read(1)] == ["sms_failed"]
    delivery = admin.get(answer.location).text
    assert "Delivered." in delivery
    assert "Response" not in delivery
    assert "Kafka" in admin.get("/webhook-endpoints").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"servers": "kafka"}, "Enter servers with their ports"),
        ({"servers": "10.0.0.4:9093", "encryption": "tls"}, "not on the public internet"),
        ({"servers": "127.0.0.1:9"}, "is not encrypted"),
        ({"topic": "a b"}, "A topic has up to 249"),
        ({"topic": ".."}, "A topic has up to 249"),
        ({"ca": "no certificate"}, "Paste the certificate as PEM text"),
        ({"mechanism": "PLAIN"}, "Enter the user"),
        ({"mechanism": "PLAIN", "user": "dana"}, "Enter the password"),
        ({"events": "fax_*"}, "No event matches"),
        ({"events": ""}, "Enter at least one event"),
    ],
)
def test_invalid_field_is_explained(
    call: Call, admin: Browser, cluster: KafkaCluster, change: dict[str, str], words: str
) -> None:
    answer = admin.post(NEW, form(cluster, **change))
    assert answer.status_code == 422
    assert words in answer.text
    assert call(count, WebhookEndpoint) == 0


def test_password_is_kept_only_for_its_servers_and_user(
    call: Call, admin: Browser, cluster: KafkaCluster
) -> None:
    sign_in = {"mechanism": "PLAIN", "user": "dana", "password": "s3cret-word"}
    admin.post(NEW, form(cluster, **sign_in))
    endpoint_id = call(only_endpoint)
    edit = f"/webhook-endpoints/{endpoint_id}/edit"
    for address in (edit, f"/webhook-endpoints/{endpoint_id}", "/webhook-endpoints", "/activity"):
        assert "s3cret-word" not in admin.get(address).text, address
    kept = form(cluster, mechanism="PLAIN", user="dana", description="Other")
    assert admin.post(edit, kept).status_code == 303
    assert call(stored, endpoint_id)["password"] == "s3cret-word"
    other_servers = f"{cluster.servers},{cluster.servers}"
    for change, words in (
        ({"user": "eve"}, "Enter the Password that belongs to it."),
        ({"servers": other_servers}, "Enter the password."),
    ):
        refused = admin.post(edit, {**kept, **change})
        assert (refused.status_code, words in refused.text) == (422, True)


def test_events_that_wait_for_an_earlier_one_say_so(
    call: Call, admin: Browser, cluster: KafkaCluster
) -> None:
    endpoint_id = call(add_kafka, cluster)
    cluster.stop()
    details = {"inbound": "inb_0199f3b2-5cf0-7d21-8f17-2a4b6c8d9e01"}
    first = call(report, "sms_received", payload=details)
    call(notify)
    second = call(report, "sms_received", payload=details)
    path = f"/webhook-endpoints/{endpoint_id}"
    assert "After an earlier event" in admin.get(path).text
    assert "Signpost could not connect to the broker." in admin.get(f"{path}/events/{first}").text
    waiting = admin.get(f"{path}/events/{second}").text
    assert "Events with the same key keep their order." in waiting
    assert details["inbound"] in waiting
    cluster.start()
    with time_machine.travel(now() + timedelta(minutes=2)):
        call(notify)
    assert call(states, endpoint_id) == ["delivered", "delivered"]
    assert "After an earlier event" not in admin.get(path).text


def test_page_says_how_to_install_a_missing_package(
    call: Call, admin: Browser, cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = call(add_kafka, cluster)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    page = admin.get(NEW).text
    assert "pip install &#39;hub[kafka]&#39;" in page
    assert 'name="servers"' not in page
    path = f"/webhook-endpoints/{endpoint_id}"
    for address in (path, "/webhook-endpoints", "/webhook-endpoints/new", f"{path}/edit"):
        assert admin.get(address).status_code == 200, address
    assert "pip install &#39;hub[kafka]&#39;" in admin.get(path).text


def test_webhook_has_no_connection_test(call: Call, admin: Browser) -> None:
    from tests.endpoints.event_steps import listen

    endpoint_id = call(listen)
    assert admin.post(f"/webhook-endpoints/{endpoint_id}/check").status_code == 409
