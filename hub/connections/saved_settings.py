"""Store the settings of a connection, with the columns that are derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.connections import connection_tests, settings_form
from hub.connections.connection_tests import PassedTest, fingerprint, readable_settings
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Message
from hub.shared import audit
from hub.signing import team_subscriptions

IN_PROGRESS = (Status.SENDING, Status.UNKNOWN, Status.ACCEPTED, Status.SENT)


@dataclass(frozen=True)
class StoredSettings:
    """Stored settings: their version, or None if nothing changed, and what follows from them."""

    version: int | None = None
    must_test: bool = False
    former_account_in_use: bool = False


def store(
    connection: Connection, values: Mapping[str, Any], passed: PassedTest | None = None
) -> StoredSettings:
    """Store settings of a locked connection, inside a transaction. Raises InvalidSettings.

    `passed` is a test of exactly these settings, so that it does not have to be repeated.
    """
    integration_class = integrations.get(connection.integration)
    before, unreadable = readable_settings(connection)
    after = settings_form.get_settings(settings_form.read_form(integration_class, values, before))
    fields = settings_form.changed_fields(before, after)
    is_stored = connection.settings_version and unreadable is None
    if not fields and is_stored and not _is_destination_outdated(connection, after):
        return StoredSettings()
    has_other_account = integration_class.account_of(after) != connection.account
    has_other_secret = any(
        name in fields for name in settings_form.secret_field_names(integration_class)
    )
    stored = StoredSettings(
        connection.settings_version + 1,
        must_test=(has_other_account or has_other_secret)
        and connection.state in (ConnectionState.ENABLED, ConnectionState.BROKEN),
        former_account_in_use=has_other_account and _has_messages_in_progress(connection),
    )
    if fields == ["per_second"] and connection.ready:
        connection.checked_version = stored.version  # the sending rate needs no test
    _write_settings(connection, before, after)
    if passed is not None and passed.fingerprint == fingerprint(
        integration_class.name, after, test=connection.test
    ):
        connection_tests.record_pass(connection, passed)
    team_subscriptions.subscribe_new(connection)
    if unreadable is not None:
        unreadable_rows.recheck(Connection.__tablename__, connection.id)
    # only the names, never the values
    audit.record("connection.saved", connection.id, connection.title, fields=fields)
    return stored


def _is_destination_outdated(connection: Connection, settings: Mapping[str, Any]) -> bool:
    """Return whether a new version of the integration writes destinations in another form."""
    integration_class = integrations.get(connection.integration)
    if integration_class.supports("invite"):
        return False
    return connection.destination != integration_class.destination_of(settings)


def _write_settings(
    connection: Connection, before: Mapping[str, Any], after: dict[str, Any]
) -> None:
    """Write a new version of the settings, and the columns that are derived from them."""
    integration_class = integrations.get(connection.integration)
    account = integration_class.account_of(after)
    destination = integration_class.destination_of(after)
    # otherwise keep a destination that a link or the provider has changed
    if (
        _is_destination_outdated(connection, after)
        or destination != integration_class.destination_of(before)
        or account != connection.account
    ):
        connection.destination = destination
    connection.settings = after
    connection.settings_version = connection.settings_version + 1
    connection.account = account
    connection.sender = integration_class.senders_of(after).default
    connection.per_second = after.get("per_second") or None


def _has_messages_in_progress(connection: Connection) -> bool:
    """Return whether a provider may still report on messages of the connection's account."""
    if not connection.account:
        return False
    rows = select(Message.id).where(
        Message.connection_id == connection.id,
        Message.status.in_(IN_PROGRESS),
        Message.due_at.is_not(None),
    )
    return db.session.scalar(rows.limit(1)) is not None
