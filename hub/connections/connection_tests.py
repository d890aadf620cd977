"""Test connections with a harmless call to the provider, outside of any transaction."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub import integrations
from hub.connections import settings_form
from hub.core.errors import DecryptionError, HubError, NotFound
from hub.core.vocabulary import ConnectionState
from hub.db import store
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import CheckResult, ConfigForm
from hub.lib.text import within_sentence
from hub.messaging.send import destinations, provider_health
from hub.models import Connection
from hub.shared import audit, integration_instances


@dataclass(frozen=True)
class ConnectionTestResult:
    """The result of a connection test, its time, and its duration in seconds.

    `unsaved` is True if other settings than the stored ones were tested.
    """

    check: CheckResult
    tested_at: datetime
    duration: float | None
    unsaved: bool
    form: ConfigForm | None = None
    fingerprint: str = ""  # of settings that were entered


@dataclass(frozen=True)
class PassedTest:
    """A test that passed before its settings were saved, so that saving need not repeat it."""

    fingerprint: str
    check: CheckResult
    tested_at: datetime
    duration: float | None


def fingerprint(integration: str, settings: Mapping[str, Any], *, test: bool) -> str:
    """Return a digest of a connection's settings, equal for equal settings."""
    serialized = json.dumps([integration, test, settings], sort_keys=True, default=str)
    return hashlib.sha256(serialized.encode()).hexdigest()


def try_settings(integration: str, test: bool, values: Mapping[str, Any]) -> ConnectionTestResult:
    """Test settings without storing them. Raises InvalidSettings."""
    form = settings_form.read_form(integrations.get(integration), values, {})
    settings = settings_form.get_settings(form)
    check, duration = _call_provider(integration, settings, test)
    return ConnectionTestResult(
        check, now(), duration, True, form, fingerprint(integration, settings, test=test)
    )


def run_test(connection_id: str, values: Mapping[str, Any] | None = None) -> ConnectionTestResult:
    """Test a connection's stored settings, or `values` for it, which are not stored.

    The result is stored if the stored settings were tested. If it passes, a broken connection is
    enabled again. Raises InvalidSettings.
    """
    connection = db.session.get_one(Connection, connection_id)
    integration_class = integrations.get(connection.integration)
    stored, error = readable_settings(connection)
    if values is None:
        if error is not None:
            return ConnectionTestResult(_unreadable_result(error), now(), None, False)
        form = None
        settings = stored
    else:
        form = settings_form.read_form(integration_class, values, stored)
        settings = settings_form.get_settings(form)
    version = connection.settings_version
    integration_name = connection.integration
    is_test = connection.test
    check, duration = _call_provider(integration_name, settings, is_test)
    unsaved = (
        bool(settings_form.changed_fields(stored, settings))
        or not version
        or not _store_result(connection_id, version, check, duration)
    )
    entered_fingerprint = fingerprint(integration_name, settings, test=is_test) if form else ""
    return ConnectionTestResult(check, now(), duration, unsaved, form, entered_fingerprint)


def get_last_result(connection: Connection) -> ConnectionTestResult | None:
    """Return the result of the last test of the stored settings, or None."""
    if connection.checked_version != connection.settings_version or connection.checked_at is None:
        return None
    try:
        stored = dict(connection.check or {})
    except DecryptionError:
        return None
    duration = stored.pop("took", None)
    return ConnectionTestResult(parse_result(stored), connection.checked_at, duration, False)


def readable_settings(connection: Connection) -> tuple[dict[str, Any], DecryptionError | None]:
    """Return the stored settings, or {} and the error if they cannot be decrypted."""
    try:
        return connection.settings_or_none() or {}, None
    except DecryptionError as error:
        return {}, error


def parse_result(stored: Mapping[str, Any]) -> CheckResult:
    """Return a result from its stored form, without unknown fields."""
    field_names = {field.name for field in dataclasses.fields(CheckResult)}
    lists = {name: tuple(stored.get(name, ())) for name in ("steps", "warnings")}
    return CheckResult(**{**{k: v for k, v in stored.items() if k in field_names}, **lists})


def record_pass(connection: Connection, passed: PassedTest) -> None:
    """Store a passed test for the settings that were just stored, inside a transaction."""
    connection.checked_version = connection.settings_version
    connection.checked_at = passed.tested_at
    connection.checked_ok = True
    connection.check = serialize_result(passed.check, passed.duration)
    audit.record("connection.tested", connection.id, connection.title, ok=True, code="")


def serialize_result(check: CheckResult, duration: float | None) -> dict[str, Any]:
    """Return a result in its stored form."""
    return {**dataclasses.asdict(check), "took": duration}


def _call_provider(name: str, settings: Mapping[str, Any], test: bool) -> tuple[CheckResult, float]:
    integration_class = integrations.get(name)
    db.session.rollback()  # no transaction stays open during a call to a provider
    started = time.monotonic()
    try:
        check = integration_instances.instances().create(name, settings, test=test).run_check()
    except NotFound:
        raise
    except HubError as error:
        check = CheckResult(
            False,
            f"Could not reach {within_sentence(integration_class.provider)}.",
            str(error),
            code=str(getattr(error, "code", "")),
        )
    secrets = [
        str(settings[field])
        for field in settings_form.secret_field_names(integration_class)
        if settings.get(field)
    ]
    return _remove_secrets(check, secrets), round(time.monotonic() - started, 3)


def _remove_secrets(check: CheckResult, secrets: list[str]) -> CheckResult:
    """Remove secrets from a provider's response, because some repeat what they received."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "•••")
        return text

    return CheckResult(
        check.ok,
        clean(check.title),
        clean(check.text),
        tuple(map(clean, check.steps)),
        tuple(map(clean, check.warnings)),
        check.field,
        clean(check.code),
        clean(check.response),
    )


def _unreadable_result(error: DecryptionError) -> CheckResult:
    return CheckResult(
        False,
        "The stored settings cannot be read.",
        str(error),
        ("Add the key again, or enter the settings again and save them.",),
        code=error.key_id,
    )


@transaction
def _store_result(connection_id: str, version: int, check: CheckResult, duration: float) -> bool:
    """Store the result of a test, unless the settings changed in the meantime."""
    connection = lock_connection(connection_id)
    if connection.settings_version != version:
        return False
    connection.checked_version = version
    connection.checked_at = now()
    connection.checked_ok = check.ok
    connection.check = serialize_result(check, duration)
    audit.record("connection.tested", connection.id, connection.title, ok=check.ok, code=check.code)
    if check.ok and connection.state == ConnectionState.BROKEN and connection.archived_at is None:
        set_state(connection, ConnectionState.ENABLED)
        store.wake("deliver")
        audit.record("connection.resumed", connection.id, connection.title)
    if check.ok:
        provider_health.probe_now(connection)
        destinations.reopen_destination(connection_id)
    return True


def lock_connection(connection_id: str) -> Connection:
    """Return a connection with its row locked, inside a transaction."""
    return db.session.get_one(
        Connection, connection_id, with_for_update=True, populate_existing=True
    )


def set_state(connection: Connection, state: ConnectionState, reason: str = "") -> None:
    """Set the state of a connection, inside a transaction."""
    connection.state = state.value
    connection.state_reason = reason
    connection.state_at = now()
