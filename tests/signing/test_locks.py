"""Transactions on PostgreSQL wait for each other's row locks in one order."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection, Message
from hub.signing import accept, signing_batch
from hub.signing.events import EventIn
from tests.conftest import POSTGRES
from tests.hub_fixtures import (
    attempts,
    deliver,
    event_body,
    event_types,
    post_callback,
    process_pending_callbacks,
    signer_body,
    source_id,
    status_form,
    status_target,
)


@pytest.mark.skipif(not POSTGRES, reason="on SQLite one writes at a time")
def test_locked_request_does_not_delay_a_callback(
    simulator: object, hub_demo: Flask, connection: Connection
) -> None:
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    deliver()
    sent = db.session.scalars(select(Message)).one()
    message_id = sent.id
    request_id = sent.request_id or ""
    form = status_form(hub_demo, attempts(message_id)[0].provider_id or "", "delivered")
    assert post_callback(hub_demo, form, target=status_target(message_id)).status_code == 200
    event = threading.Event()
    settled = threading.Event()

    @transaction
    def hold_request() -> None:
        assert signing_batch.get_request(request_id)
        event.set()
        settled.wait(10)

    def run() -> None:
        with hub_demo.app_context():
            hold_request()

    holder = threading.Thread(target=run)
    holder.start()
    try:
        assert event.wait(5)
        process_pending_callbacks()
        assert holder.is_alive(), "the report names the request, and waited for its lock"
        assert "sms_delivered" in event_types(message_id)
    finally:
        settled.set()
        holder.join()
