"""List handlers with their results, enable and disable them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from hub.core.errors import NotFound
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints import deliveries, endpoints, health
from hub.endpoints.handler_subscriptions import forget_subscriptions
from hub.handlers.registration import BY_ADMIN, details_of
from hub.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from hub.models.webhook_endpoint import HANDLER, REMOVED
from hub.shared import audit

FAILING_AFTER = timedelta(hours=1)  # a shorter failure is not worth a person's attention


@dataclass(frozen=True)
class HandlerSummary:
    """A handler for display. `counts`: its events by state."""

    row: WebhookEndpoint
    details: Mapping[str, str]
    counts: Mapping[str, int]
    last_success: datetime | None
    next_attempt: datetime | None
    problem: str  # of the last attempt that failed, of an event that is not delivered yet

    @property
    def module(self) -> str:
        return self.row.description.partition(":")[0]

    @property
    def function(self) -> str:
        return self.row.description.partition(":")[2]

    @property
    def is_enabled(self) -> bool:
        return self.row.state == EndpointState.ENABLED

    @property
    def word(self) -> str:
        """The state in a word: working, failing, waiting, removed or disabled."""
        if self.row.state_reason == REMOVED:
            return "removed"
        if self.row.state != EndpointState.ENABLED:
            return "disabled"
        if self.row.failing_since is not None or self.details.get("problem"):
            return "failing"
        return "working" if self.last_success else "new"

    @property
    def pending(self) -> int:
        return self.counts.get(DeliveryState.PENDING, 0)

    @property
    def failed(self) -> int:
        return self.counts.get(DeliveryState.FAILED, 0)

    @property
    def unfinished(self) -> int:
        """The events that can be retried or skipped."""
        return self.pending + self.failed + self.counts.get(DeliveryState.MISSED, 0)


def list_handlers() -> list[HandlerSummary]:
    """Return all handlers, those with unfinished or failed events first."""
    query = (
        select(WebhookEndpoint)
        .where(WebhookEndpoint.kind == HANDLER, WebhookEndpoint.deleted_at.is_(None))
        .order_by(WebhookEndpoint.description)
    )
    rows = db.session.scalars(query).all()
    counts = _count_by_state([row.id for row in rows])
    summaries = [_summarize(row, counts[row.id]) for row in rows]
    return sorted(summaries, key=lambda one: one.word not in ("failing", "removed"))


def find_handler(handler_id: str) -> WebhookEndpoint:
    """Return a handler; raise NotFound."""
    try:
        row = endpoints.find_any(handler_id)
    except NotFound:
        row = None
    if row is None or row.kind != HANDLER:
        raise NotFound("no_such_handler", "This handler does not exist.")
    return row


def summarize(handler_id: str) -> HandlerSummary:
    """Return a handler with its results; raise NotFound."""
    row = find_handler(handler_id)
    return _summarize(row, _count_by_state([row.id])[row.id])


def list_failing() -> list[WebhookEndpoint]:
    """Return the enabled handlers whose last calls failed, for an hour at least."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.kind == HANDLER,
        WebhookEndpoint.deleted_at.is_(None),
        WebhookEndpoint.state == EndpointState.ENABLED,
        WebhookEndpoint.failing_since < now() - FAILING_AFTER,
    )
    return list(db.session.scalars(query.order_by(WebhookEndpoint.description)))


def count_unfinished() -> tuple[int, int]:
    """Return how many events of all handlers wait, and how many failed permanently."""
    handlers = select(WebhookEndpoint.id).where(
        WebhookEndpoint.kind == HANDLER, WebhookEndpoint.deleted_at.is_(None)
    )
    counts = _count_by_state(list(db.session.scalars(handlers)))
    waiting = sum(states.get(DeliveryState.PENDING, 0) for states in counts.values())
    failed = sum(states.get(DeliveryState.FAILED, 0) for states in counts.values())
    return waiting, failed


@transaction
def disable_handler(handler_id: str) -> None:
    """Switch a handler off. Events are kept as missed meanwhile; raise NotFound."""
    health.disable(find_handler(handler_id).id, BY_ADMIN)
    forget_subscriptions()


@transaction
def enable_handler(handler_id: str) -> None:
    """Enable a handler. Missed events run only if someone retries them; raise NotFound."""
    row = find_handler(handler_id)
    if row.state == EndpointState.ENABLED or row.state_reason == REMOVED:
        return
    row.state = EndpointState.ENABLED.value
    row.state_reason = ""
    row.state_at = now()
    row.failing_since = None
    audit.record("handler.enabled", row.id, row.description)
    forget_subscriptions()


def _summarize(row: WebhookEndpoint, counts: Mapping[str, int]) -> HandlerSummary:
    return HandlerSummary(
        row,
        details_of(row),
        counts,
        _last_success(row.id),
        deliveries.next_attempt(row.id),
        _last_problem(row.id),
    )


def _count_by_state(handler_ids: list[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    if handler_ids:
        query = (
            select(WebhookDelivery.endpoint_id, WebhookDelivery.state, func.count())
            .where(WebhookDelivery.endpoint_id.in_(handler_ids))
            .group_by(WebhookDelivery.endpoint_id, WebhookDelivery.state)
        )
        for handler_id, state, count in db.session.execute(query):
            counts[handler_id][state] = count
    return counts


def _last_success(handler_id: str) -> datetime | None:
    """Return when the newest event that ran to its end did so."""
    query = select(WebhookDelivery.changed_at).where(
        WebhookDelivery.endpoint_id == handler_id,
        WebhookDelivery.state == DeliveryState.DELIVERED,
    )
    return db.session.scalar(query.order_by(WebhookDelivery.event_id.desc()).limit(1))


def _last_problem(handler_id: str) -> str:
    """Return the problem of the newest event that did not run to its end."""
    for state in (DeliveryState.PENDING, DeliveryState.FAILED):
        query = (
            select(WebhookAttempt.problem)
            .join(
                WebhookDelivery,
                (WebhookDelivery.endpoint_id == WebhookAttempt.endpoint_id)
                & (WebhookDelivery.event_id == WebhookAttempt.event_id),
            )
            .where(
                WebhookDelivery.endpoint_id == handler_id,
                WebhookDelivery.state == state,
                WebhookAttempt.problem != "",
            )
            .order_by(WebhookDelivery.event_id.desc(), WebhookAttempt.number.desc())
            .limit(1)
        )
        if problem := db.session.scalar(query):
            return problem
    return ""
