"""Choose the events that a connection posts to its team: one route for each, on or off."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from hub.core.errors import Conflict
from hub.core.vocabulary import Audience, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.models import Connection, Route, RouteStep
from hub.shared import audit
from hub.signing.shipped_texts import team_template_name

DEFAULT_EVENTS = (
    EventType.SENT,
    EventType.SIGNED,
    EventType.DECLINED,
    EventType.COMPLETED,
    EventType.EXPIRED,
    EventType.CANCELED,
)


def posted_events(connection_id: str) -> list[EventType]:
    """Return the events that a connection posts."""
    enabled = {route.event_type for route in _routes(connection_id).values() if route.enabled}
    return [event_type for event_type in EventType if event_type in enabled]


def disabled_connection_titles(event_type: str) -> list[str]:
    """Return the titles of connections that would post an event if they were enabled."""
    query = (
        select(Connection)
        .join(RouteStep, RouteStep.connection_id == Connection.id)
        .join(Route)
        .where(Route.event_type == event_type, Route.enabled, Connection.archived_at.is_(None))
        .order_by(Connection.title)
    )
    return [row.title for row in db.session.scalars(query).unique() if not row.enabled]


@transaction
def save_subscriptions(connection_id: str, event_names: Collection[str]) -> None:
    """Set the events that a connection posts. Raises Conflict when it has no destination."""
    connection = db.session.scalars(
        select(Connection).where(Connection.id == connection_id).with_for_update()
    ).one()
    if not connection.destination:
        raise Conflict(
            "no_place",
            "This connection sends direct messages only. Enter a destination for the team"
            " in its settings first.",
        )
    chosen_types = [event_type for event_type in EventType if event_type in event_names]
    if chosen_types != posted_events(connection_id):
        _set_events(connection, chosen_types)
        audit.record(
            "connection.posts",
            connection.id,
            connection.title,
            events=[event_type.value for event_type in chosen_types],
        )


@transaction
def subscribe_new(connection: Connection) -> None:
    """Subscribe a connection that has just got its first destination to the default events."""
    if connection.destination and not _routes(connection.id):
        _set_events(connection, DEFAULT_EVENTS)


def _set_events(connection: Connection, chosen_types: Collection[EventType]) -> None:
    routes = _routes(connection.id)
    for event_type in EventType:
        if event_type in routes:  # routes are never deleted, because messages refer to their steps
            routes[event_type].enabled = event_type in chosen_types
        elif event_type in chosen_types:
            route = Route(
                id=new_id("rte"), event_type=event_type.value, audience=Audience.TEAM.value
            )
            route.steps.append(
                RouteStep(
                    position=1,
                    channel=connection.channel,
                    connection_id=connection.id,
                    template=team_template_name(event_type),
                )
            )
            db.session.add(route)
    db.session.flush()


def _routes(connection_id: str) -> dict[str, Route]:
    query = (
        select(Route)
        .join(RouteStep)
        .where(Route.audience == Audience.TEAM, RouteStep.connection_id == connection_id)
    )
    return {route.event_type: route for route in db.session.scalars(query)}
