"""Testing connections: a harmless call to the provider, made outside of any transaction, and what
it found.
"""

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
from hub.messaging.send import destinations, provider_health
from hub.models import Connection
from hub.shared import audit, integration_instances


@dataclass(frozen=True)
class ConnectionTestResult:
    """The result of a connection test, its time, and its duration in seconds.

    `unsaved`: what was tested is not what is stored.
    """

    check: CheckResult
    at: datetime
    took: float | None
    unsaved: bool
    form: ConfigForm | None = None
    fingerprint: str = ""  # of the settings, where they were typed


@dataclass(frozen=True)
class PassedTest:
    """A test that passed before its settings were saved, so that saving need not repeat it."""

    fingerprint: str
    check: CheckResult
    at: datetime
    took: float | None


def fingerprint(integration: str, settings: Mapping[str, Any], *, test: bool) -> str:
    """Return a digest of the settings of a test or live connection, equal for equal settings."""
    written = json.dumps([integration, test, settings], sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()


def try_settings(integration: str, test: bool, values: Mapping[str, Any]) -> ConnectionTestResult:
    """Test settings of which nothing is stored. Raises Invalid."""
    form = settings_form.read_form(integrations.get(integration), values, {})
    settings = settings_form.settings_of(form)
    check, took = _call(integration, settings, test)
    return ConnectionTestResult(
        check, now(), took, True, form, fingerprint(integration, settings, test=test)
    )


def run_test(connection_id: str, values: Mapping[str, Any] | None = None) -> ConnectionTestResult:
    """Test a connection's stored settings, or others typed for it, which are not stored.

    What is found is kept when the stored settings were tested. A pass sets a broken connection
    going again. Raises Invalid.
    """
    connection = db.session.get_one(Connection, connection_id)
    cls = integrations.get(connection.integration)
    stored, problem = readable_settings(connection)
    if values is None:
        if problem is not None:
            return ConnectionTestResult(_unreadable(problem), now(), None, False)
        form = None
        tested = stored
    else:
        form = settings_form.read_form(cls, values, stored)
        tested = settings_form.settings_of(form)
    version = connection.settings_version
    name = connection.integration
    is_test = connection.test
    check, took = _call(name, tested, is_test)
    unsaved = (
        bool(settings_form.changed_fields(stored, tested))
        or not version
        or not _keep(connection_id, version, check, took)
    )
    typed = fingerprint(name, tested, test=is_test) if form else ""
    return ConnectionTestResult(check, now(), took, unsaved, form, typed)


def last_result(connection: Connection) -> ConnectionTestResult | None:
    """Return what the last test of the stored settings found, or None."""
    if connection.checked_version != connection.settings_version or connection.checked_at is None:
        return None
    try:
        kept = dict(connection.check or {})
    except DecryptionError:
        return None
    took = kept.pop("took", None)
    return ConnectionTestResult(result_of(kept), connection.checked_at, took, False)


def readable_settings(connection: Connection) -> tuple[dict[str, Any], DecryptionError | None]:
    """Return the stored settings, or none and why they do not open."""
    try:
        return connection.settings_or_none() or {}, None
    except DecryptionError as problem:
        return {}, problem


def result_of(kept: Mapping[str, Any]) -> CheckResult:
    """Return a result from the form in which it is stored; what is not known is left out."""
    known = {field.name for field in dataclasses.fields(CheckResult)}
    lists = {name: tuple(kept.get(name, ())) for name in ("steps", "warnings")}
    return CheckResult(**{**{k: v for k, v in kept.items() if k in known}, **lists})


def record_pass(connection: Connection, passed: PassedTest) -> None:
    """Count a test of the settings just stored as theirs, inside a transaction."""
    connection.checked_version = connection.settings_version
    connection.checked_at = passed.at
    connection.checked_ok = True
    connection.check = form_as_tested(passed.check, passed.took)
    audit.record("connection.tested", connection.id, connection.title, ok=True, code="")


def form_as_tested(check: CheckResult, took: float | None) -> dict[str, Any]:
    """Return a result as it is stored."""
    return {**dataclasses.asdict(check), "took": took}


def _call(name: str, settings: Mapping[str, Any], test: bool) -> tuple[CheckResult, float]:
    cls = integrations.get(name)
    db.session.rollback()  # no transaction is open while a provider thinks
    started = time.monotonic()
    try:
        check = integration_instances.instances().make(name, settings, test=test).run_check()
    except NotFound:
        raise
    except HubError as problem:
        check = CheckResult(
            False,
            f"Could not reach {cls.provider}.",
            str(problem),
            code=str(getattr(problem, "code", "")),
        )
    secrets = [
        str(settings[field]) for field in settings_form.secrets_of(cls) if settings.get(field)
    ]
    return _without(check, secrets), round(time.monotonic() - started, 3)


def _without(check: CheckResult, secrets: list[str]) -> CheckResult:
    """Take secrets out of what a provider said: some repeat what they were sent."""

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


def _unreadable(problem: DecryptionError) -> CheckResult:
    return CheckResult(
        False,
        "The stored settings cannot be read.",
        str(problem),
        ("Put the key back, or enter the settings again and save them.",),
        code=problem.key_id,
    )


@transaction
def _keep(connection_id: str, version: int, check: CheckResult, took: float) -> bool:
    """Store what a test of the stored settings found, unless they changed meanwhile."""
    connection = lock_connection(connection_id)
    if connection.settings_version != version:
        return False
    connection.checked_version = version
    connection.checked_at = now()
    connection.checked_ok = check.ok
    connection.check = form_as_tested(check, took)
    audit.record("connection.tested", connection.id, connection.title, ok=check.ok, code=check.code)
    if check.ok and connection.state == ConnectionState.BROKEN and connection.archived_at is None:
        set_state(connection, ConnectionState.ENABLED)
        store.wake("deliver")
        audit.record("connection.resumed", connection.id, connection.title)
    if check.ok:
        provider_health.try_now(connection)
        destinations.reopen_destination(connection_id)
    return True


def lock_connection(connection_id: str) -> Connection:
    """Return a connection, inside a transaction, with its row locked."""
    return db.session.get_one(
        Connection, connection_id, with_for_update=True, populate_existing=True
    )


def set_state(connection: Connection, state: ConnectionState, why: str = "") -> None:
    """Put a connection into a state, inside a transaction."""
    connection.state = state.value
    connection.state_reason = why
    connection.state_at = now()
