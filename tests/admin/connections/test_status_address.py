"""The page of a connection and its messages agree on whether a status address is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from hub.admin.connections import webhook_urls
from hub.connections import connections
from hub.db.engine import db
from hub.messaging.send.outbound import status_callback_url
from hub.models import Connection
from hub.shared import integration_instances
from tests.conftest import Browser

SENT = "Signpost sends this URL with each message."
LEFT_OUT = "cannot reach this URL, because it is on this machine only."
HERE = {"HUB_PUBLIC_URL": "http://127.0.0.1:8000"}
PUBLIC = {"HUB_PUBLIC_URL": "https://hub.acme.example", "HUB_DEMO": "0"}
STAND_IN = {"HUB_TWILIO_API_URL": "http://127.0.0.1:9100"}


@pytest.fixture(params=[(PUBLIC, SENT), (HERE, LEFT_OUT), (HERE | STAND_IN, SENT)])
def case(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def settings(case: Any) -> dict[str, str]:
    demo_settings: dict[str, str] = case[0]
    return demo_settings


def test_page_and_sender_agree_on_the_status_address(
    case: Any, app: Flask, browser_for: Callable[..., Browser]
) -> None:
    with app.app_context():
        connection_id = connections.create("twilio_sms", "Text messages", test=False)
        connection = db.session.get_one(Connection, connection_id)
        instance = integration_instances.instance(connection)
        sent = status_callback_url(
            app.extensions["hub.config"].public_url,
            instance.status_path,
            tuple(instance.api_urls.values()),
        )
        [sent_address] = [
            f"{label}: {help_text}"
            for label, url, help_text in webhook_urls._webhooks(type(instance), connection)
            if url.endswith(instance.status_path)
        ]
    assert sent_address.startswith("Status callbacks: ")
    assert case[1] in sent_address
    assert bool(sent) is (case[1] == SENT)
    if app.extensions["hub.config"].demo:  # elsewhere pages are at the public address only
        assert case[1] in browser_for().get("/connections/text-messages").text
