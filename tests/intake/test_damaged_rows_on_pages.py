"""A damaged row affects only its own line of a page or a file."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from hub.connections import demo
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.state import job_failures, unreadable_rows
from tests.conftest import POSTGRES, Browser
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    event_body,
    json_of,
    post_callback,
    process_pending_callbacks,
    queue_text,
    signer_body,
    status_form,
)


def run(statement: str, **values: Any) -> None:
    """Run SQL directly, so that no check of the models applies."""
    db.session.rollback()
    with db.engine.connect() as connection:
        if not POSTGRES:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.execute(text(statement), values)
        connection.commit()
        connection.invalidate()


@pytest.mark.parametrize(
    "column",
    [
        "contacts.name",
        "consents.proof",
        "message_bodies.content",
        "requests.title",
        "signers.signing_url",
    ],
)
def test_personal_data_export_omits_only_damaged_rows(
    hub_demo: Flask, signing_app: SigningApp, admin: Browser, column: str
) -> None:
    table, name = column.split(".")
    consent = {"address": ERIC, "given": True, "proof": "A form"}
    assert signing_app.post("/consents", consent).status_code == 201
    assert (
        signing_app.post("/events", event_body(signers=[signer_body("Eric", ERIC)])).status_code
        == 202
    )
    queue_text(ERIC, "Hello")
    run(f"UPDATE {table} SET {name} = :damaged", damaged=b"damaged")  # noqa: S608 - our own tables
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    answer = admin.get(f"/contacts/{contact.id}/data")
    assert answer.headers["Content-Type"] == "application/json"
    export = json.loads(answer.text)
    assert export["contact"]["address"] == ERIC
    assert len(export["messages"]) == 2
    assert len(export["consents"]) == 1
    assert "unreadable" in answer.text


@pytest.mark.parametrize("column", ["channel", "integration"])
def test_damaged_connection_does_not_prevent_accepting_events(
    hub_demo: Flask, signing_app: SigningApp, column: str
) -> None:
    other_connections = "slug <> 'demo-sms'"
    damage = f"UPDATE connections SET {column} = 'garbage'"  # noqa: S608 - our own table
    run(f"{damage} WHERE {other_connections}")
    answer = signing_app.post("/events", event_body(signers=[signer_body("Eric", ERIC)]))
    assert answer.status_code == 202
    assert [message["channel"] for message in json_of(answer)["messages"]] == ["sms"]


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL stores nothing but JSON there")
@pytest.mark.parametrize("damaged", ["garbage", "[1]", "7", "", b"\xff", 2**62])
def test_activity_is_shown_despite_a_damaged_detail(
    app: Flask, admin: Browser, damaged: Any
) -> None:
    with app.app_context():
        run(
            "UPDATE audit_entries SET detail = :damaged"
            " WHERE id = (SELECT max(id) FROM audit_entries)",
            damaged=damaged,
        )
    page = admin.get("/activity")
    assert page.status_code == 200
    assert "cannot be read" in page.text


def test_readyz_reports_a_chore_that_fails_each_round(hub_demo: Flask) -> None:
    right = hub_demo.extensions["hub.config"]
    hub_demo.extensions["hub.config"] = replace(right, body_days="thirty")
    chores.run_chores(ShutdownSignal(20))
    ready = json_of(hub_demo.test_client().get("/readyz"))
    assert ready["status"] == "degraded"
    assert ready["jobs"].startswith("chores.retention.apply_retention failed (TypeError)")
    hub_demo.extensions["hub.config"] = right
    chores.run_chores(ShutdownSignal(20))
    assert job_failures.recent_failures() == {}


@pytest.mark.parametrize("table", ["template_mappings", "provider_templates"])
@pytest.mark.parametrize("damaged", ["garbage", "[1]", "7", ""])
def test_damaged_template_variables_stop_neither_pages_nor_events(
    hub_demo: Flask,
    simulator: Any,
    signing_app: SigningApp,
    admin: Browser,
    table: str,
    damaged: str,
) -> None:
    demo.learn_templates()
    run(f"UPDATE {table} SET variables = :damaged", damaged=damaged)  # noqa: S608 - our own tables
    for page in ("/", "/templates"):
        assert admin.get(page).status_code == 200
    signer = signer_body("Eric", ERIC, preference=["whatsapp"])
    assert signing_app.post("/events", event_body(signers=[signer])).status_code == 202


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL stores no such id")
@pytest.mark.parametrize(
    "damaged", ["4611686018427387905", "CAST(x'66ff6f' AS TEXT)", "'garbage'", "x''", "-7", "0.5"]
)
def test_inbox_lists_other_conversations_beside_a_damaged_one(
    hub_demo: Flask, served: Flask, simulator: Any, admin: Browser, damaged: Any
) -> None:
    for n, number in enumerate((ERIC, ANNA, "+13175550199")):
        form = status_form(hub_demo, f"SM{n:032x}", "received", Body=f"Hello {n}", From=number)
        form["To"] = status_form(hub_demo, "SM", "x")["From"]
        form.pop("MessageStatus")
        assert (
            post_callback(hub_demo, form, target="/api/rpc/webhooks/twilio/inbound").status_code
            == 200
        )
    process_pending_callbacks()
    run(
        "UPDATE conversations SET connection_id = :damaged "
        "WHERE id = (SELECT max(id) FROM conversations)",
        damaged=b"?" * 16,
    )
    oldest = "(SELECT min(id) FROM conversations)"
    run(f"UPDATE conversations SET id = {damaged} WHERE id = {oldest}")  # noqa: S608
    page = admin.get("/inbox")
    assert page.status_code == 200
    assert "Hello 0" in page.text
    assert "Hello 1" in page.text
    db.session.rollback()
    assert len(unreadable_rows.list_rows()) == 1


@pytest.mark.skipif(bool(POSTGRES), reason="there the foreign key holds")
def test_messages_are_listed_beside_one_of_a_damaged_connection(
    hub_demo: Flask, admin: Browser
) -> None:
    damaged = queue_text(ERIC, "The damaged one")
    queue_text(ERIC, "The other one")
    run(
        "UPDATE messages SET connection_id = :connection, status = 'failed', code = '30003'"
        " WHERE id = :id",
        connection=b"?" * 16,
        id=uuid.UUID(damaged.partition("_")[2]).bytes,
    )
    page = admin.get("/messages")
    assert page.status_code == 200
    assert "The other one" in page.text
