"""Fetch the templates of providers, on demand and once a day.

A mapped template that may no longer be sent is recorded in the activity.
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
from hub.messaging.compose.provider_templates import APPROVED, fills_all_variables
from hub.models import Connection, ProviderTemplate, TemplateMapping
from hub.shared import audit, integration_instances

log = structlog.get_logger(__name__)

GONE = "gone"
EVERY = timedelta(days=1)
RETRY_AFTER = timedelta(hours=1)  # after a failed fetch


def sync_templates(connection_id: str) -> int:
    """Fetch the templates of a connection's provider; return how many there are.

    Raises NotFound, and SendError if the provider cannot be reached.
    """
    connection = db.session.get(Connection, connection_id) if is_id("con", connection_id) else None
    if connection is None:
        raise NotFound("no_such_connection", "This connection does not exist.")
    integration = integration_instances.instance(connection)
    db.session.rollback()  # no transaction is open during a call
    templates = integration.fetch_templates()
    store_templates(connection_id, templates)
    _postpone(connection_id, EVERY)
    return len(templates)


def sync_due() -> int:
    """Fetch the due templates of enabled connections; return the number of connections."""
    count = 0
    for connection_id in db.session.scalars(_due_connections()).all():
        try:
            # first, so that a failing one waits and two cron processes do not both fetch
            _postpone(connection_id, RETRY_AFTER)
            sync_templates(connection_id)
            count += 1
        except (HubError, SQLAlchemyError) as error:
            db.session.rollback()
            log.warning(
                "templates.fetch_failed", connection=connection_id, problem=type(error).__name__
            )
    return count


def is_due() -> bool:
    """Return whether the templates of a connection are due. Reads only."""
    return db.session.scalar(_due_connections().limit(1)) is not None


def _due_connections() -> Select[str]:
    names = [
        name
        for name, integration_class in integrations.registry().items()
        if integration_class.supports("fetch_templates")
    ]
    return select(Connection.id).where(
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
        Connection.integration.in_(names),
        or_(Connection.templates_due_at.is_(None), Connection.templates_due_at <= now()),
    )


@transaction
def _postpone(connection_id: str, pause: timedelta) -> None:
    db.session.execute(
        update(Connection)
        .where(Connection.id == connection_id)
        .values(templates_due_at=now() + pause)
    )


def unsendable_templates() -> list[tuple[ProviderTemplate, Connection]]:
    """Return mapped templates that can no longer be sent, with their connections.

    They are no longer approved, or have other variables than the mapping.
    """
    rows = db.session.execute(
        select(ProviderTemplate, Connection, TemplateMapping)
        .join(Connection, Connection.id == ProviderTemplate.connection_id)
        .join(TemplateMapping, TemplateMapping.provider_template_id == ProviderTemplate.id)
        .where(Connection.archived_at.is_(None))
        .order_by(ProviderTemplate.name, ProviderTemplate.id)
    )
    unsendable = {
        template.id: (template, connection)
        for template, connection, mapping in rows
        if template.state != APPROVED
        or not fills_all_variables(mapping.variables, template.variables)
    }
    return list(unsendable.values())


@transaction
def store_templates(connection_id: str, fetched: Sequence[TemplateInfo]) -> None:
    """Store fetched templates; record mapped ones that may no longer be sent in the activity."""
    db.session.execute(
        select(Connection.id).where(Connection.id == connection_id).with_for_update()
    )  # one fetch writes at a time
    stored = {
        row.external_id: row
        for row in db.session.scalars(
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
    fetched_by_id = {template.id: template for template in fetched}
    for external_id, template in fetched_by_id.items():
        row = stored.get(external_id)
        if row is None:
            row = ProviderTemplate(
                connection_id=connection_id, external_id=external_id, state=template.state
            )
            db.session.add(row)
        _audit_loss(row, template.state, template.reason, mapped)
        row.name = template.name
        row.locale = template.locale
        row.category = template.category
        row.kind = template.kind
        row.state = template.state
        row.reason = template.reason
        row.text = template.text
        row.synced_at = now()
        row.variables = json.dumps(dict(template.variables))
    for external_id, row in stored.items():
        if external_id not in fetched_by_id:
            _audit_loss(row, GONE, "", mapped)
            row.state = GONE
            row.synced_at = now()


def _audit_loss(row: ProviderTemplate, state: str, reason: str, mapped: set[str]) -> None:
    if row.id in mapped and row.state == APPROVED and state != APPROVED:
        audit.record("template.lost", row.id, row.name, state=state, why=reason)
