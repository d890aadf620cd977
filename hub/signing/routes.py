"""Read, check and save routes: the steps by which an audience is notified of an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import Audience, Channel, Connective, EventType, Goal
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.models import Connection, Route, RouteStep, Source
from hub.shared import audit
from hub.signing import reminder_rechecks
from hub.signing.reminder_schedule import Schedule
from hub.signing.shipped_texts import FOR_PEOPLE

MAX_STEPS = 10
MAX_WAIT_MINUTES = 60 * 24 * 30
# the text of each event and audience that a route can notify
TEMPLATES = {cell: name for name, cell in FOR_PEOPLE.items()}


@dataclass(frozen=True)
class StepIn:
    """A step as an admin enters it."""

    channel: str
    connection_id: str | None = None
    connective: str = Connective.ALSO.value
    goal: str | None = None
    wait_minutes: int | None = None  # None: only a failure of the step before moves on
    # skipped for people without a recorded consent, unless they prefer the channel
    consented_only: bool = False


@dataclass(frozen=True)
class RouteIn:
    """A route as an admin enters it. Without steps, nobody of the audience is notified."""

    steps: Sequence[StepIn]
    continue_after_opt_out: bool = False
    paid_when_missing: int | None = None
    schedule: Mapping[str, Any] | None = None  # of automatic reminders; None: the default


def has_route(event_type: str, audience: str) -> bool:
    """Return whether an event can notify an audience."""
    return (event_type, audience) in TEMPLATES


def read_routes_in_force(source_id: str | None) -> dict[tuple[str, str], Route]:
    """Return the routes of one source, or the general ones, by event and audience."""
    query = select(Route).where(
        Route.replaced_at.is_(None),
        Route.source_id == source_id if source_id else Route.source_id.is_(None),
        Route.audience != Audience.TEAM,
    )
    return {(route.event_type, route.audience): route for route in db.session.scalars(query)}


def read_versions(event_type: str, audience: str, source_id: str | None) -> list[Route]:
    """Return the versions of a route, the newest first."""
    query = select(Route).where(
        Route.event_type == event_type,
        Route.audience == audience,
        Route.source_id == source_id if source_id else Route.source_id.is_(None),
    )
    return list(db.session.scalars(query.order_by(Route.version.desc(), Route.id.desc())))


def read_entry(route: Route) -> RouteIn:
    """Return a stored route as an admin entered it."""
    steps = [
        StepIn(
            step.channel,
            step.connection_id,
            step.connective,
            step.goal,
            step.wait_minutes,
            step.consented_only,
        )
        for step in route.steps
    ]
    return RouteIn(
        steps if route.enabled else [],
        route.continue_after_opt_out,
        route.paid_when_missing,
        route.schedule,
    )


# ── Checks ────────────────────────────────────────────────────────────────────────────────────────
def find_problems(event_type: str, audience: str, entered: RouteIn) -> Iterator[Refused]:
    """Yield what is wrong with a route; the field is `steps`, or `steps-<index>-<name>`."""
    if not has_route(event_type, audience):
        raise NotFound("no_such_route", "There is no route for this event and audience.")
    if len(entered.steps) > MAX_STEPS:
        yield Refused("too_many_steps", f"Use at most {MAX_STEPS} steps.", field="steps")
    if entered.paid_when_missing is not None and entered.paid_when_missing < 1:
        yield Refused("bad_number", "Enter 1 or more.", field="paid_when_missing")
    connections = _read_connections()
    for index, step in enumerate(entered.steps):
        before = entered.steps[index - 1] if index else None
        yield from _step_problems(index, step, before, connections, event_type)
    yield from _find_repeated_steps(entered.steps)


def _read_connections() -> dict[str, Connection]:
    query = select(Connection).where(
        Connection.archived_at.is_(None), Connection.source_id.is_(None)
    )
    return {connection.id: connection for connection in db.session.scalars(query)}


def _step_problems(
    index: int,
    step: StepIn,
    before: StepIn | None,
    connections: Mapping[str, Connection],
    event_type: str,
) -> Iterator[Refused]:
    if not _is_possible_place(step, connections):
        yield Refused(
            "no_such_channel",
            "Choose a channel, or a connection that is not archived.",
            field=f"steps-{index}-over",
        )
    elif step.connection_id and not reaches_people(connections[step.connection_id]):
        yield Refused(
            "posts_to_team",
            f"{connections[step.connection_id].title} posts to a team and cannot write to single"
            " people. Choose another channel.",
            field=f"steps-{index}-over",
        )
    if step.connective != Connective.OTHERWISE:
        return
    if before is None:
        yield Refused(
            "nothing_before", "The first step has no step before it.", field=f"steps-{index}-over"
        )
        return
    yield from _condition_problems(index, step, before, connections, event_type)


def _find_repeated_steps(steps: Sequence[StepIn]) -> Iterator[Refused]:
    """Yield steps in any case that can never act, because a step before sends the same message."""
    always: dict[tuple[str, str | None], int] = {}
    for index, step in enumerate(steps):
        if step.connective == Connective.OTHERWISE:
            continue
        place = (step.channel, step.connection_id)
        if place in always:
            yield Refused(
                "repeated_step",
                f"Step {always[place] + 1} already sends this message to the same address. Remove"
                " one of the two steps, or choose another channel.",
                field=f"steps-{index}-over",
            )
        elif not step.consented_only:
            always[place] = index


def reaches_people(connection: Connection) -> bool:
    """Return whether a connection can send messages to single people, not only posts to a team."""
    integration_class = integrations.registry().get(connection.integration)
    return (
        integration_class is None
        or connection.channel != Channel.CHAT
        or integration_class.reaches_people(connection.destination or "")
    )


def _is_possible_place(step: StepIn, connections: Mapping[str, Connection]) -> bool:
    if step.connection_id is None:
        return step.channel in {*Channel} - {Channel.WEBHOOK}
    connection = connections.get(step.connection_id)
    return connection is not None and connection.channel == step.channel


def _condition_problems(
    index: int,
    step: StepIn,
    before: StepIn,
    connections: Mapping[str, Connection],
    event_type: str,
) -> Iterator[Refused]:
    """Yield why the condition of a step can never be met, or can never fail to be met."""
    if step.wait_minutes is None:
        return
    if not 1 <= step.wait_minutes <= MAX_WAIT_MINUTES:
        yield Refused(
            "bad_wait", "Enter a time between 1 minute and 30 days.", field=f"steps-{index}-wait"
        )
    if step.goal == Goal.OPENED and not EventType(event_type).asks_to_sign:
        yield Refused(
            "never_opened",
            "This event does not ask anyone to open the document. Choose another goal.",
            field=f"steps-{index}-goal",
        )
    if reason := why_never_reported(step, before, connections):
        yield Refused("never_reported", reason, field=f"steps-{index}-goal")


def why_never_reported(step: StepIn, before: StepIn, connections: Mapping[str, Connection]) -> str:
    """Return why the condition of a step can never be met, or '' if it can."""
    has_goal = step.connective == Connective.OTHERWISE and step.wait_minutes is not None
    if not has_goal or not is_never_reported(step.goal, before, connections):
        return ""
    chosen = connections.get(before.connection_id or "")
    title = chosen.title if chosen else Channel(before.channel).title
    return (
        f"{title} never reports “{step.goal}”, so Signpost cannot check this condition. Choose"
        " another goal, or “it fails”."
    )


def is_never_reported(
    goal: str | None, before: StepIn, connections: Mapping[str, Connection]
) -> bool:
    """Return whether no connection of a step reports a goal. Without connections, it may."""
    if goal not in (Goal.DELIVERED, Goal.READ):
        return False
    reliable = [
        integrations.get(connection.integration).reliable_statuses
        for connection in connections.values()
        if connection.channel == before.channel
        and before.connection_id in (None, connection.id)
        and connection.integration in integrations.registry()
        and reaches_people(connection)
    ]
    return bool(reliable) and not any(goal in statuses for statuses in reliable)


# ── Changes ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def save_route(
    event_type: str,
    audience: str,
    source_id: str | None,
    entered: RouteIn,
    *,
    replaces: str | None,
) -> str:
    """Save a route as a new version, and return its ID. Ladders under way keep their version.

    `replaces`: the ID of the source's route that the admin saw, or None. It is returned if nothing
    has changed, and no version is added. Raises the first problem
    of `find_problems`; Conflict if another admin has saved the route since; NotFound.
    """
    for problem in find_problems(event_type, audience, entered):
        raise problem
    before = _lock_in_force(event_type, audience, source_id)
    if (before and before.id) != replaces:
        raise Conflict(
            "changed_meanwhile",
            "Someone else saved this route in the meantime. Compare the newest version under"
            " Versions with your steps. Save again to replace it.",
        )
    if before and _comparable(entered) == _comparable(read_entry(before)):
        return before.id
    route = _build_version(event_type, audience, source_id, entered)
    if before:
        before.replaced_at = now()
        db.session.flush()
    db.session.add(route)
    db.session.flush()
    _record("route.saved", route)
    if event_type == EventType.REMINDER:
        _check_reminders(source_id)
    return route.id


def _build_version(
    event_type: str, audience: str, source_id: str | None, entered: RouteIn
) -> Route:
    """Return the next version of a route, which is not stored yet."""
    template = TEMPLATES[EventType(event_type), Audience(audience)]
    versions = read_versions(event_type, audience, source_id)
    return Route(
        id=new_id("rte"),
        source_id=source_id,
        event_type=event_type,
        audience=audience,
        enabled=bool(entered.steps),
        version=versions[0].version + 1 if versions else 1,
        author_id=audit.actor().user_id,
        continue_after_opt_out=entered.continue_after_opt_out,
        paid_when_missing=entered.paid_when_missing,
        schedule=dict(entered.schedule) if entered.schedule else None,
        steps=[
            _build_row(position, step, template) for position, step in enumerate(entered.steps, 1)
        ],
    )


def _comparable(entered: RouteIn) -> RouteIn:
    """Return a route without the values that have no effect, and with its whole schedule."""
    steps = []
    for step in entered.steps:
        if step.connective != Connective.OTHERWISE:
            step = replace(step, goal=None, wait_minutes=None)
        elif step.wait_minutes is None or step.goal is None:
            step = replace(step, goal=Goal.DELIVERED.value)
        steps.append(step)
    schedule = asdict(Schedule.from_settings(entered.schedule))
    return replace(entered, steps=steps, schedule=schedule)


def _check_reminders(source_id: str | None) -> None:
    """Compute the reminders of open requests again, because their schedule may have changed."""
    source_ids = [source_id] if source_id else db.session.scalars(select(Source.id)).all()
    for changed_id in source_ids:
        reminder_rechecks.begin(changed_id)


@transaction
def follow_general_route(event_type: str, audience: str, source_id: str) -> None:
    """End a source's own route, so that the general one applies again. Raises NotFound."""
    own = _lock_in_force(event_type, audience, source_id)
    if own is None:
        raise NotFound("no_such_route", "The source has no route of its own for this event.")
    own.replaced_at = now()
    _record("route.removed", own)
    if event_type == EventType.REMINDER:
        _check_reminders(source_id)


def _lock_in_force(event_type: str, audience: str, source_id: str | None) -> Route | None:
    query = select(Route).where(
        Route.replaced_at.is_(None),
        Route.event_type == event_type,
        Route.audience == audience,
        Route.source_id == source_id if source_id else Route.source_id.is_(None),
    )
    return db.session.scalars(query.with_for_update()).one_or_none()


def _build_row(position: int, step: StepIn, template: str) -> RouteStep:
    follows = step.connective == Connective.OTHERWISE
    return RouteStep(
        position=position,
        connective=step.connective,
        goal=(step.goal or Goal.DELIVERED.value) if follows else None,
        wait_minutes=step.wait_minutes if follows else None,
        channel=step.channel,
        connection_id=step.connection_id,
        consented_only=step.consented_only,
        template=template,
    )


def _record(action: str, route: Route) -> None:
    details: dict[str, Any] = {
        "event": route.event_type,
        "audience": route.audience,
        "version": route.version,
        "channels": [step.channel for step in route.steps],
    }
    if route.source_id:
        source = db.session.get_one(Source, route.source_id)
        details["source"] = source.name
    audit.record(action, route.id, "", **details)
