"""An unreadable row is set aside with its error, shown to admins, and used after its repair."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from hub import jobs
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send.dispatcher import Dispatcher
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Consent
from tests.conftest import POSTGRES, Browser
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    deliver,
    json_of,
    message,
    process_pending_callbacks,
    queue_text,
    status,
    update_message,
)

DAMAGED = "infinity" if POSTGRES else 2**62


def execute(statement: str, **values: Any) -> None:
    """Execute SQL past all checks."""
    db.session.rollback()
    with db.engine.begin() as connection:
        if POSTGRES:
            statement = statement.replace(":moment", "CAST(:moment AS timestamptz)")
        connection.execute(text(statement), values)


@transaction
def repair() -> None:
    for row in db.session.query(Consent):
        row.at = now()


@pytest.fixture
def damaged(hub_demo: Flask, signing_app: SigningApp) -> str:
    """Return a message to a person whose consent has a time that Python cannot represent."""
    assert signing_app.post("/consents", {"address": ERIC, "given": True}).status_code == 201
    message_id = queue_text(ERIC)
    execute("UPDATE consents SET at = :moment", moment=DAMAGED)
    return message_id


def test_unreadable_message_is_set_aside_and_others_are_sent(
    simulator: Any, damaged: str, admin: Browser
) -> None:
    other_message = queue_text(ANNA)
    deliver()
    assert status(other_message) in ("accepted", "sent", "delivered")
    quarantined = message(damaged)
    assert (quarantined.status, quarantined.code, quarantined.due_at) == (
        "queued",
        "unreadable",
        None,
    )
    [entry] = unreadable_rows.list_rows()
    assert (entry.table_name, entry.row_id) == ("messages", damaged)
    assert entry.error == "consents.at contains a value that cannot be read."
    assert "1 database row cannot be read" in admin.get("/").text
    assert entry.error in admin.get("/unreadable-rows").text
    assert entry.error in admin.get(f"/messages/{damaged}").text
    assert admin.get(f"/contacts/{quarantined.contact_id}").status_code == 200


def test_repaired_message_is_sent_when_an_admin_resends_it(
    simulator: Any, damaged: str, admin: Browser
) -> None:
    deliver()
    [entry] = unreadable_rows.list_rows()
    unreadable_rows.retry_row(entry.id)
    deliver()
    assert status(damaged) == "queued", "it cannot be read yet"
    repair()
    [entry] = unreadable_rows.list_rows()
    unreadable_rows.retry_row(entry.id)
    deliver()
    assert status(damaged) in ("accepted", "sent", "delivered")
    assert unreadable_rows.list_rows() == []
    assert "cannot be read" not in admin.get("/").text


def test_repaired_message_is_sent_automatically(simulator: Any, damaged: str) -> None:
    deliver()
    repair()
    execute(
        "UPDATE quarantined_rows SET retry_at = :moment",
        moment="2020-01-01T00:00:00Z" if POSTGRES else 0,
    )
    assert unreadable_rows.retry_rows() == 1
    deliver()
    assert status(damaged) in ("accepted", "sent", "delivered")
    assert unreadable_rows.delete_resolved() == 1


def test_message_that_no_worker_finds_is_found(hub_demo: Flask, simulator: Any) -> None:
    unreachable_message = queue_text(ERIC)
    execute("UPDATE messages SET due_at = :moment", moment=DAMAGED)
    deliver()
    assert status(unreachable_message) == "queued"
    unreadable_rows.retry_rows()
    [entry] = unreadable_rows.list_rows()
    assert (entry.row_id, entry.error) == (
        unreachable_message,
        "messages.due_at contains a value that cannot be read.",
    )
    unreadable_rows.retry_row(entry.id)
    deliver()
    assert status(unreachable_message) in ("accepted", "sent", "delivered")


def test_unreadable_rules_stop_only_their_connection(
    hub_demo: Flask, simulator: Any, admin: Browser, connection: Connection
) -> None:
    waiting = queue_text(ERIC)
    execute("UPDATE connections SET rules = 'not json' WHERE slug = 'demo-sms'")
    deliver()
    assert status(waiting) == "queued"
    db.session.rollback()
    assert db.session.get_one(Connection, connection.id).state == "broken"
    assert "rules of this connection cannot be read" in admin.get("/").text
    assert admin.get("/connections/demo-sms/rules").status_code == 200


def test_repeated_webhook_replaces_one_with_a_damaged_body(
    hub_demo: Flask, served: Flask, simulator: Any
) -> None:
    from tests.hub_fixtures import callbacks, post_callback, status_form, status_target

    sent = queue_text(ERIC)
    deliver()
    form = status_form(hub_demo, message(sent).provider_id or "", "delivered")
    assert post_callback(hub_demo, form, target=status_target(sent)).status_code == 200
    execute("UPDATE provider_callbacks SET request = :damaged", damaged=b"damaged")
    assert post_callback(hub_demo, form, target=status_target(sent)).status_code == 200
    process_pending_callbacks()
    assert status(sent) == "delivered"
    assert all(callback.error == "" for callback in callbacks() if "delivered" in callback.detail)


def test_readyz_reports_a_job_that_fails_until_it_works(hub_demo: Flask, simulator: Any) -> None:
    queue_text(ERIC)
    client = hub_demo.test_client()

    def dispatch(stopping: ShutdownSignal) -> int:
        return Dispatcher(stopping).run(linger=0)

    execute("ALTER TABLE throttles RENAME TO elsewhere")
    with pytest.raises(Exception, match="throttles"):
        jobs._run_recorded("deliver", dispatch)
    execute("ALTER TABLE elsewhere RENAME TO throttles")
    ready = json_of(client.get("/readyz"))
    assert ready["status"] == "degraded"
    assert ready["jobs"].startswith("sending failed (")
    db.session.rollback()
    jobs._run_recorded("deliver", dispatch)
    assert json_of(client.get("/readyz"))["jobs"] == "ok"


def test_outcome_is_recorded_despite_a_damaged_throttle(
    hub_demo: Flask, simulator: Any, connection: Connection
) -> None:
    execute("UPDATE connections SET per_second = 100 WHERE slug = 'demo-sms'")
    first = queue_text(ERIC)
    deliver()
    execute("UPDATE throttles SET ready_at = :moment, refilled_at = :moment", moment=DAMAGED)
    second = queue_text(ANNA)
    deliver()
    assert {status(first), status(second)} <= {"accepted", "sent", "delivered"}


def test_message_with_an_unknown_status_is_shown(hub_demo: Flask, admin: Browser) -> None:
    odd = queue_text(ERIC)
    update_message(odd, status="elsewhere")
    unreadable_rows.retry_rows()
    assert [entry.row_id for entry in unreadable_rows.list_rows()] == [odd]
    assert admin.get(f"/messages/{odd}").status_code == 200
    assert admin.get("/messages").status_code == 200
