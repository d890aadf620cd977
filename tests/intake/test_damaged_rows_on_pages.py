"""A damaged row spoils its own line of a page or a file, and no other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from hub.extensions import db
from hub.jobs import chores
from hub.messaging import job_failures
from hub.messaging.contacts import contact_for
from hub.stopping import Stopping
from hub.vocabulary import Address
from tests.conftest import POSTGRES, Browser
from tests.stage import ERIC, SigningApp, a_message, a_signer, an_event, body


def run(statement: str, **values: Any) -> None:
    """Change the database past everything that checks it."""
    db.session.rollback()
    with db.engine.begin() as connection:
        connection.execute(text(statement), values)


@pytest.mark.parametrize("column", ["contacts.name", "consents.proof", "bodies.content", "requests.title", "signers.signing_url"])
def test_the_file_of_a_person_holds_all_but_what_is_damaged(
    hub_demo: Flask, signing_app: SigningApp, admin: Browser, column: str
) -> None:
    table, name = column.split(".")
    consent = {"address": ERIC, "given": True, "proof": "A form"}
    assert signing_app.post("/consents", consent).status_code == 201
    assert signing_app.post("/events", an_event(signers=[a_signer("Eric", ERIC)])).status_code == 202
    a_message(ERIC, "Hello")
    run(f"UPDATE {table} SET {name} = :damaged", damaged=b"damaged")  # noqa: S608 - our own tables
    contact = contact_for(Address.PHONE, ERIC, test=True)
    answer = admin.get(f"/contacts/{contact.id}/data")
    assert answer.headers["Content-Type"] == "application/json"
    found = json.loads(answer.text)
    assert found["contact"]["address"] == ERIC
    assert len(found["messages"]) == 2
    assert len(found["consents"]) == 1
    assert "unreadable" in answer.text


@pytest.mark.parametrize("column", ["channel", "integration"])
def test_a_damaged_connection_keeps_no_event_from_being_accepted(
    hub_demo: Flask, signing_app: SigningApp, column: str
) -> None:
    run(f"UPDATE connections SET {column} = 'garbage' WHERE slug <> 'demo-sms'")  # noqa: S608 - our own table
    answer = signing_app.post("/events", an_event(signers=[a_signer("Eric", ERIC)]))
    assert answer.status_code == 202
    assert [one["channel"] for one in body(answer)["messages"]] == ["sms"]


@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL stores nothing but JSON there")
@pytest.mark.parametrize("damaged", ["garbage", "[1]", "7", "", b"\xff", 2**62])
def test_the_activity_is_shown_though_the_detail_of_a_change_is_damaged(
    app: Flask, admin: Browser, damaged: Any
) -> None:
    with app.app_context():
        run("UPDATE audit SET detail = :damaged WHERE id = (SELECT max(id) FROM audit)", damaged=damaged)
    page = admin.get("/activity")
    assert page.status_code == 200
    assert "cannot be read" in page.text


def test_readyz_reports_a_chore_that_fails_each_round(hub_demo: Flask) -> None:
    right = hub_demo.extensions["hub.config"]
    hub_demo.extensions["hub.config"] = replace(right, body_days="thirty")
    chores.each(Stopping(20))
    ready = body(hub_demo.test_client().get("/readyz"))
    assert ready["status"] == "degraded"
    assert ready["jobs"].startswith("chores.retention.run fails (TypeError)")
    hub_demo.extensions["hub.config"] = right
    chores.each(Stopping(20))
    assert job_failures.recent() == {}
