"""Retry and skip the events of a handler: one, or all that did not run to their end."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exists, select, update

from hub.core.errors import Conflict
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.db.types import now
from hub.endpoints import deliveries
from hub.endpoints.platform_events import QUEUE
from hub.handlers.handler_list import find_handler
from hub.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from hub.shared import audit

UNFINISHED = (DeliveryState.PENDING.value, DeliveryState.FAILED.value, DeliveryState.MISSED.value)


@transaction
def retry(handler_id: str, event_id: str) -> None:
    """Run a handler with an event again now, and retry it as usual.

    Raises NotFound, or Conflict if the handler is off or runs with the event just now.
    """
    row = _require_enabled(handler_id)
    delivery = deliveries.find(handler_id, event_id)
    if not _change(row.id, _RETRIED, WebhookDelivery.event_id == delivery.event_id):
        raise Conflict("handler_running", "The handler is running with this event just now.")
    audit.record("handler.retried", row.id, row.description, event=event_id)
    wake(QUEUE)


@transaction
def retry_all(handler_id: str) -> int:
    """Run a handler with all events again that wait, failed or were missed; return how many."""
    row = _require_enabled(handler_id)
    count = _change(row.id, _RETRIED, WebhookDelivery.state.in_(UNFINISHED))
    audit.record("handler.retried", row.id, row.description, events=count)
    wake(QUEUE)
    return count


@transaction
def skip(handler_id: str, event_id: str) -> None:
    """Give up an event for a handler. It can be retried later. Raises NotFound or Conflict."""
    row = find_handler(handler_id)
    delivery = deliveries.find(handler_id, event_id)
    if delivery.state == DeliveryState.SKIPPED:
        return  # the button was pressed twice
    is_unfinished = WebhookDelivery.state.in_(UNFINISHED)
    if not _change(row.id, _SKIPPED, is_unfinished, WebhookDelivery.event_id == delivery.event_id):
        raise Conflict(
            "nothing_to_skip", "This event is finished, or the handler is running with it just now."
        )
    audit.record("handler.skipped", row.id, row.description, event=event_id)


@transaction
def skip_all(handler_id: str) -> int:
    """Give up all events for a handler that wait, failed or were missed; return how many."""
    row = find_handler(handler_id)
    count = _change(row.id, _SKIPPED, WebhookDelivery.state.in_(UNFINISHED))
    audit.record("handler.skipped", row.id, row.description, events=count)
    return count


def _require_enabled(handler_id: str) -> WebhookEndpoint:
    row = find_handler(handler_id)
    if row.state != EndpointState.ENABLED:
        raise Conflict("handler_off", "This handler is off. Enable it first.")
    return row


_RETRIED = {"state": DeliveryState.PENDING.value, "tries": 0, "due_at": None}
_SKIPPED = {"state": DeliveryState.SKIPPED.value, "due_at": None}


def _change(handler_id: str, values: dict[str, Any], *conditions: Any) -> int:
    """Change deliveries that no worker is running; return how many."""
    moment = now()
    changed = {**values, "changed_at": moment}
    if values is _RETRIED:
        changed["due_at"] = moment
    result = db.session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == handler_id, ~_is_running(moment), *conditions)
        .values(changed)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def _is_running(moment: Any) -> Any:
    """Return the condition that an attempt has begun, and neither its outcome nor its end is known.

    A second worker must not run the same event at the same time.
    """
    has_outcome = exists(
        select(WebhookAttempt.number).where(
            WebhookAttempt.endpoint_id == WebhookDelivery.endpoint_id,
            WebhookAttempt.event_id == WebhookDelivery.event_id,
            WebhookAttempt.number == WebhookDelivery.attempts,
        )
    )
    return (
        (WebhookDelivery.attempts > 0)
        & WebhookDelivery.due_at.is_not(None)
        & (WebhookDelivery.due_at > moment)
        & ~has_outcome
    )
