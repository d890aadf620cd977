"""Statuses are polled at the simulated Twilio."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine
from flask import Flask

from hub.core.vocabulary import Status
from hub.db.types import now
from hub.integrations.base import StatusUpdate
from hub.jobs import cron
from hub.messaging.track import reconcile, status_polling
from hub.models import Connection
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    eventually,
    json_of,
    make_due,
    message,
    queue_text,
    status,
    status_words,
)
from tests.hub_fixtures import signing_app as signing_app


def delivered_update(provider_id: str) -> StatusUpdate:
    return StatusUpdate(status=Status.DELIVERED, provider_status="home")


def travel_by(**pause: float) -> Any:
    return time_machine.travel(now() + timedelta(**pause), tick=False)


# ── With the simulated Twilio ─────────────────────────────────────────────────────────────────────
def test_message_with_lost_callbacks_is_delivered_by_polling(
    hub_demo: Flask, signing_app: SigningApp, connection: Connection, simulator: Any, served: Flask
) -> None:
    message_id = json_of(
        signing_app.post(
            "/messages", {"channel": "sms", "to": "+15005550016", "text": "Sign here."}
        )
    )["id"]
    deliver()
    eventually(
        lambda: (
            simulator.extensions["simulator"].store.on_phone("+15005550016")[0].status
            == "delivered"
        )
    )
    assert status(message_id) == Status.ACCEPTED, "the provider delivered it without a report"

    make_due(message_id)  # a quarter of an hour later
    cron.wake_queues()
    assert hub_demo.extensions["hub.waker"].redis.exists("wake:chores")
    status_polling.poll_statuses()

    response = json_of(signing_app.get(f"/messages/{message_id}"))
    [fact] = [entry for entry in response["timeline"] if entry["status"] == "delivered"]
    assert (response["status"], fact["source"], fact["word"], fact["event"]) == (
        "delivered",
        "poll",
        "delivered",
        "sms_delivered",
    )
    assert fact["text"] == "Signpost asked the provider."


def test_message_deleted_at_twilio_is_no_longer_polled(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text("+15005550016")
    deliver()
    store = simulator.extensions["simulator"].store
    eventually(lambda: store.on_phone("+15005550016")[0].status == "delivered")
    store.change(message(message_id).provider_id, deleted=1)
    make_due(message_id)
    assert status_polling.poll_statuses() == 1
    assert (status(message_id), message(message_id).due_at, status_words(message_id)) == (
        "accepted",
        None,
        ["gone"],
    )


def test_found_message_is_polled_later(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    # taken, and answered with 500; no callbacks reach a hub that is not served
    message_id = queue_text("+15005550014")
    deliver()
    make_due(message_id)
    reconcile.look_up_unknown()
    assert message(message_id).due_at is not None or Status(status(message_id)).final
