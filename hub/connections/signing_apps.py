"""The source that a signing app belongs to, and the webhooks of it that could not be processed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal_column, select

from hub import integrations
from hub.accounts import sources
from hub.connections.connection_tests import lock_connection
from hub.core.errors import Conflict
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection, ProviderCallback
from hub.shared import audit

COUNT_TO = 1000  # larger numbers are shown as 1,000


@dataclass(frozen=True)
class WebhookFailures:
    """The webhooks of a signing app whose events were not accepted."""

    waiting_count: int  # those that are retried
    failed_count: int  # those that are not
    reason: str  # of the newest one
    next_attempt: datetime | None


def find_source(slug: str) -> str:
    """Return the ID of a source by its slug, by default the default source. Raises NotFound."""
    return sources.get_source(slug or sources.DEFAULT).id


@transaction
def set_source(connection_id: str, source: str) -> None:
    """Assign later events of a signing app to another source, by its slug.

    Raises NotFound, or Conflict for a connection that sends messages.
    """
    connection = lock_connection(connection_id)
    if connection.source_id is None or connection.archived_at is not None:
        raise Conflict(
            "no_source", f"{connection.title} is not a signing app that is in use.", field="source"
        )
    source_id = find_source(source)
    if source_id != connection.source_id:
        connection.source_id = source_id
        audit.record("connection.source_set", connection.id, connection.title, source=source)


def has_phone_numbers(source_id: str) -> bool:
    """Return whether the events of a source can name mobile numbers.

    False if a signing app that knows none belongs to the source.
    """
    names = db.session.scalars(
        select(Connection.integration).where(Connection.source_id == source_id).distinct()
    )
    known = integrations.registry()
    return all(getattr(known.get(name), "has_phone_numbers", True) for name in names)


def find_failures(connection_id: str) -> WebhookFailures | None:
    """Return the webhooks of a connection that could not be processed, or None without any."""
    # the condition is written as that of the index
    failed = (
        ProviderCallback.connection_id == connection_id,
        ProviderCallback.error != literal_column("''"),
    )
    rows = select(ProviderCallback.fetch_at).where(*failed).limit(COUNT_TO).subquery()
    total, waiting, next_attempt = db.session.execute(
        select(func.count(), func.count(rows.c.fetch_at), func.min(rows.c.fetch_at))
    ).one()
    if not total:
        return None
    newest = select(ProviderCallback.error).where(*failed).order_by(ProviderCallback.id.desc())
    reason = db.session.scalar(newest.limit(1)) or ""
    return WebhookFailures(waiting, total - waiting, reason, next_attempt)
