"""Delete what is old: deliveries, missed ones beyond the limit, endpoints, events and secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, select, tuple_, update

from hub.core.config import Config
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, now
from hub.endpoints import endpoints
from hub.lib import times
from hub.models import (
    PlatformEvent,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from hub.models.webhook_endpoint import HANDLER, REMOVED
from hub.shared import clock_check

MAX_MISSED = 10_000  # kept for each endpoint that is off, the newest ones
DELETED_AT_ONCE = 1000
BATCHES = 100  # in one run, which ends even if a damaged row cannot be deleted


def delete_old() -> int:
    """Delete old deliveries, missed ones beyond the limit, deleted endpoints, and ended secrets."""
    removed = sum(_trim_missed(endpoint_id) for endpoint_id in _endpoints_that_are_off())
    removed += sum(_empty(endpoint_id) for endpoint_id in _deleted_endpoints())
    removed += _delete_ended_secrets()
    if clock_check.is_trusted():
        config: Config = current_app.extensions["hub.config"]
        oldest = first_id_at("pev", now() - times.days(config.receipt_days))
        removed += sum(_delete_before(endpoint_id, oldest) for endpoint_id in _all_endpoints())
        removed += _delete_events_before(oldest)
        removed += _delete_removed_handlers(now() - times.days(config.receipt_days))
    return removed


@transaction
def _delete_removed_handlers(before: datetime) -> int:
    """Delete handlers that were removed before a time. Their waiting events are deleted later."""
    result = db.session.execute(
        update(WebhookEndpoint)
        .where(
            WebhookEndpoint.kind == HANDLER,
            WebhookEndpoint.deleted_at.is_(None),
            WebhookEndpoint.state_reason == REMOVED,
            WebhookEndpoint.state_at < before,
        )
        .values(deleted_at=now())
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def _delete_events_before(event_id: str) -> int:
    """Delete old events about no message. Others are deleted with their message."""
    removed = 0
    for _ in range(BATCHES):
        count = _delete_some_events(event_id)
        removed += count
        if count < DELETED_AT_ONCE:
            break
    return removed


@transaction
def _delete_some_events(before: str) -> int:
    old = select(PlatformEvent.id).where(
        PlatformEvent.message_id.is_(None), PlatformEvent.id < before
    )
    ids = _some(old)
    db.session.execute(
        delete(PlatformEvent)
        .where(PlatformEvent.id.in_(ids))
        .execution_options(synchronize_session=False)
    )
    return len(ids)


def _endpoints_that_are_off() -> Sequence[str]:
    query = endpoints.all_query().where(WebhookEndpoint.state == EndpointState.DISABLED)
    return [row.id for row in db.session.scalars(query)]


def _all_endpoints() -> Sequence[str]:
    return [row.id for row in db.session.scalars(endpoints.all_query())]


def _deleted_endpoints() -> Sequence[str]:
    query = select(WebhookEndpoint.id).where(
        WebhookEndpoint.deleted_at < now() - timedelta(hours=1)
    )
    return list(db.session.scalars(query))


def _trim_missed(endpoint_id: str) -> int:
    query = (
        select(WebhookDelivery.event_id)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == DeliveryState.MISSED.value,
        )
        .order_by(WebhookDelivery.event_id.desc())
        .offset(MAX_MISSED)
    )
    return _delete_in_batches(lambda: [(endpoint_id, event) for event in _some(query)])


def _empty(endpoint_id: str) -> int:
    """Delete what a deleted endpoint leaves, and then the endpoint."""
    query = select(WebhookDelivery.event_id).where(WebhookDelivery.endpoint_id == endpoint_id)
    removed = _delete_in_batches(lambda: [(endpoint_id, event) for event in _some(query)])
    is_empty = not _some(query)
    db.session.rollback()
    if is_empty:
        _delete_endpoint(endpoint_id)
    return removed + is_empty


def _delete_before(endpoint_id: str, event_id: str) -> int:
    query = select(WebhookDelivery.event_id).where(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.event_id < event_id,
        WebhookDelivery.due_at.is_(None),
    )
    return _delete_in_batches(lambda: [(endpoint_id, event) for event in _some(query)])


@transaction
def _delete_ended_secrets() -> int:
    ended = delete(WebhookSecret).where(WebhookSecret.expires_at < now())
    result = db.session.execute(ended.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _some(query: Any) -> list[str]:
    return list(db.session.scalars(query.limit(DELETED_AT_ONCE)))


def _delete_in_batches(read_keys: Callable[[], list[tuple[str, str]]]) -> int:
    removed = 0
    for _ in range(BATCHES):
        keys = read_keys()
        db.session.rollback()
        if not keys:
            break
        _delete_deliveries(keys)
        removed += len(keys)
    return removed


@transaction
def _delete_deliveries(keys: Sequence[tuple[str, str]]) -> None:
    for model in (WebhookAttempt, WebhookDelivery):
        db.session.execute(
            delete(model)
            .where(tuple_(model.endpoint_id, model.event_id).in_(keys))
            .execution_options(synchronize_session=False)
        )


@transaction
def _delete_endpoint(endpoint_id: str) -> None:
    for column in (
        WebhookAttempt.endpoint_id,
        WebhookSecret.endpoint_id,
        WebhookEndpoint.id,
    ):
        db.session.execute(
            delete(column.class_)
            .where(column == endpoint_id)
            .execution_options(synchronize_session=False)
        )
