"""Templates that providers keep, fetched: by hand, and once a day; a mapped one that may not be
sent any more is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Select, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from hub import integrations
from hub.core.errors import HubError, NotFound
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.integrations.base import TemplateInfo
from hub.messaging.compose.provider_templates import APPROVED, fits
from hub.models import Connection, ProviderTemplate, TemplateMapping
from hub.shared import audit, integration_instances

log = structlog.get_logger(__name__)

GONE = "gone"
EVERY = timedelta(days=1)
AGAIN = timedelta(hours=1)  # between two fetches; and after one that did not succeed


def sync_templates(connection_id: str) -> int:
    """Fetch what a connection's provider keeps, and return how many templates that is.

    Raises SendError when it does not answer.
    """
    connection = db.session.get(Connection, connection_id) if is_id("con", connection_id) else None
    if connection is None:
        raise NotFound("no_such_connection", "This connection does not exist.")
    integration = integration_instances.instance(connection)
    db.session.rollback()  # no transaction is open while the provider thinks
    found = integration.fetch_templates()
    store_templates(connection_id, found)
    _postpone(connection_id, EVERY)
    return len(found)


def sync_due() -> int:
    """Fetch the templates of enabled connections that nobody has fetched for a day; return of how
    many.
    """
    done = 0
    for connection_id in db.session.scalars(_late()).all():
        try:
            # first: what raises is not tried every minute, and two crons do not both ask
            _postpone(connection_id, AGAIN)
            sync_templates(connection_id)
            done += 1
        except (HubError, SQLAlchemyError) as problem:
            db.session.rollback()
            log.warning(
                "templates.not_fetched", connection=connection_id, problem=type(problem).__name__
            )
    return done


def is_due() -> bool:
    """Tell whether templates of some connection are to be fetched: one that was just enabled, say.

    Reads only.
    """
    return db.session.scalar(_late().limit(1)) is not None


def _late() -> Select[str]:
    keepers = [
        name for name, cls in integrations.registry().items() if cls.supports("fetch_templates")
    ]
    return select(Connection.id).where(
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
        Connection.integration.in_(keepers),
        or_(Connection.templates_due_at.is_(None), Connection.templates_due_at <= now()),
    )


@transaction
def _postpone(connection_id: str, pause: timedelta) -> None:
    db.session.execute(
        update(Connection)
        .where(Connection.id == connection_id)
        .values(templates_due_at=now() + pause)
    )


def mark_removed() -> list[tuple[ProviderTemplate, Connection]]:
    """Return the mapped templates that are not sent any more, with their connections: not approved,
    or with other variables.
    """
    found = db.session.execute(
        select(ProviderTemplate, Connection, TemplateMapping)
        .join(Connection, Connection.id == ProviderTemplate.connection_id)
        .join(TemplateMapping, TemplateMapping.provider_template_id == ProviderTemplate.id)
        .where(Connection.archived_at.is_(None))
        .order_by(ProviderTemplate.name, ProviderTemplate.id)
    )
    bad = {
        template.id: (template, connection)
        for template, connection, mapping in found
        if template.state != APPROVED or not fits(mapping.variables, template.variables)
    }
    return list(bad.values())


@transaction
def store_templates(connection_id: str, found: Sequence[TemplateInfo]) -> None:
    """Write down a provider's templates; a mapped one that may not be sent any more is told in the
    audit trail.
    """
    db.session.execute(
        select(Connection.id).where(Connection.id == connection_id).with_for_update()
    )  # one fetch writes at a time
    known = {
        one.external_id: one
        for one in db.session.scalars(
            select(ProviderTemplate).where(ProviderTemplate.connection_id == connection_id)
        )
    }
    mapped = set(
        db.session.scalars(
            select(TemplateMapping.provider_template_id).where(
                TemplateMapping.connection_id == connection_id
            )
        )
    )
    seen = {one.id: one for one in found}
    for external_id, fresh in seen.items():
        row = known.get(external_id)
        if row is None:
            row = ProviderTemplate(
                connection_id=connection_id, external_id=external_id, state=fresh.state
            )
            db.session.add(row)
        _tell_lost(row, fresh.state, fresh.reason, mapped)
        row.name = fresh.name
        row.locale = fresh.locale
        row.category = fresh.category
        row.kind = fresh.kind
        row.state = fresh.state
        row.reason = fresh.reason
        row.text = fresh.text
        row.synced_at = now()
        row.variables = json.dumps(dict(fresh.variables))
    for external_id, row in known.items():
        if external_id not in seen:
            _tell_lost(row, GONE, "", mapped)
            row.state = GONE
            row.synced_at = now()


def _tell_lost(row: ProviderTemplate, state: str, reason: str, mapped: set[str]) -> None:
    if row.id in mapped and row.state == APPROVED and state != APPROVED:
        audit.record("template.lost", row.id, row.name, state=state, why=reason)
