"""Processing receipts: each is applied, retried for a while, or listed with its error."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import process_callbacks
from hub.intake import provider_callbacks as intake_callbacks
from hub.integrations.base import Accepted, WebhookRequest
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib import provider_http
from hub.messaging.send import calls, claims
from hub.models import Connection, PlatformEvent, ProviderCallback
from hub.shared.integration_instances import InstanceCache
from tests.conftest import config_of
from tests.fake_provider import FakeChat
from tests.hub_fixtures import (
    attempts,
    callbacks,
    count,
    deliver,
    event_types,
    eventually,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
    status_words,
)

SID = "SM" + "0" * 32


@pytest.fixture
def sent(connection: Connection) -> str:
    """Return the ID of a message that Twilio accepted as SID."""
    message_id = queue_text()
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    return message_id


def test_callbacks_update_the_message_to_delivered(hub_demo: Flask, sent: str) -> None:
    for reported_status in ("queued", "sent", "delivered"):
        post_callback(
            hub_demo, status_form(hub_demo, SID, reported_status), target=status_target(sent)
        )
    assert process_pending_callbacks() == 3
    assert (status(sent), event_types(sent)) == ("delivered", ["sms_delivered", "sms_sent"])
    assert {(callback.due_at, callback.error, callback.tries) for callback in callbacks()} == {
        (None, "", 1)
    }
    assert process_pending_callbacks() == 0


def test_first_callback_of_a_worker_is_processed(hub_demo: Flask, sent: str) -> None:
    form = status_form(hub_demo, SID, "delivered")
    post_callback(hub_demo, form, target=status_target(sent))
    new_cache = InstanceCache(config_of(hub_demo))  # a worker has yet to read the connection
    hub_demo.extensions["hub.integration_instances"] = new_cache
    process_pending_callbacks()
    assert status(sent) == "delivered"


class LabeledIntegration(WebhookReceiver, FakeChat):
    """An integration that reads a header of its webhooks."""

    name = "labeled"
    stored_headers = ("x-fake-chat-label",)

    def verify(self, request: WebhookRequest) -> None:
        """Accept every request."""


def test_only_headers_that_parsing_needs_are_stored(
    hub_demo: Flask, connection: Connection
) -> None:
    headers = {
        "content-type": "text/plain",
        "x-fake-chat-label": "arrived",
        "authorization": "secret",
    }
    request = WebhookRequest("POST", "https://hub.example/x", "fake_chat", headers, b"hello")
    assert intake_callbacks.store(
        request,
        intake_callbacks.VerificationProof(
            LabeledIntegration({}, provider_http.ProviderHttpClient()), (connection.id,)
        ),
    )
    assert callbacks()[0].request["headers"] == {
        "content-type": "text/plain",
        "x-fake-chat-label": "arrived",
    }


@pytest.mark.parametrize(
    "reported_status", ["queued", "sending", "receiving", "received", "accepted", "flibbertigibbet"]
)
def test_unknown_status_yields_no_platform_event(
    hub_demo: Flask, sent: str, reported_status: str
) -> None:
    post_callback(hub_demo, status_form(hub_demo, SID, reported_status), target=status_target(sent))
    process_pending_callbacks()
    assert (status(sent), count(PlatformEvent), status_words(sent)) == (
        "accepted",
        0,
        [reported_status],
    )
    assert callbacks()[0].due_at is None


@pytest.mark.parametrize("reported_status", ["sent", "delivered", "failed", "undelivered"])
def test_four_statuses_each_yield_their_platform_event(
    hub_demo: Flask, sent: str, reported_status: str
) -> None:
    post_callback(
        hub_demo,
        status_form(hub_demo, SID, reported_status, NumSegments="3"),
        target=status_target(sent),
    )
    process_pending_callbacks()
    assert (status(sent), event_types(sent), message(sent).segments) == (
        reported_status,
        [f"sms_{reported_status}"],
        3,
    )
    event = db.session.query(PlatformEvent).one()
    assert {"MessageSid", "AccountSid", "To", "From", "NumSegments"} <= event.payload.keys()


def test_failure_keeps_its_code_and_reason(hub_demo: Flask, sent: str) -> None:
    post_callback(
        hub_demo,
        status_form(hub_demo, SID, "undelivered", ErrorCode="30003", ErrorMessage="Unreachable"),
        target=status_target(sent),
    )
    process_pending_callbacks()
    assert (status(sent), message(sent).code) == ("undelivered", "30003")
    assert db.session.query(PlatformEvent).one().payload["ErrorMessage"] == "Unreachable"


def test_callback_may_arrive_before_the_response_is_recorded(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = queue_text()
    [claim] = claims.record_and_claim([], {connection.id: 1})
    post_callback(
        hub_demo, status_form(hub_demo, SID, "delivered"), target=status_target(message_id)
    )
    process_pending_callbacks()
    assert (status(message_id), message(message_id).provider_id) == ("delivered", SID)
    claims.record_and_claim([calls.Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    assert (status(message_id), attempts(message_id)[0].outcome) == ("delivered", "accepted")


def test_callback_without_hub_parameters_is_matched_by_the_provider_id(
    hub_demo: Flask, sent: str
) -> None:
    post_callback(hub_demo, status_form(hub_demo, SID, "delivered"))
    process_pending_callbacks()
    assert status(sent) == "delivered"


def test_callback_before_the_provider_id_is_stored_is_applied_later(
    hub_demo: Flask, connection: Connection
) -> None:
    # without our names, before the provider's id is stored
    post_callback(hub_demo, status_form(hub_demo, SID, "delivered"))
    assert process_callbacks.process_batch() == 1
    [row] = callbacks()
    assert row.error
    assert row.due_at is not None
    message_id = queue_text()
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    with time_machine.travel(row.due_at + timedelta(seconds=1)):
        process_pending_callbacks()
    assert status(message_id) == "delivered"
    assert (callbacks()[0].due_at, callbacks()[0].error) == (None, "")


def test_unmatched_callback_is_retried_for_ten_minutes_and_then_listed(hub_demo: Flask) -> None:
    post_callback(
        hub_demo,
        status_form(hub_demo, SID, "delivered"),
        target=status_target("msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"),
    )
    began = now()
    tries = 0
    while (due := callbacks()[0].due_at) is not None:
        assert due < began + timedelta(minutes=12)
        with time_machine.travel(due + timedelta(milliseconds=1), tick=False):
            process_callbacks.process_batch()
        tries += 1
    assert 10 < tries < 30, "often at first, then rarely"
    assert callbacks()[0].error
    assert count(PlatformEvent) == 0


@pytest.mark.parametrize(
    "query",
    [
        "?message=msg_1&attempt=1",
        "?message=&attempt=",
        "?attempt=99999999999999999999",
        "?message=%00&attempt=x",
    ],
)
def test_invalid_parameters_fall_back_to_the_provider_id(
    hub_demo: Flask, sent: str, query: str
) -> None:
    post_callback(
        hub_demo,
        status_form(hub_demo, SID, "delivered"),
        target="/api/rpc/webhooks/twilio/sms" + query,
    )
    process_pending_callbacks()
    assert status(sent) == "delivered"


def test_absurd_attempt_number_matches_no_message(hub_demo: Flask, sent: str) -> None:
    post_callback(
        hub_demo, status_form(hub_demo, SID, "delivered"), target=status_target(sent, 10**25)
    )
    process_pending_callbacks()
    assert status(sent) == "delivered", "found by the provider's id"


@transaction
def damage_callback(callback_id: str) -> None:
    row = db.session.get_one(ProviderCallback, callback_id)
    assert row._request is not None
    row._request = row._request[:-1] + bytes([row._request[-1] ^ 1])


def test_failing_receipt_keeps_its_error_and_does_not_delay_others(
    hub_demo: Flask, sent: str
) -> None:
    for reported_status in ("queued", "sent", "delivered"):
        post_callback(
            hub_demo, status_form(hub_demo, SID, reported_status), target=status_target(sent)
        )
    first = callbacks()[0]
    damage_callback(first.id)
    assert process_callbacks.process_batch() == 3
    assert status(sent) == "delivered"
    bad, *good = callbacks()
    assert {callback.due_at for callback in good} == {None}
    assert "k1" in bad.error, "it names the key"
    assert bad.due_at is not None
    with time_machine.travel(now() + timedelta(minutes=11)):
        process_callbacks.process_batch()
    assert (callbacks()[0].due_at, bool(callbacks()[0].error)) == (None, True)


def test_empty_table_needs_no_processing(hub_demo: Flask) -> None:
    assert not process_callbacks.is_due()
    assert process_callbacks.process_batch() == 0


# ── The whole way round ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("number", "final_status", "events"),
    [
        ("+13175551234", "delivered", ["sms_delivered", "sms_sent"]),
        ("+15005550011", "undelivered", ["sms_sent", "sms_undelivered"]),
        ("+15005550017", "delivered", ["sms_delivered", "sms_sent"]),
        ("+15005550014", "delivered", ["sms_delivered", "sms_sent"]),
        ("+15005550004", "failed", ["sms_failed"]),
    ],
)
def test_scripted_number_has_the_promised_outcome(
    hub_demo: Flask,
    connection: Connection,
    simulator: Any,
    served: Flask,
    number: str,
    final_status: str,
    events: list[str],
) -> None:
    message_id = queue_text(number)
    deliver()
    eventually(
        lambda: (
            process_pending_callbacks() is None
            or (status(message_id) == final_status and event_types(message_id) == events)
        )
    )
    process_pending_callbacks()
    assert (status(message_id), event_types(message_id)) == (final_status, events)


# ── The connection ────────────────────────────────────────────────────────────────────────────────
def test_connection_records_its_last_callback_to_the_minute(
    hub_demo: Flask, connection: Connection, sent: str
) -> None:
    def last_callback_at(status: str) -> Any:
        post_callback(hub_demo, status_form(hub_demo, SID, status), target=status_target(sent))
        process_pending_callbacks()
        db.session.rollback()
        return db.session.get_one(Connection, connection.id).last_callback_at

    assert connection.last_callback_at is None
    first = last_callback_at("queued")
    assert first == callbacks()[0].received_at
    with time_machine.travel(first + timedelta(seconds=50), tick=False):
        assert last_callback_at("sent") == first, (
            "a busy connection's row is not written for each callback"
        )
    with time_machine.travel(first + timedelta(seconds=70), tick=False):
        assert last_callback_at("delivered") == now()
