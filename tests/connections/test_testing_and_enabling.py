"""Connections are tested at the provider, enabled, and marked as broken when a test fails."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from sqlalchemy import select

from hub import integrations
from hub.connections import connection_tests, connections
from hub.connections.connection_tests import set_state
from hub.connections.connections import ConnectionNotTested
from hub.connections.settings_form import InvalidSettings
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import AuditEntry, Connection
from tests.connections.connection_steps import NAME, OTHER_TOKEN, add_connection, load_connection
from tests.connections.connection_steps import values as values
from tests.hub_fixtures import queue_text
from tests.hub_fixtures import update_message as change_message


@transaction
def set_connection_state(connection_id: str, state: ConnectionState, reason: str = "") -> None:
    set_state(db.session.get_one(Connection, connection_id), state, reason)


def list_actions(connection_id: str) -> list[str]:
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.subject == connection_id).order_by(AuditEntry.id)
    )
    return [action.removeprefix("connection.") for action in actions]


# ── Testing and enabling ──────────────────────────────────────────────────────────────────────────
def test_passing_test_of_the_stored_settings_allows_enabling(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection(values)
    tested = connection_tests.run_test(connection_id)
    assert tested.check.ok, tested.check
    assert not tested.unsaved
    assert load_connection(connection_id).ready
    connections.enable(connection_id)
    assert load_connection(connection_id).enabled


def test_enabling_runs_a_missing_test_and_is_refused_if_it_fails(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection({**values, "auth_token": OTHER_TOKEN})
    with pytest.raises(ConnectionNotTested, match="Twilio rejected the Auth Token") as refusal:
        connections.enable(connection_id)
    assert refusal.value.field == "auth_token"
    assert load_connection(connection_id).state == ConnectionState.NEW
    connections.save(connection_id, values)
    connections.enable(connection_id)
    assert load_connection(connection_id).enabled


def test_changed_settings_must_be_tested_again(values: dict[str, Any], simulator: Any) -> None:
    connection_id = add_connection(values)
    assert connection_tests.run_test(connection_id).check.ok
    connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    assert not load_connection(connection_id).ready
    with pytest.raises(ConnectionNotTested):
        connections.enable(connection_id)


def test_of_entered_settings_stores_neither_settings_nor_result(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection({**values, "auth_token": OTHER_TOKEN})
    tested = connection_tests.run_test(connection_id, values)
    assert tested.check.ok
    assert tested.unsaved
    connection = load_connection(connection_id)
    assert (connection.settings["auth_token"], connection.checked_version) == (OTHER_TOKEN, None)


def test_of_entered_settings_uses_the_stored_secret_for_a_blank_one(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection(values)
    tested = connection_tests.run_test(connection_id, {**values, "auth_token": ""})
    assert (tested.check.ok, tested.unsaved) == (True, False)
    assert load_connection(connection_id).ready
    with pytest.raises(InvalidSettings):
        connection_tests.run_test(
            connection_id, {**values, "auth_token": "", "account_sid": "AC" + "f" * 32}
        )


def test_unreachable_provider_is_reported_in_plain_words(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)  # and no simulator runs
    check = connection_tests.run_test(connection_id).check
    assert not check.ok
    assert "Could not reach" in check.title
    assert "connection refused" in check.text


def test_result_contains_no_secret(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    cls = integrations.get(NAME)

    def repeat_secrets(self: Any) -> connection_tests.CheckResult:
        return connection_tests.CheckResult(
            False, f"No {self.settings['auth_token']}", response=str(self.settings)
        )

    monkeypatch.setattr(cls, "check", repeat_secrets)
    tested = connection_tests.run_test(add_connection(values))
    assert values["auth_token"] not in str(tested.check)
    assert values["account_sid"] in tested.check.response


def test_no_transaction_is_open_during_the_test_at_the_provider(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_transactions = []
    connection_id = add_connection(values)

    def record_transaction_state(self: Any) -> connection_tests.CheckResult:
        open_transactions.append(db.session().in_transaction())
        return connection_tests.CheckResult(True, "Fine.")

    monkeypatch.setattr(integrations.get(NAME), "check", record_transaction_state)
    connection_tests.run_test(connection_id)
    connections.enable(connection_id)
    assert open_transactions == [False]


def test_broken_connection_resumes_and_sends_waiting_messages_after_a_passing_test(
    values: dict[str, Any], simulator: Any, queue_url: str
) -> None:
    connection_id = add_connection(values)
    set_connection_state(connection_id, ConnectionState.BROKEN, "Twilio rejected the Auth Token.")
    with redis.Redis.from_url(queue_url) as queue:
        queue.flushall()
        connection_tests.run_test(connection_id)
        assert queue.exists("wake:deliver")
    connection = load_connection(connection_id)
    assert (connection.enabled, connection.state_reason) == (True, "")
    assert list_actions(connection_id)[-2:] == ["tested", "resumed"]


def test_new_secret_of_an_enabled_connection_is_tested_at_once(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection(values)
    connections.enable(connection_id)
    saved = connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    assert saved.tested is not None
    connection = load_connection(connection_id)
    assert (connection.state, connection.state_reason) == (
        ConnectionState.BROKEN,
        "Twilio rejected the Auth Token.",
    )
    mended = connections.save(connection_id, values)
    assert mended.tested is not None
    assert mended.tested.check.ok
    assert load_connection(connection_id).enabled


@pytest.mark.parametrize(
    ("state", "changed", "deserted"),
    [
        ("accepted", {"account_sid": "AC" + "f" * 32}, True),
        ("unknown", {"account_sid": "AC" + "f" * 32}, True),
        ("delivered", {"account_sid": "AC" + "f" * 32}, False),
        ("accepted", {"sender": "+13175550199"}, False),
    ],
)
def test_changing_the_account_leaves_pending_messages_without_status(
    values: dict[str, Any], simulator: Any, state: str, changed: dict[str, str], deserted: bool
) -> None:
    connection_id = add_connection(values)
    connections.enable(connection_id)
    message_id = queue_text(channel="", connection_slug=load_connection(connection_id).slug)
    change_message(message_id, status=state, due_at=None if state == "delivered" else now())
    assert connections.save(connection_id, {**values, **changed}).former_account_in_use == deserted


def test_changed_sender_keeps_the_connection_enabled_and_untested(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection(values)
    connections.enable(connection_id)
    saved = connections.save(connection_id, {**values, "auth_token": "", "sender": "+13175550199"})
    assert saved.tested is None
    connection = load_connection(connection_id)
    assert (connection.enabled, connection.ready) == (True, False)


def test_broken_connection_is_not_enabled_by_an_old_test(
    values: dict[str, Any], simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection_id = add_connection(values)
    connection_tests.run_test(connection_id)
    set_connection_state(connection_id, ConnectionState.BROKEN, "why ever")
    monkeypatch.setattr(
        integrations.get(NAME), "check", lambda _: connection_tests.CheckResult(False, "Still not.")
    )
    with pytest.raises(ConnectionNotTested, match="Still not"):
        connections.enable(connection_id)
    assert load_connection(connection_id).state == ConnectionState.BROKEN


def test_disabled_connection_is_enabled_by_its_last_test(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection(values)
    connections.enable(connection_id)
    connections.disable(connection_id)
    assert load_connection(connection_id).state == ConnectionState.DISABLED
    assert not connections.needs_test(load_connection(connection_id))
    connections.enable(connection_id)
    assert list_actions(connection_id) == [
        "added",
        "saved",
        "tested",
        "enabled",
        "disabled",
        "enabled",
    ]
