"""Count what the steps of routes have reached in the last 30 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import cached
from hub.db.types import first_id_at, now
from hub.models import Message, Route, RouteStep

PERIOD = timedelta(days=30)
# older messages of the period are left out, so that the page stays fast with a million of them
MAX_MESSAGES = 50_000


@dataclass
class RouteResult:
    """The notifications of one event to one audience."""

    started: int = 0
    reached: Counter[str] = field(default_factory=Counter)  # by the channel of the last message
    unreached: int = 0  # the last message was not sent or not delivered


def count_results(source_id: str | None) -> Mapping[tuple[str, str], RouteResult]:
    """Return the results of the last 30 days by event and audience, of one source or of all."""
    return cached(("route_results", source_id or ""), lambda: _count_results(source_id))


def _count_results(source_id: str | None) -> dict[tuple[str, str], RouteResult]:
    newest = (
        select(Message.id, Message.step_id, Message.channel, Message.status, Message.after_id)
        .where(Message.id >= first_id_at("msg", now() - PERIOD), Message.step_id.is_not(None))
        .order_by(Message.id.desc())
        .limit(MAX_MESSAGES)
    )
    if source_id:
        newest = newest.where(Message.source_id == source_id)
    message = newest.subquery()
    successor = aliased(Message)
    is_first = message.c.after_id.is_(None)
    is_last = successor.id.is_(None)
    columns = (Route.event_type, Route.audience, message.c.channel, message.c.status)
    query = (
        select(*columns, is_first, is_last, func.count())
        .select_from(message)
        .join(RouteStep, RouteStep.id == message.c.step_id)
        .join(Route, Route.id == RouteStep.route_id)
        .outerjoin(successor, successor.after_id == message.c.id)
        .group_by(*columns, is_first, is_last)
    )
    results: dict[tuple[str, str], RouteResult] = {}
    for event_type, audience, channel, status, first, last, count in db.session.execute(query):
        result = results.setdefault((event_type, audience), RouteResult())
        result.started += count if first else 0
        if last:
            _count_last(result, channel, Status.read(status), count)
    return results


def _count_last(result: RouteResult, channel: str, status: Status, count: int) -> None:
    if status.awaits_report or status.is_delivered:
        result.reached[channel] += count
    elif status.final and status != Status.CANCELED:
        result.unreached += count
