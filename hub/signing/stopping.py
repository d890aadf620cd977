"""Stop messages because a user decided so: those to a signer, or the fallbacks of a route."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import aliased

from hub.core.errors import NotFound
from hub.core.vocabulary import Connective
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import creation_time
from hub.messaging.compose import cancellation
from hub.messaging.send import predecessors
from hub.messaging.state import fallback_timers
from hub.messaging.state.database_clock import read_clock
from hub.models import Message, Route, RouteStep, Signer
from hub.shared import audit
from hub.signing import reminders
from hub.signing.requests import ASKS_TO_SIGN


@transaction
def stop_signer(request_id: str, signer: str) -> None:
    """Cancel the waiting messages that ask a signer to sign, and the steps that would follow.

    Automatic reminders end until a user resumes them, or the signer is asked again. A later event
    of the app or a reminder by a user is sent as usual. Raises NotFound; Conflict when the signer
    has signed or the request is closed.
    """
    request, owing = reminders.find_owing(request_id, signer, "No messages were stopped.")
    for row in owing:
        cancellation.stop_request(
            f"stopped by {audit.actor().name}",
            event_types=ASKS_TO_SIGN,
            request_id=request.id,
            signer_id=row.id,
        )
    db.session.execute(
        update(Signer)
        .where(Signer.id.in_([row.id for row in owing]))
        .values(remind_at=None, reminders_stopped_at=read_clock())
        .execution_options(synchronize_session=False)
    )
    audit.record("request.stopped", request.id, request.title or "", signers=len(owing))


# ── Fallbacks ─────────────────────────────────────────────────────────────────────────────────────
@transaction
def stop_fallbacks(route_id: str) -> None:
    """Let no other step follow the messages of a version of a route, as of now.

    First messages that are queued are still sent. Waiting messages of later steps are canceled when
    they are claimed, and a failed message is still reported. Events from now on have fallbacks, if
    this version is in force. Raises NotFound.
    """
    route = db.session.scalar(select(Route).where(Route.id == route_id).with_for_update())
    if route is None or not has_fallbacks(route):
        raise NotFound("no_such_route", "There is no such version of a route with fallbacks.")
    route.stopped_at = read_clock()
    # what has failed is left to the chore, which reports that nobody was reached
    db.session.execute(
        update(Message)
        .where(
            Message.escalate_at.is_not(None),
            Message.step_id.in_([step.id for step in route.steps]),
            Message.status.not_in([status.value for status in fallback_timers.LOST]),
        )
        .values(escalate_at=None)
        .execution_options(synchronize_session=False)
    )
    audit.record(
        "route.stopped",
        route.id,
        "",
        event=route.event_type,
        audience=route.audience,
        version=route.version,
    )


def has_fallbacks(route: Route) -> bool:
    """Return whether a step of a version of a route follows another one."""
    return any(step.connective == Connective.OTHERWISE for step in route.steps)


def was_stopped(message: Message) -> bool:
    """Return whether the fallbacks of a message's route were stopped since its ladder began."""
    query = (
        select(Route.stopped_at)
        .join(RouteStep, RouteStep.route_id == Route.id)
        .where(RouteStep.id == message.step_id)
    )
    stopped_at: datetime | None = db.session.scalar(query)
    if stopped_at is None:
        return False
    return creation_time(predecessors.list_former(message.id)[-1].id) <= stopped_at


def list_stopped_steps(step_ids: Collection[str]) -> dict[str, datetime]:
    """Return when the fallbacks of steps were stopped, by step, if another step follows them."""
    later = aliased(RouteStep)
    query = (
        select(RouteStep.id, Route.stopped_at)
        .join(Route, Route.id == RouteStep.route_id)
        .where(
            RouteStep.id.in_(step_ids),
            Route.stopped_at.is_not(None),
            exists().where(
                later.route_id == RouteStep.route_id,
                later.position > RouteStep.position,
                later.connective == Connective.OTHERWISE.value,
            ),
        )
    )
    return {step_id: at for step_id, at in db.session.execute(query) if at is not None}


def count_waiting(route_ids: Sequence[str]) -> dict[str, int]:
    """Return how many messages of versions of a route wait for their next step, by version."""
    query = (
        select(RouteStep.route_id, func.count().label("waiting"))
        .select_from(Message)
        .join(RouteStep, RouteStep.id == Message.step_id)
        .where(Message.escalate_at.is_not(None), RouteStep.route_id.in_(route_ids))
        .group_by(RouteStep.route_id)
    )
    return {row.route_id: row.waiting for row in db.session.execute(query)}
