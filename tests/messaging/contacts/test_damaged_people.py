"""A damaged row about a person blocks messages to that person only, until it is repaired."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from hub.db.engine import db
from hub.messaging.state import unreadable_rows
from tests.conftest import POSTGRES
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    deliver,
    event_body,
    json_of,
    message,
    queue_text,
    signer_body,
    status,
)

HUGE: Any = "infinity" if POSTGRES else 2**62
SENT = ("accepted", "sent", "delivered")
only_sqlite = pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL stores no such value")


def damage_column(column: str, value: Any) -> None:
    """Write a value with SQL, so that no check of the models applies."""
    table, name = column.split(".")
    db.session.rollback()
    with db.engine.connect() as connection:
        kind = "CAST(:value AS timestamptz)" if POSTGRES and value == "infinity" else ":value"
        if not POSTGRES:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        statement = f"UPDATE {table} SET {name} = {kind}"  # noqa: S608 - our own tables
        connection.execute(text(statement), {"value": value})
        connection.commit()
        connection.invalidate()


OPT_OUTS = [
    ("suppressions.lifted_at", HUGE),
    ("suppressions.channel", "garbage"),
    pytest.param("suppressions.lifted_at", "garbage", marks=only_sqlite),
    pytest.param("suppressions.lifted_at", -(2**60), marks=only_sqlite),
    pytest.param("suppressions.lifted_at", b"", marks=only_sqlite),
    pytest.param("suppressions.test", "garbage", marks=only_sqlite),
    pytest.param("suppressions.test", 7, marks=only_sqlite),
    pytest.param("suppressions.sender", b"\xff", marks=only_sqlite),
    pytest.param("suppressions.source_id", "garbage", marks=only_sqlite),
    pytest.param("suppressions.reason", b"\xff", marks=only_sqlite),
]


@pytest.mark.parametrize(("column", "value"), OPT_OUTS)
def test_damaged_opt_out_still_blocks_its_address(
    hub_demo: Flask, simulator: Any, signing_app: SigningApp, column: str, value: Any
) -> None:
    assert signing_app.post("/suppressions", {"address": ERIC}).status_code == 201
    damage_column(column, value)
    damaged = queue_text(ERIC)
    other_message = queue_text(ANNA)
    deliver()
    assert status(other_message) in SENT
    assert (status(damaged), message(damaged).code) == ("queued", "unreadable")
    [entry] = unreadable_rows.list_rows()
    assert entry.error == f"{column} contains a value that cannot be read."


PEOPLE = [
    ("consents.at", HUGE),
    ("consents.channel", "garbage"),
    ("contacts.name", b"damaged"),
    ("contacts.erased_at", HUGE),
    pytest.param("consents.given", "garbage", marks=only_sqlite),
    pytest.param("contacts.test", "garbage", marks=only_sqlite),
    pytest.param("contacts.erased_at", "garbage", marks=only_sqlite),
    pytest.param("contacts.time_zone", b"\xff", marks=only_sqlite),
]


@pytest.mark.parametrize(("column", "value"), PEOPLE)
def test_event_reaches_the_other_signers(
    hub_demo: Flask, simulator: Any, signing_app: SigningApp, column: str, value: Any
) -> None:
    consent = {"address": ERIC, "given": True, "channel": "sms"}
    assert signing_app.post("/consents", consent).status_code == 201
    damage_column(column, value)
    signers = [signer_body("Eric", ERIC), signer_body("Anna", ANNA)]
    answer = signing_app.post("/events", event_body(signers=signers))
    assert answer.status_code == 202
    sent = {
        message["signer"]: message["id"]
        for message in json_of(answer)["messages"]
        if message["signer"]
    }
    deliver()
    assert status(sent["anna"]) in SENT
    if column.startswith("consents"):
        assert status(sent["eric"]) == "queued"
        assert [entry.row_id for entry in unreadable_rows.list_rows()] == [sent["eric"]]
    # the app can still record the person's objection
    assert signing_app.post("/suppressions", {"address": ERIC}).status_code == 201
    assert signing_app.post("/consents", {**consent, "given": False}).status_code == 201
