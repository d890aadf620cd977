"""Build the grid of the Routing page: a row for each event, a cell for each audience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import url_for
from sqlalchemy import select

from hub.admin.routing.route_descriptions import (
    EVENTS,
    MEMBERS,
    StepWords,
    describe_result,
    describe_schedule,
    describe_steps,
)
from hub.admin.routing.route_warnings import RouteChecks, RouteWarning, read_checks
from hub.core.vocabulary import Audience, EventType
from hub.db.engine import db
from hub.messaging.track.route_results import RouteResult, count_results
from hub.models import Connection, Route, RouteStep, Source
from hub.signing import routes
from hub.signing.reminder_schedule import Schedule
from hub.signing.reminder_settings import source_reminders
from hub.signing.routes import RouteIn

# the rows in the order of a document's life
ROWS = tuple(EVENTS)
COLUMNS = (Audience.SIGNER, Audience.OTHERS, Audience.SENDER, Audience.OBSERVERS)


@dataclass(frozen=True)
class Cell:
    """An audience of an event: its steps and their results."""

    audience: str
    members: str  # who they are, or '' if the column's title says it
    href: str
    steps: Sequence[StepWords]
    is_inherited: bool  # the route of a source's cell is the general one
    is_open: bool
    result: Sequence[str]
    unreached: int
    warnings: Sequence[RouteWarning]


@dataclass(frozen=True)
class Row:
    """An event with its cells; None where an audience makes no sense."""

    event_type: str
    title: str
    meaning: str
    cells: Sequence[Cell | None]
    team_connections: Sequence[Connection]


@dataclass(frozen=True)
class Grid:
    """The routes, connections and results that the cells show."""

    source: Source | None
    general: Mapping[tuple[str, str], Route]
    own: Mapping[tuple[str, str], Route]
    connections: Mapping[str, Connection]
    results: Mapping[tuple[str, str], RouteResult]
    checks: RouteChecks

    @property
    def titles(self) -> dict[str, str]:
        """The titles of connections by ID."""
        return {key: connection.title for key, connection in self.connections.items()}

    @property
    def channels(self) -> set[str]:
        """The channels that are connected."""
        return {
            connection.channel
            for connection in self.connections.values()
            if routes.reaches_people(connection)
        }

    def route(self, event_type: str, audience: str) -> Route | None:
        """Return the route that applies: the source's own, or the general one."""
        key = (event_type, audience)
        return self.own.get(key) or self.general.get(key)

    def entry(self, event_type: str, audience: str) -> RouteIn:
        """Return the route that applies as an admin entered it."""
        route = self.route(event_type, audience)
        return routes.read_entry(route) if route else RouteIn([])

    def rows(self, opened: tuple[str, str] | None = None) -> list[Row]:
        """Return the rows. `opened`: the event and audience of the cell that the panel edits."""
        team_connections = _read_team_connections()
        return [
            Row(
                event_type,
                EVENTS[event_type][0],
                self._describe_event(event_type),
                [self._cell(event_type, audience, opened) for audience in COLUMNS],
                team_connections.get(event_type, ()),
            )
            for event_type in ROWS
        ]

    def _describe_event(self, event_type: str) -> str:
        meaning = EVENTS[event_type][1]
        if event_type != EventType.REMINDER:
            return meaning
        if self.source:
            schedule = source_reminders(self.source.id, test=False).schedule(None)
        else:
            schedule = Schedule.from_settings(self.entry(event_type, Audience.SIGNER).schedule)
        return f"{meaning} {describe_schedule(schedule)}"

    def _cell(self, event_type: str, audience: str, opened: tuple[str, str] | None) -> Cell | None:
        if not routes.has_route(event_type, audience):
            return None
        key = (event_type, audience)
        entry = self.entry(event_type, audience)
        result = self.results.get(key)
        return Cell(
            audience,
            MEMBERS.get(key, ""),
            cell_url(event_type, audience, self.source),
            describe_steps(entry.steps, self.titles, self.channels),
            is_inherited=self.source is not None and key not in self.own,
            is_open=key == opened,
            result=describe_result(result),
            unreached=result.unreached if result else 0,
            warnings=[
                warning
                for warning in self.checks.find_warnings(event_type, audience, entry)
                if warning.is_urgent
            ],
        )


def read_grid(source: Source | None) -> Grid:
    """Read the routes of all sources, or of one, with their results."""
    query = (
        select(Connection)
        .where(Connection.archived_at.is_(None), Connection.source_id.is_(None))
        .order_by(Connection.title)
    )
    source_id = source.id if source else None
    connections = {connection.id: connection for connection in db.session.scalars(query)}
    return Grid(
        source,
        routes.read_routes_in_force(None),
        routes.read_routes_in_force(source_id) if source_id else {},
        connections,
        count_results(source_id),
        read_checks(connections),
    )


def cell_url(event_type: str, audience: str, source: Source | None) -> str:
    """Return the URL of the page with a cell's panel."""
    return url_for(
        "admin.route",
        event=event_type.rpartition(".")[2],
        audience=audience,
        source=source.slug if source else None,
    )


def _read_team_connections() -> dict[str, list[Connection]]:
    """Return the connections that post each event to a team."""
    query = (
        select(Route.event_type, Connection)
        .join(RouteStep, RouteStep.route_id == Route.id)
        .join(Connection, Connection.id == RouteStep.connection_id)
        .where(
            Route.audience == Audience.TEAM,
            Route.enabled,
            Route.replaced_at.is_(None),
            Connection.archived_at.is_(None),
        )
        .order_by(Connection.title)
    )
    team_connections: dict[str, list[Connection]] = {}
    for event_type, connection in db.session.execute(query).all():
        team_connections.setdefault(event_type, []).append(connection)
    return team_connections
