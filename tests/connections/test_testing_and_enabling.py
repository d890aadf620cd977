"""Connections are tested against the provider, enabled, and broken when a test fails."""

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
from tests.connections.connection_steps import NAME, OTHER_TOKEN, add, row
from tests.connections.connection_steps import values as values
from tests.hub_fixtures import queue_text
from tests.hub_fixtures import update_message as change_message


@transaction
def put(connection_id: str, state: ConnectionState, why: str = "") -> None:
    set_state(db.session.get_one(Connection, connection_id), state, why)


def actions(connection_id: str) -> list[str]:
    found = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.subject == connection_id).order_by(AuditEntry.id)
    )
    return [action.removeprefix("connection.") for action in found]


# ── Testing and enabling ──────────────────────────────────────────────────────────────────────────
def test_a_passing_test_of_the_stored_settings_lets_the_connection_be_enabled(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    tested = connection_tests.run_test(connection_id)
    assert tested.check.ok, tested.check
    assert not tested.unsaved
    assert row(connection_id).ready
    connections.enable(connection_id)
    assert row(connection_id).enabled


def test_enabling_runs_the_test_that_is_missing_and_is_refused_when_it_fails(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add({**values, "auth_token": OTHER_TOKEN})
    with pytest.raises(ConnectionNotTested, match="Twilio rejected the Auth Token") as refusal:
        connections.enable(connection_id)
    assert refusal.value.field == "auth_token"
    assert row(connection_id).state == ConnectionState.NEW
    connections.save(connection_id, values)
    connections.enable(connection_id)
    assert row(connection_id).enabled


def test_other_settings_than_those_tested_have_to_be_tested_again(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    assert connection_tests.run_test(connection_id).check.ok
    connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    assert not row(connection_id).ready
    with pytest.raises(ConnectionNotTested):
        connections.enable(connection_id)


def test_testing_typed_settings_stores_neither_them_nor_the_result(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add({**values, "auth_token": OTHER_TOKEN})
    tested = connection_tests.run_test(connection_id, values)
    assert tested.check.ok
    assert tested.unsaved
    one = row(connection_id)
    assert (one.settings["auth_token"], one.checked_version) == (OTHER_TOKEN, None)


def test_a_typed_test_uses_the_stored_secret_for_a_blank_one(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    tested = connection_tests.run_test(connection_id, {**values, "auth_token": ""})
    assert (tested.check.ok, tested.unsaved) == (True, False)
    assert row(connection_id).ready
    with pytest.raises(InvalidSettings):
        connection_tests.run_test(
            connection_id, {**values, "auth_token": "", "account_sid": "AC" + "f" * 32}
        )


def test_a_provider_that_cannot_be_reached_is_told_in_words(values: dict[str, Any]) -> None:
    connection_id = add(values)  # and no simulator runs
    check = connection_tests.run_test(connection_id).check
    assert not check.ok
    assert "Could not reach" in check.title
    assert "connection refused" in check.text


def test_a_result_repeats_no_secret(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = integrations.get(NAME)

    def tells_all(self: Any) -> connection_tests.CheckResult:
        return connection_tests.CheckResult(
            False, f"No {self.settings['auth_token']}", response=str(self.settings)
        )

    monkeypatch.setattr(cls, "check", tells_all)
    tested = connection_tests.run_test(add(values))
    assert values["auth_token"] not in str(tested.check)
    assert values["account_sid"] in tested.check.response


def test_no_transaction_is_open_while_the_provider_thinks(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    connection_id = add(values)

    def looks(self: Any) -> connection_tests.CheckResult:
        seen.append(db.session().in_transaction())
        return connection_tests.CheckResult(True, "Fine.")

    monkeypatch.setattr(integrations.get(NAME), "check", looks)
    connection_tests.run_test(connection_id)
    connections.enable(connection_id)
    assert seen == [False]


def test_a_broken_connection_goes_on_when_a_test_passes_and_what_waits_is_woken(
    values: dict[str, Any], simulator: Any, queue_url: str
) -> None:
    connection_id = add(values)
    put(connection_id, ConnectionState.BROKEN, "Twilio rejected the Auth Token.")
    with redis.Redis.from_url(queue_url) as queue:
        queue.flushall()
        connection_tests.run_test(connection_id)
        assert queue.exists("wake:deliver")
    one = row(connection_id)
    assert (one.enabled, one.state_reason) == (True, "")
    assert actions(connection_id)[-2:] == ["tested", "resumed"]


def test_a_new_secret_of_a_sending_connection_is_tested_at_once_and_breaks_it_when_refused(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    saved = connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    assert saved.tested is not None
    one = row(connection_id)
    assert (one.state, one.state_reason) == (
        ConnectionState.BROKEN,
        "Twilio rejected the Auth Token.",
    )
    mended = connections.save(connection_id, values)
    assert mended.tested is not None
    assert mended.tested.check.ok
    assert row(connection_id).enabled


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
    connection_id = add(values)
    connections.enable(connection_id)
    message_id = queue_text(channel="", connection_slug=row(connection_id).slug)
    change_message(message_id, status=state, due_at=None if state == "delivered" else now())
    assert connections.save(connection_id, {**values, **changed}).deserted == deserted


def test_another_sender_keeps_a_connection_sending_untested(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    saved = connections.save(connection_id, {**values, "auth_token": "", "sender": "+13175550199"})
    assert saved.tested is None
    one = row(connection_id)
    assert (one.enabled, one.ready) == (True, False)


def test_a_broken_connection_is_not_enabled_on_an_old_test(
    values: dict[str, Any], simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection_id = add(values)
    connection_tests.run_test(connection_id)
    put(connection_id, ConnectionState.BROKEN, "why ever")
    monkeypatch.setattr(
        integrations.get(NAME), "check", lambda _: connection_tests.CheckResult(False, "Still not.")
    )
    with pytest.raises(ConnectionNotTested, match="Still not"):
        connections.enable(connection_id)
    assert row(connection_id).state == ConnectionState.BROKEN


def test_a_disabled_connection_is_enabled_on_its_last_test(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    connections.disable(connection_id)
    assert row(connection_id).state == ConnectionState.DISABLED
    assert not connections.needs_test(row(connection_id))
    connections.enable(connection_id)
    assert actions(connection_id) == ["added", "saved", "tested", "enabled", "disabled", "enabled"]
