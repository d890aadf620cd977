"""Read which handlers receive which events. Without handlers, nothing is stored for them."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app
from sqlalchemy import select

from hub.core.vocabulary import EndpointState
from hub.db.compiled_sql import Statement, get_table
from hub.db.store import cached, read
from hub.endpoints.patterns import matches
from hub.models import WebhookEndpoint
from hub.models.webhook_endpoint import HANDLER, REMOVED

_NAME = ("handler_subscriptions",)


@dataclass(frozen=True)
class Subscription:
    """A handler and the patterns of its events. A disabled one keeps events as missed."""

    handler_id: str
    patterns: str
    is_enabled: bool

    def receives(self, event_type: str) -> bool:
        """Return whether the handler receives events of a type."""
        return matches(self.patterns, event_type)


def handler_subscriptions() -> tuple[Subscription, ...]:
    """Return the subscriptions of all handlers, at most a second old."""
    subscriptions: tuple[Subscription, ...] = cached(_NAME, _read_subscriptions)
    return subscriptions


def is_handled(event_type: str) -> bool:
    """Return whether a handler receives events of a type."""
    return any(one.receives(event_type) for one in handler_subscriptions())


def forget_subscriptions() -> None:
    """Read the subscriptions again when they are used next in this process."""
    current_app.extensions.get("hub.cached", {}).pop(_NAME, None)


def _read_subscriptions() -> tuple[Subscription, ...]:
    return tuple(
        Subscription(handler_id, patterns, state == EndpointState.ENABLED)
        for handler_id, patterns, state in read(_SUBSCRIPTIONS)
    )


_endpoints = get_table(WebhookEndpoint)
_SUBSCRIPTIONS = Statement(
    select(_endpoints.c.id, _endpoints.c.patterns, _endpoints.c.state)
    .where(
        _endpoints.c.kind == HANDLER,
        _endpoints.c.deleted_at.is_(None),
        _endpoints.c.state_reason != REMOVED,
    )
    .order_by(_endpoints.c.id)
)
