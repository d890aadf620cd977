"""List deliveries, resend them, and send test events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update

from hub.core.errors import Conflict, DecryptionError, NotFound, Refused
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.encrypted_fields import WEBHOOK_RESPONSE
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.db.types import first_id_at, is_id, keyring, new_id, now
from hub.endpoints import endpoints
from hub.endpoints.attempts import attempt_key
from hub.endpoints.catalog import event_kinds
from hub.endpoints.claims import HANDLER_LEASE
from hub.endpoints.delivery_order import is_next
from hub.endpoints.platform_events import QUEUE
from hub.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK
from hub.shared import audit

PAGE = 50
NOT_DELIVERED = (DeliveryState.FAILED.value, DeliveryState.MISSED.value)


def page_of(endpoint_id: str, *, state: str = "", before: str = "") -> list[WebhookDelivery]:
    """Return deliveries of an endpoint, newest first, before an event."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if state:
        query = query.where(WebhookDelivery.state == state)
    if is_id("pev", before):
        query = query.where(WebhookDelivery.event_id < before)
    return list(db.session.scalars(query.order_by(WebhookDelivery.event_id.desc()).limit(PAGE + 1)))


def find(endpoint_id: str, event_id: str) -> WebhookDelivery:
    """Return a delivery; raise NotFound."""
    endpoints.find_any(endpoint_id)
    key = (endpoint_id, event_id)
    row = db.session.get(WebhookDelivery, key) if is_id("pev", event_id) else None
    if row is None:
        raise NotFound("no_such_delivery", "This delivery does not exist, or was deleted.")
    return row


def attempts_of(delivery: WebhookDelivery) -> list[WebhookAttempt]:
    """Return the newest attempts of a delivery, newest first."""
    query = (
        select(WebhookAttempt)
        .where(
            WebhookAttempt.endpoint_id == delivery.endpoint_id,
            WebhookAttempt.event_id == delivery.event_id,
        )
        .order_by(WebhookAttempt.number.desc())
        .limit(PAGE)
    )
    return list(db.session.scalars(query))


def read_response(attempt: WebhookAttempt) -> str:
    """Return the first bytes of the response to an attempt, '' if there is none to show."""
    if attempt.response is None:
        return ""
    key = attempt_key(attempt.endpoint_id, attempt.event_id, attempt.number)
    try:
        return str(keyring().open_json(WEBHOOK_RESPONSE, key, attempt.response))
    except DecryptionError:
        return ""


def count_by_state(endpoint_id: str) -> dict[str, int]:
    """Return the number of deliveries by state."""
    query = (
        select(WebhookDelivery.state, func.count())
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .group_by(WebhookDelivery.state)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def find_waiting(endpoint_id: str, event_ids: Sequence[str]) -> set[str]:
    """Return which of these events wait until an earlier one with the same key is finished."""
    query = select(WebhookDelivery.event_id).where(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.event_id.in_(event_ids),
        WebhookDelivery.due_at.is_not(None),
        ~is_next(WebhookDelivery),
    )
    return set(db.session.scalars(query))


def next_attempt(endpoint_id: str) -> datetime | None:
    """Return when the next delivery of an endpoint is due; None if none waits."""
    return db.session.scalar(
        select(func.min(WebhookDelivery.due_at)).where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.due_at.is_not(None),
            is_next(WebhookDelivery),
        )
    )


# ── Resending ─────────────────────────────────────────────────────────────────────────────────────
@transaction
def resend(endpoint_id: str, event_id: str) -> None:
    """Send an event again now, and retry it as usual; raise NotFound or Conflict."""
    delivery = find(endpoint_id, event_id)
    _require_enabled(endpoint_id)
    _make_due(delivery)
    audit.record("webhook_endpoint.resent", endpoint_id, delivery.type, event=event_id)


@transaction
def resend_since(endpoint_id: str, since: datetime, *, delivered_too: bool = False) -> int:
    """Send all events since a time again that were not delivered; return how many.

    Those that wait for another attempt are sent now, too. A request in progress is not repeated.
    `delivered_too`: also those that were delivered, for a receiver that lost its data.
    """
    _require_enabled(endpoint_id)
    states = (*NOT_DELIVERED, DeliveryState.DELIVERED.value) if delivered_too else NOT_DELIVERED
    result = db.session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            or_(WebhookDelivery.state.in_(states), WebhookDelivery.due_at > now() + HANDLER_LEASE),
            WebhookDelivery.event_id >= first_id_at("pev", since),
            WebhookDelivery.example.is_(False),
        )
        .values(state=DeliveryState.PENDING.value, tries=0, due_at=now(), changed_at=now())
        .execution_options(synchronize_session=False)
    )
    count = int(result.rowcount)  # type: ignore[attr-defined]
    audit.record("webhook_endpoint.resent", endpoint_id, since=since.isoformat(), events=count)
    wake(QUEUE)
    return count


@transaction
def send_test_event(endpoint_id: str, event_type: str) -> str:
    """Send the example of an event type to an endpoint; return the ID of the event."""
    if event_type not in event_kinds():
        raise Refused("unknown_event", "Choose one of the events in the list.", field="event")
    endpoint = _require_enabled(endpoint_id)
    delivery = WebhookDelivery(
        endpoint_id=endpoint_id,
        event_id=new_id("pev"),
        type=event_type,
        example=True,
        order_key=None if endpoint.kind == WEBHOOK else _example_key(event_type, endpoint),
    )
    db.session.add(delivery)
    _make_due(delivery)
    return delivery.event_id


def _example_key(event_type: str, endpoint: WebhookEndpoint) -> str:
    """Return the key of a test event: what its example is about, as `NewEvent.order_key`.

    Without a position, test events have no order.
    """
    example = event_kinds()[event_type].payload
    fields = ("request", "message", "inbound", "connection")
    return str(next(filter(None, map(example.get, fields)), endpoint.source_id))


def _make_due(delivery: WebhookDelivery) -> None:
    delivery.state = DeliveryState.PENDING.value
    delivery.tries = 0
    delivery.due_at = now()
    delivery.changed_at = now()
    wake(QUEUE)


def _require_enabled(endpoint_id: str) -> WebhookEndpoint:
    endpoint = endpoints.find(endpoint_id)
    if endpoint.state != EndpointState.ENABLED:
        raise Conflict("endpoint_off", "This endpoint is disabled. Enable it first.")
    return endpoint


@transaction
def erase_responses(event_ids: Sequence[str]) -> None:
    """Delete the stored responses to webhooks about events, which may repeat their content."""
    endpoint_ids = select(WebhookEndpoint.id)  # so that the rows are found by their key
    db.session.execute(
        update(WebhookAttempt)
        .where(WebhookAttempt.endpoint_id.in_(endpoint_ids), WebhookAttempt.event_id.in_(event_ids))
        .values(response=None)
        .execution_options(synchronize_session=False)
    )
