"""Webhooks over HTTP: verified, stored and answered, without the hooks of pages."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connections
from hub.db.engine import db
from hub.db.store import transaction
from hub.intake.provider_callbacks import restore_request
from hub.models import Connection, InboundMessage
from tests.conftest import make_app
from tests.hub_fixtures import (
    CALLBACK,
    attempts,
    callbacks,
    copy_connection,
    count,
    credentials,
    deliver,
    json_of,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
)
from tests.webhooks.webhook_steps import SID, add_sent_message


# ── What is answered ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "processed"),
    [
        ("sent", 1),
        ("delivered", 1),
        ("failed", 1),
        ("undelivered", 1),
        ("queued", 0),
        ("sending", 0),
        ("receiving", 0),
        ("received", 0),
        ("accepted", 0),
        ("flibbertigibbet", 0),
        ("", 0),
    ],
)
def test_response_counts_recognized_statuses(hub_demo: Flask, status: str, processed: int) -> None:
    answer = post_callback(hub_demo, status_form(hub_demo, SID, status))
    assert (answer.status_code, json_of(answer)) == (200, {"success": True, "processed": processed})
    assert answer.mimetype == "application/json"
    [row] = callbacks()
    assert (row.subject, row.endpoint, row.scope) == (
        SID,
        "twilio/sms",
        credentials(hub_demo).account_sid,
    )


def test_every_parameter_of_a_callback_is_stored(hub_demo: Flask) -> None:
    form = status_form(
        hub_demo,
        SID,
        "undelivered",
        ErrorCode="30003",
        ErrorMessage="Unreachable",
        NumSegments="2",
        Tomorrow="x",
        Blank="",
    )
    post_callback(
        hub_demo,
        form,
        target=CALLBACK + "?message=msg_1&attempt=1",
        headers={"I-Twilio-Idempotency-Token": "tok"},
    )
    [row] = callbacks()
    request = restore_request(row.request)
    assert request.form == form
    assert request.query == {"message": "msg_1", "attempt": "1"}
    assert row.request["headers"]["i-twilio-idempotency-token"] == "tok"
    assert row.detail == "undelivered:30003"


def test_repeated_callback_is_stored_once(hub_demo: Flask) -> None:
    for token in ("one", "two"):  # Twilio's token is not signed, so it is no key
        answer = post_callback(
            hub_demo,
            status_form(hub_demo, SID, "sent"),
            headers={"I-Twilio-Idempotency-Token": token},
        )
        assert answer.status_code == 200
    assert len(callbacks()) == 1
    post_callback(hub_demo, status_form(hub_demo, SID, "delivered"))
    assert len(callbacks()) == 2


# ── What is refused ───────────────────────────────────────────────────────────────────────────────
def test_unsigned_callback_is_refused(hub_demo: Flask) -> None:
    answer = hub_demo.test_client().post(CALLBACK, data=status_form(hub_demo, SID, "sent"))
    assert answer.status_code == 403
    assert json_of(answer)["success"] is False
    assert callbacks() == []


@pytest.mark.parametrize(
    "form",
    [{}, {"AccountSid": "AC" + "f" * 32}, {"AccountSid": ""}, {"MessageSid": SID}],
)
def test_callback_of_an_unknown_account_is_refused(hub_demo: Flask, form: dict[str, str]) -> None:
    assert post_callback(hub_demo, form, token="whatever").status_code == 403
    assert callbacks() == []


def test_forged_callback_is_refused(hub_demo: Flask) -> None:
    assert (
        post_callback(hub_demo, status_form(hub_demo, SID, "sent"), token="0" * 32).status_code
        == 403
    )
    assert callbacks() == []


def test_connection_without_settings_verifies_no_callback(
    hub_demo: Flask, connection: Connection
) -> None:
    connections.create(connection.integration, "Empty", test=True)
    assert (
        post_callback(hub_demo, {"AccountSid": "", "MessageSid": SID}, token="x").status_code == 403
    )
    assert hub_demo.test_client().post(CALLBACK, data={"MessageSid": SID}).status_code == 403


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"a=%FF%FE", b"&&&&", b"=", b"a" * 5000, b""])
def test_malformed_callback_is_refused_and_not_stored(hub_demo: Flask, junk: bytes) -> None:
    headers = {"X-Twilio-Signature": "L/OH5YylLD5NRKLltdqwSvS0BnU="}
    answer = hub_demo.test_client().post(
        CALLBACK, data=junk, content_type="application/x-www-form-urlencoded", headers=headers
    )
    assert answer.status_code == 403
    assert callbacks() == []


def test_oversized_body_is_refused(hub_demo: Flask) -> None:
    assert (
        post_callback(hub_demo, status_form(hub_demo, SID, "sent", Body="x" * 300_000)).status_code
        == 413
    )
    assert callbacks() == []


def test_head_response_has_no_body(hub_demo: Flask) -> None:
    answer = hub_demo.test_client().head(CALLBACK)
    assert (answer.status_code, answer.headers["Allow"], b"".join(answer.iter_encoded())) == (
        405,
        "POST",
        b"",
    )


# ── When things are down ──────────────────────────────────────────────────────────────────────────
class TestWithoutADatabase:
    """A hub whose database is unreachable."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_DATABASE_URL": "postgresql://hub@127.0.0.1:9/none"}

    def test_callback_is_refused_for_a_retry(self, environ: dict[str, str]) -> None:
        app = make_app(environ)
        answer = post_callback(app, status_form(app, SID, "sent"))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert json_of(answer)["success"] is False

    def test_event_is_refused_for_a_retry(self, environ: dict[str, str]) -> None:
        app = make_app(environ)
        answer = app.test_client().post(
            "/api/v1/events", json={}, headers={"Authorization": "Bearer sp_test_x"}
        )
        assert answer.status_code == 503
        assert answer.mimetype == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0

    def test_health_checks_report_the_database(self, environ: dict[str, str]) -> None:
        client = make_app(environ).test_client()
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503


class TestWithoutAQueue:
    """A hub whose queue server is unreachable."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_REDIS_URL": "redis://127.0.0.1:9/0"}

    def test_callbacks_and_messages_are_accepted(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        message_id = add_sent_message(hub_demo, connection)
        assert (
            post_callback(
                hub_demo, status_form(hub_demo, SID, "delivered"), target=status_target(message_id)
            ).status_code
            == 200
        )
        process_pending_callbacks()
        assert status(message_id) == "delivered"
        assert deliver() == 0
        assert message(message_id).provider_id == SID

    def test_hub_is_degraded_and_ready(self, hub_demo: Flask) -> None:
        answer = hub_demo.test_client().get("/readyz")
        assert (answer.status_code, json_of(answer)["status"], json_of(answer)["queue"]) == (
            200,
            "degraded",
            "unreachable",
        )


def test_callback_signed_by_another_token_does_not_block_the_genuine_one(
    hub_demo: Flask, connection: Connection
) -> None:
    other_connection = copy_connection("Second", like=connection, auth_token="f" * 32)
    assert other_connection
    message_id = queue_text()
    deliver()
    sid = attempts(message_id)[0].provider_id or ""
    form = status_form(hub_demo, sid, "delivered")
    assert (
        post_callback(hub_demo, form, target=status_target(message_id), token="f" * 32).status_code
        == 200
    )
    process_pending_callbacks()
    assert status(message_id) != "delivered"
    assert post_callback(hub_demo, form, target=status_target(message_id)).status_code == 200
    process_pending_callbacks()
    assert status(message_id) == "delivered"
    assert len(callbacks()) == 1


def test_unreadable_settings_ask_the_provider_to_retry(
    hub_demo: Flask, connection: Connection
) -> None:
    @transaction
    def damage_settings() -> None:
        for row in db.session.scalars(
            select(Connection).where(Connection.account == connection.account)
        ):
            assert row._settings is not None
            row._settings = row._settings[:2] + b"zz" + row._settings[4:]
            row.settings_version += 1

    damage_settings()
    answer = post_callback(hub_demo, status_form(hub_demo, SID, "sent"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert callbacks() == []


def test_inbound_message_at_the_status_address_is_stored(hub_demo: Flask) -> None:
    form = {
        **status_form(hub_demo, SID, "received"),
        "Body": "Is this the final version?",
        "NumMedia": "0",
    }
    del form["MessageStatus"]
    assert post_callback(hub_demo, form).text.endswith("<Response></Response>")
    process_pending_callbacks()
    [callback] = callbacks()
    assert (callback.detail, callback.error, callback.due_at) == ("received", "", None)
    assert count(InboundMessage) == 1
