"""The simulated signing app verifies webhooks, and fails on purpose."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from hub.connections import demo
from hub.core.vocabulary import EndpointState
from hub.db.engine import db
from hub.endpoints import endpoints
from hub.models import WebhookEndpoint
from hub.simulator.receiver.scripted_faults import RECEIVERS
from tests.conftest import config_of
from tests.endpoints.receivers import add_endpoint, deliveries, notify, report, states

pytestmark = pytest.mark.usefixtures("hub_demo", "simulator")


def log(simulator: Any) -> list[dict[str, Any]]:
    """Return the requests of the simulated app, newest first."""
    found: list[dict[str, Any]] = (
        simulator.test_client()
        .get("/simulator/receiver.json", base_url="http://127.0.0.1")
        .json["requests"]
    )
    return found


def address(app: Flask, name: str) -> str:
    return f"{config_of(app).simulator_url}/receiver/{name}"


def test_event_of_the_demo_arrives_verified(hub_demo: Flask, simulator: Any) -> None:
    demo.add_endpoint()
    demo.add_endpoint()
    event_id = report()
    assert notify() == 1
    [request] = log(simulator)
    assert (request["verified"], request["event"]["id"]) == (True, event_id)
    page = simulator.test_client().get("/simulator/receiver", base_url="http://127.0.0.1").text
    assert "sms_delivered" in page
    assert "Valid" in page


def test_secret_must_be_known_to_the_app(hub_demo: Flask, simulator: Any) -> None:
    endpoint_id, secret = add_endpoint(address(hub_demo, "ok"))
    report()
    notify()
    assert (log(simulator)[0]["verified"], log(simulator)[0]["status"]) == (False, 401)
    client = simulator.test_client()
    posted = {"secret": secret}
    base = "http://127.0.0.1"
    assert client.post("/simulator/receiver/secrets", json=posted, base_url=base).status_code == 200
    bad = client.post("/simulator/receiver/secrets", json={"secret": "x"}, base_url=base)
    assert bad.status_code == 422
    report()
    notify()
    assert (log(simulator)[0]["verified"], log(simulator)[0]["status"]) == (True, 200)
    assert states(endpoint_id) == ["pending", "delivered"]


@pytest.mark.parametrize("fault", [one for one in RECEIVERS if not one.hangs], ids=str)
def test_each_magic_address_fails_as_described(hub_demo: Flask, fault: Any) -> None:
    endpoint_id, _ = add_endpoint(address(hub_demo, fault.address))
    report()
    notify()
    endpoint = db.session.get_one(WebhookEndpoint, endpoint_id)
    [delivery] = deliveries(endpoint_id)
    is_switched_off = fault.address in ("410", "disable")
    assert (endpoint.state == EndpointState.DISABLED) == is_switched_off
    expected = {"410": "failed", "abort": "failed", "disable": "delivered"}
    assert delivery.state == expected.get(fault.address, "pending")
    endpoints.delete(endpoint_id)
