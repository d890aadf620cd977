"""Create, save, enable, rename and archive connections."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import func, select

from hub import integrations
from hub.connections import connection_tests, saved_settings, settings_form, signing_apps
from hub.connections.connection_tests import (
    ConnectionTestResult,
    PassedTest,
    lock_connection,
    set_state,
)
from hub.connections.saved_settings import StoredSettings
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import ConnectionState, Status
from hub.db import store
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.send import connection_pause, destinations
from hub.models import Connection, Message, Route, RouteStep
from hub.shared import audit

MAX_TITLE_LENGTH = 80
MAX_SLUG_LENGTH = 48
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
COUNT_TO = 1000  # larger numbers are shown as 1,000


class ConnectionNotTested(Refused):
    """A connection is not enabled because its test failed. `tested` is the result."""

    def __init__(self, tested: ConnectionTestResult) -> None:
        self.tested = tested
        super().__init__(
            "check_failed",
            f"The connection was not enabled because the test failed. {tested.check.title}",
            field=tested.check.field,
        )


@dataclass(frozen=True)
class SaveResult:
    """The result of saving: whether settings changed, and the test that was needed.

    `former_account_in_use` is True if messages are in progress in the connection's former account.
    """

    has_changed: bool
    tested: ConnectionTestResult | None = None
    former_account_in_use: bool = False


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def get_by_slug(slug: str) -> Connection:
    """Return a connection. Raises NotFound."""
    connection = db.session.scalar(select(Connection).where(Connection.slug == slug))
    if connection is None:
        raise NotFound(
            "unknown_connection", f"There is no connection {quoted(slug)}.", field="connection"
        )
    return connection


def list_connections(integration: str | None = None) -> list[Connection]:
    """Return the connections that are not archived, oldest first."""
    query = select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.id)
    return list(
        db.session.scalars(
            query.where(Connection.integration == integration) if integration else query
        )
    )


def count_waiting(connection_id: str) -> int:
    """Count the messages that wait for a connection, up to COUNT_TO."""
    rows = select(Message.id).where(
        Message.connection_id == connection_id,
        Message.status == Status.QUEUED,
        Message.due_at.is_not(None),
        Message.stop_reason.is_(None),
    )
    return db.session.scalar(select(func.count()).select_from(rows.limit(COUNT_TO).subquery())) or 0


def describe_routes_using(connection_id: str) -> list[str]:
    """Return descriptions of the routes with a step for this connection."""
    routes = db.session.execute(
        select(Route.event_type, Route.audience)
        .join(RouteStep)
        .where(RouteStep.connection_id == connection_id, Route.replaced_at.is_(None))
        .distinct()
    )
    return [f"{event_type} to {audience}" for event_type, audience in routes]


# ── Setting up ────────────────────────────────────────────────────────────────────────────────────
@transaction
def create(integration: str, title: str, test: bool, source: str = "") -> str:
    """Create a connection without settings and return its ID. `source`: that of a signing app."""
    integration_class = integrations.get(integration)
    clean_title = _clean_title(title)
    if test and not current_app.extensions["hub.config"].demo:
        raise Refused(
            "test_needs_demo",
            "Test connections use the simulator, which runs only in a demo (HUB_DEMO=1).",
            field="test",
        )
    connection = Connection(
        integration=integration_class.name,
        slug=_find_unused_slug(_slugify(clean_title) or _slugify(integration_class.name)),
        title=clean_title,
        channel=integration_class.channel.value,
        source_id=signing_apps.find_source(source) if integration_class.is_source else None,
        test=test,
    )
    db.session.add(connection)
    db.session.flush()
    audit.record(
        "connection.added",
        connection.id,
        clean_title,
        integration=integration_class.name,
        test=test,
    )
    return connection.id


@transaction
def add(
    integration: str,
    title: str,
    test: bool,
    values: Mapping[str, Any],
    passed: PassedTest | None = None,
    source: str = "",
) -> str:
    """Create a connection with its settings and return its ID.

    `source`: see `create`. `passed` is a test of exactly these settings, so that it does not have
    to be repeated. Raises InvalidSettings; then nothing is stored.
    """
    settings_form.read_form(integrations.get(integration), values, {})
    connection_id = create(integration, title, test, source)
    _store(connection_id, values, passed)
    return connection_id


def save(
    connection_id: str, values: Mapping[str, Any], passed: PassedTest | None = None
) -> SaveResult:
    """Store settings, even if the provider rejects them.

    `passed` is a test of exactly these settings, so that it does not have to be repeated. An
    enabled or broken connection is tested if its account or a secret changed, and is broken if that
    fails. Raises InvalidSettings.
    """
    stored = _store(connection_id, values, passed)
    is_new = stored.version is not None
    if not stored.must_test:
        return SaveResult(is_new, former_account_in_use=stored.former_account_in_use)
    tested = connection_tests.run_test(connection_id)
    if not tested.check.ok:
        _mark_broken(connection_id, stored.version or 0, tested.check.title)
    return SaveResult(is_new, tested, stored.former_account_in_use)


@transaction
def _store(
    connection_id: str, values: Mapping[str, Any], passed: PassedTest | None = None
) -> StoredSettings:
    connection = _require_not_archived(lock_connection(connection_id))
    return saved_settings.store(connection, values, passed)


@transaction
def _mark_broken(connection_id: str, version: int, reason: str) -> None:
    connection = lock_connection(connection_id)
    if connection.settings_version == version and connection.state == ConnectionState.ENABLED:
        set_state(connection, ConnectionState.BROKEN, reason)
        audit.record("connection.broke", connection.id, connection.title, why=reason)
        connection_pause.report_broken_connection(connection)


# ── On and off ────────────────────────────────────────────────────────────────────────────────────
def enable(connection_id: str) -> None:
    """Enable a connection after a passing test of its current settings.

    Raises ConnectionNotTested or Conflict.
    """
    connection = _require_not_archived(db.session.get_one(Connection, connection_id))
    if not connection.settings_version:
        raise Conflict(
            "no_settings",
            "There are no settings yet. Save the settings, test them, then enable the connection.",
        )
    if needs_test(connection):
        tested = connection_tests.run_test(connection_id)
        if not tested.check.ok:
            raise ConnectionNotTested(tested)
    _enable(connection_id)


def needs_test(connection: Connection) -> bool:
    """Return whether enabling needs a test: for new settings, a broken connection or a
    paused one.
    """
    is_unproven = (
        not connection.ready
        or connection.state == ConnectionState.BROKEN
        or connection.id in destinations.find_pauses([connection.id])
    )
    return not connection.enabled and is_unproven


@transaction
def _enable(connection_id: str) -> None:
    connection = _require_not_archived(lock_connection(connection_id))
    if connection.enabled:
        return
    if not connection.ready:
        raise Conflict(
            "changed_meanwhile",
            "Another user has changed the settings. Test them, then enable the connection.",
        )
    set_state(connection, ConnectionState.ENABLED)
    store.wake("deliver")
    audit.record("connection.enabled", connection.id, connection.title)


@transaction
def disable(connection_id: str) -> None:
    """Stop a connection from sending. Its waiting messages stay."""
    connection = lock_connection(connection_id)
    if connection.state in (ConnectionState.ENABLED, ConnectionState.BROKEN):
        set_state(connection, ConnectionState.DISABLED)
        audit.record("connection.disabled", connection.id, connection.title)


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────
@transaction
def rename(connection_id: str, title: str, slug: str = "") -> None:
    """Change a connection's title, and its slug if one is given. Programs that use the slug must
    follow.
    """
    connection = _require_not_archived(lock_connection(connection_id))
    clean_title = _clean_title(title)
    slug = slug.strip() or connection.slug
    if not SLUG.fullmatch(slug) or len(slug) > MAX_SLUG_LENGTH:
        raise Refused(
            "bad_slug",
            "Use lowercase letters, digits and single dashes, such as acme-us.",
            field="slug",
        )
    if slug != connection.slug and _is_slug_used(slug):
        raise Conflict(
            "slug_taken",
            f"Another connection has the name {slug}. Choose another name.",
            field="slug",
        )
    if (clean_title, slug) != (connection.title, connection.slug):
        audit.record(
            "connection.renamed", connection.id, clean_title, before=connection.title, slug=slug
        )
        connection.title = clean_title
        connection.slug = slug


@transaction
def archive(connection_id: str) -> None:
    """Archive a connection permanently.

    Callbacks about its messages are still verified. Its slug can be used again.
    """
    connection = lock_connection(connection_id)
    if connection.archived_at is not None:
        return
    if connection.state != ConnectionState.NEW:
        set_state(connection, ConnectionState.DISABLED)
    connection.archived_at = now()
    connection.slug = _find_unused_slug(f"{connection.slug[: MAX_SLUG_LENGTH - 9]}-archived")
    audit.record("connection.archived", connection.id, connection.title)


@transaction
def record_test_message(connection_id: str, message_id: str) -> None:
    """Record a message that was sent from a connection's page as a trial."""
    connection = db.session.get_one(Connection, connection_id)
    audit.record("connection.tried", connection.id, connection.title, message=message_id)


def _require_not_archived(connection: Connection) -> Connection:
    if connection.archived_at is not None:
        raise Conflict(
            "archived",
            f"{connection.title} is archived and cannot be changed. Add another connection"
            " instead.",
        )
    return connection


def _clean_title(title: str) -> str:
    cleaned = " ".join(title.split())
    if not cleaned or len(cleaned) > MAX_TITLE_LENGTH:
        raise Refused(
            "bad_title",
            f"Enter a name of at most {MAX_TITLE_LENGTH} characters, such as Acme US.",
            field="title",
        )
    return cleaned


def _slugify(title: str) -> str:
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_title).strip("-")[: MAX_SLUG_LENGTH - 4].strip("-")


def _is_slug_used(slug: str) -> bool:
    return db.session.scalar(select(Connection.id).where(Connection.slug == slug)) is not None


def _find_unused_slug(preferred: str) -> str:
    slug = preferred
    number = 1
    while _is_slug_used(slug):
        number += 1
        slug = f"{preferred}-{number}"
    return slug
