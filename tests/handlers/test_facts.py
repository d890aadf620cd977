"""Handlers receive the facts that providers report, also statuses that no endpoint receives."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.db.engine import db
from hub.messaging.send.connection_pause import pause_connection
from hub.models import Connection, PlatformEvent
from tests.endpoints.event_steps import listen, types
from tests.endpoints.receivers import source_named
from tests.handlers.handler_steps import HandlerFile, run_due
from tests.hub_fixtures import (
    ERIC,
    SigningApp,
    attempts,
    deliver,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status_form,
    status_target,
)

EVERYTHING = '@on("*")\ndef every(event): note("every", event)'
INBOUND = "/api/rpc/webhooks/twilio/inbound"


def received(handler_file: HandlerFile) -> list[str]:
    """Run what is due; return the types of the events that the handler got."""
    run_due()
    return sorted(event["type"] for _, event, _ in handler_file.notes)


@pytest.mark.usefixtures("served", "simulator")
def test_every_status_of_an_sms_is_reported_once(
    handler_file: HandlerFile, hub_demo: Flask, connection: Connection
) -> None:
    endpoint_id = listen()
    handler_file.register(EVERYTHING)
    message_id = queue_text()
    deliver()
    provider_id = attempts(message_id)[-1].provider_id or ""
    for status in ("sending", "queued", "accepted", "queued", "sent", "delivered", "undelivered"):
        form = status_form(hub_demo, provider_id, status)
        post_callback(hub_demo, form, target=status_target(message_id))
    process_pending_callbacks()
    got = received(handler_file)
    assert {"sms_accepted", "sms_queued", "sms_sending", "sms_sent", "sms_delivered"} <= {*got}
    assert len(got) == len({*got}), "each fact is reported once"
    for _, event, _ in handler_file.notes:
        assert event["status"] == event["type"].removeprefix("sms_")
        assert (event["message"], event["address"]) == (message_id, ERIC)
        assert event["text"]
    assert not {"sms_accepted", "sms_queued", "sms_sending"} & {*types(endpoint_id)}


@pytest.mark.usefixtures("served", "simulator")
def test_nothing_more_is_stored_without_handlers(
    handler_file: HandlerFile, hub_demo: Flask, connection: Connection
) -> None:
    message_id = queue_text()
    deliver()
    provider_id = attempts(message_id)[-1].provider_id or ""
    for status in ("queued", "sending"):
        form = status_form(hub_demo, provider_id, status)
        post_callback(hub_demo, form, target=status_target(message_id))
    process_pending_callbacks()
    db.session.rollback()
    found = {row.type for row in db.session.query(PlatformEvent)}
    assert not {"sms_accepted", "sms_queued", "sms_sending"} & found


def inbound_form(app: Flask, status: str, **fields: str) -> dict[str, str]:
    form = status_form(app, "SM" + "2" * 32, status, Body="When?", From=ERIC)
    form["To"] = status_form(app, "SM", "x")["From"]
    del form["MessageStatus"]
    form["SmsStatus"] = status
    return {**form, **fields}


@pytest.mark.parametrize(
    "statuses", [("receiving", "received"), ("received", "receiving"), ("receiving",) * 3]
)
def test_message_of_a_contact_is_reported_while_it_is_received(
    handler_file: HandlerFile, hub_demo: Flask, connection: Connection, statuses: tuple[str, ...]
) -> None:
    handler_file.register(EVERYTHING)
    for status in statuses:
        post_callback(hub_demo, inbound_form(hub_demo, status), target=INBOUND)
        process_pending_callbacks()
    assert received(handler_file) == ["sms_received", "sms_receiving"]
    for _, event, _ in handler_file.notes:
        assert (event["text"], event["address"]) == ("When?", ERIC)


def test_broken_connection_is_reported_once_for_all_sources(
    handler_file: HandlerFile, connection: Connection
) -> None:
    for source in ("default", "beta"):
        source_named(source)
        listen(source)
    handler_file.register(EVERYTHING)
    pause_connection(connection.id, "The token is wrong.")
    run_due()
    [(_, event, _)] = handler_file.notes
    assert (event["type"], event["source"], event["test"]) == ("connection_broken", None, True)
    assert event["connection"] == connection.slug


def test_opt_out_is_reported_once(
    handler_file: HandlerFile, signing_app: SigningApp, connection: Connection
) -> None:
    endpoint_id = listen()
    handler_file.register('@on("opted_*")\ndef every(event): note("every", event)')
    body = {"address": ERIC, "channel": "sms", "why": "asked"}
    assert signing_app.post("/suppressions", body).status_code == 201
    run_due()
    [(_, event, _)] = handler_file.notes
    assert (event["type"], event["address"]) == ("opted_out", ERIC)
    assert types(endpoint_id) == ["opted_out"]


def test_erased_person_is_not_passed_to_handlers(
    handler_file: HandlerFile, hub_demo: Flask, connection: Connection
) -> None:
    handler_file.register(EVERYTHING)
    post_callback(hub_demo, inbound_form(hub_demo, "receiving"), target=INBOUND)
    process_pending_callbacks()
    from hub.models import Contact
    from hub.signing import contact_erasure

    contact = db.session.query(Contact).filter_by(address=ERIC).one()
    db.session.rollback()
    contact_erasure.erase_contact(contact.id, reason="asked")
    run_due()
    assert not [event for _, event, _ in handler_file.notes if event["text"] or event["address"]]
