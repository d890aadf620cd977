"""Store platform events, and one delivery for each endpoint and handler that receives them.

Both are stored in the transaction of the change that the event reports, so no event is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, String, bindparam, cast, insert, literal_column, select

from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import PLATFORM_EVENT_PAYLOAD
from hub.db.engine import db
from hub.db.store import list_param, read, wake, write
from hub.db.types import Id, Time, keyring, new_id, now
from hub.endpoints.delivery_order import next_position
from hub.endpoints.handler_subscriptions import handler_subscriptions, is_handled
from hub.endpoints.patterns import matches
from hub.models import PlatformEvent, WebhookDelivery, WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK

QUEUE = "notify"


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """A platform event to store. `cause` is unique, so that each fact is reported once.

    Without a source, only admins see the event.
    """

    cause: str
    type: str
    source_id: str | None
    test: bool
    message_id: str | None = None
    request_id: str | None = None
    at: datetime = field(default_factory=now)
    payload: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: new_id("pev"))
    to_endpoints: bool = True  # webhooks and brokers of the source
    to_handlers: bool = True
    # endpoints that are not notified, because the event is about them
    except_endpoints: frozenset[str] = frozenset()

    @property
    def order_key(self) -> str:
        """The ID of the request, or else of the message, inbound message, connection or source.

        Events with the same key have an order.
        """
        about = (
            self.request_id,
            self.message_id,
            self.payload.get("inbound"),
            self.payload.get("connection"),
            self.source_id,
        )
        return str(next(filter(None, about), self.id))


def store_events(events: Sequence[NewEvent]) -> None:
    """Store events and their deliveries, inside a transaction. A stored `cause` is ignored."""
    events = [event for event in events if event.to_endpoints or is_handled(event.type)]
    if not events:
        return
    write(_ADD_EVENT, [_event_row(event) for event in events])
    sources = {event.source_id for event in events if event.source_id is not None}
    endpoints = read(_ENDPOINTS, sources=sorted(sources)) if sources else []
    deliveries = [
        (kind != WEBHOOK, _delivery_row(event, endpoint_id, state))
        for event in events
        for endpoint_id, source_id, test, patterns, state, kind in endpoints
        if event.to_endpoints
        and (source_id, test) == (event.source_id, event.test)
        and endpoint_id not in event.except_endpoints
        and matches(patterns, event.type)
    ]
    for statement, is_ordered in ((_ADD_DELIVERY, False), (_ADD_ORDERED_DELIVERY, True)):
        if rows := [row for ordered, row in deliveries if ordered == is_ordered]:
            write(statement, rows)
    handled = _deliveries_to_handlers(events)
    if handled:
        write(_ADD_DELIVERY, handled)
    if deliveries or handled:
        wake(QUEUE)


def sources_with_endpoints(*, test: bool) -> set[str]:
    """Return the sources with an endpoint for live or test events. Others need no rare events."""
    query = select(WebhookEndpoint.source_id).where(
        WebhookEndpoint.test == test, WebhookEndpoint.deleted_at.is_(None)
    )
    return set(db.session.scalars(query))


def _deliveries_to_handlers(events: Sequence[NewEvent]) -> list[dict[str, Any]]:
    """Return a delivery for each handler that receives an event, of any source."""
    return [
        _delivery_row(
            event,
            handler.handler_id,
            (EndpointState.ENABLED if handler.is_enabled else EndpointState.DISABLED).value,
        )
        for handler in handler_subscriptions()
        for event in events
        if event.to_handlers and handler.receives(event.type)
    ]


def _event_row(event: NewEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "cause": event.cause,
        "type": event.type,
        "message_id": event.message_id,
        "request_id": event.request_id,
        "source_id": event.source_id,
        "test": event.test,
        "at": event.at,
        "payload": keyring().seal_json(
            PLATFORM_EVENT_PAYLOAD, event.id.partition("_")[2], dict(event.payload)
        ),
    }


def _delivery_row(event: NewEvent, endpoint_id: str, state: str) -> dict[str, Any]:
    is_enabled = state == EndpointState.ENABLED
    moment = now()
    return {
        "endpoint": endpoint_id,
        "event": event.id,
        "event_type": event.type,
        "is_example": False,
        "new_state": (DeliveryState.PENDING if is_enabled else DeliveryState.MISSED).value,
        "due": moment if is_enabled else None,
        "moment": moment,
        "key": event.order_key,
    }


_events = get_table(PlatformEvent)
_deliveries = get_table(WebhookDelivery)
_endpoints = get_table(WebhookEndpoint)
_ADD_EVENT = Statement.insert(_events, on_conflict_do_nothing=True)
_ENDPOINTS = Statement(
    select(
        _endpoints.c.id,
        _endpoints.c.source_id,
        _endpoints.c.test,
        _endpoints.c.patterns,
        _endpoints.c.state,
        _endpoints.c.kind,
    )
    .where(_endpoints.c.source_id.in_(list_param("sources")), _endpoints.c.deleted_at.is_(None))
    .order_by(_endpoints.c.id)
)
_NEW_DELIVERY: dict[str, Any] = {
    "endpoint_id": bindparam("endpoint", type_=Id("whk")),
    "event_id": _events.c.id,
    "type": bindparam("event_type", type_=String()),
    "example": bindparam("is_example", type_=Boolean()),
    "state": bindparam("new_state", type_=String()),
    "tries": literal_column("0"),
    "attempts": literal_column("0"),
    "due_at": cast(bindparam("due", type_=Time()), Time()),  # NULL needs its type on PostgreSQL
    "changed_at": bindparam("moment", type_=Time()),
}
_ORDER: dict[str, Any] = {
    "order_key": bindparam("key", type_=String()),
    "position": next_position(),
}


def _add_delivery(columns: Mapping[str, Any]) -> Statement:
    """Return a statement that adds a delivery of a stored event.

    It selects the event, because an event with a known cause was not stored a second time.
    """
    return Statement(
        insert(_deliveries).from_select(
            list(columns),
            select(*columns.values()).where(_events.c.id == bindparam("event")),
            include_defaults=False,
        )
    )


_ADD_DELIVERY = _add_delivery(_NEW_DELIVERY)
_ADD_ORDERED_DELIVERY = _add_delivery({**_NEW_DELIVERY, **_ORDER})
