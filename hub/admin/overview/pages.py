"""The overview: what needs the reader, then how the last day went."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from statistics import median
from typing import Any

from flask import current_app, render_template, url_for
from sqlalchemy import func, select

from hub.admin.auth.guard import admin, needs
from hub.admin.connections import connection_health
from hub.admin.overview import daily_stats
from hub.admin.overview.daily_stats import ARRIVED, DAY, DailyStats
from hub.admin.view.datetimes import local
from hub.admin.view.filters import duration, number, percent, plural
from hub.admin.view.message_rows import rows
from hub.core.config import Config
from hub.core.vocabulary import ConnectionState, Role, Status
from hub.db.engine import db
from hub.db.types import id_at, now
from hub.intake import process_callbacks
from hub.messaging.compose import template_sync
from hub.messaging.policy import policy, spending
from hub.messaging.send import provider_health
from hub.messaging.state import unreadable_rows
from hub.messaging.track import message_queries
from hub.models import Connection, Message, Receipt
from hub.shared import clock_check

LATE = timedelta(minutes=1)
NEWEST = 8
COUNTED = 1000  # what needs the reader is counted no further
LOST = (Status.FAILED, Status.UNDELIVERED, Status.EXPIRED)


@admin.get("/")
@needs(Role.VIEWER)
def overview() -> Any:
    """Show what needs the reader, and the last 24 hours."""
    newest = list(db.session.scalars(select(Message).order_by(Message.id.desc()).limit(NEWEST)))
    day = daily_stats.read_daily_stats()
    moment = local(now())
    return render_template(
        "overview.html",
        day=f"{moment:%A}, {moment.day} {moment:%B}",
        todo=_todo(),
        tiles=_tiles(day) if newest else [],
        channels=_channels(day),
        rows=rows(newest),
        start=None if newest else _start(),
    )


def _todo() -> list[dict[str, str]]:
    todo = []
    if wrong := clock_check.problem():
        todo.append(
            {
                "tone": "bad",
                "icon": "clock-history",
                "title": "The clock may be wrong",
                "text": (
                    f"{wrong} Signpost deletes nothing by age until the clock is right or"
                    " confirmed."
                ),
                "href": url_for("admin.clock"),
                "button": "Check the clock",
            }
        )
    standing = (
        select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.state_at)
    )
    for connection in db.session.scalars(
        standing.where(Connection.state == ConnectionState.BROKEN)
    ):
        waiting = _waiting(connection)
        todo.append(
            {
                "tone": "bad",
                "icon": "exclamation-triangle-fill",
                "title": f"{connection.title} has stopped",
                "text": f"{connection.why} {_waits(waiting)}".strip(),
                "href": url_for("admin.connection", slug=connection.slug),
                "button": "Fix the connection",
            }
        )
    for connection in db.session.scalars(
        standing.where(Connection.state == ConnectionState.DISABLED)
    ):
        if waiting := _waiting(connection):
            todo.append(
                {
                    "tone": "warn",
                    "icon": "toggle-off",
                    "title": f"{connection.title} is disabled, and messages wait for it",
                    "text": _waits(waiting),
                    "href": url_for("admin.connection", slug=connection.slug),
                    "button": "Open the connection",
                }
            )
    sending = list(db.session.scalars(standing.where(Connection.state == ConnectionState.ENABLED)))
    hindered = connection_health.health_of(sending)
    for connection in sending:
        if (told := hindered.get(connection.id)) and not told.passing:
            todo.append(
                {
                    "tone": "warn",
                    "icon": told.icon,
                    "title": f"{connection.title}: {told.title}",
                    "text": told.text,
                    "href": url_for("admin.connection", slug=connection.slug),
                    "button": "Open the connection",
                }
            )
    for connection in sending:
        held = policy.rules_of(connection)
        share = (
            spending.spending_of(connection.id, now()).share(held)
            if held.capped and held.spends
            else 0
        )
        if share >= spending.ALERT:
            todo.append(
                {
                    "tone": "bad" if share >= 1 else "warn",
                    "icon": "cash-coin",
                    "title": f"{connection.title} has spent {share:.0%} of what its rules allow",
                    "text": (
                        "What would pass the limit is not sent. Look at what went out before you"
                        " raise it."
                    ),
                    "href": url_for("admin.connection_rules", slug=connection.slug),
                    "button": "Open the rules",
                }
            )
    for template, connection in template_sync.mark_removed():
        todo.append(
            {
                "tone": "warn",
                "icon": "file-earmark-x",
                "title": f"{connection.title} may not send the template {template.name} any more",
                "text": (
                    f"It {_loss(template.state)}. Until one is mapped anew, only people who wrote"
                    " in the last 24 hours are told."
                ),
                "href": url_for("admin.templates"),
                "button": "Open the templates",
            }
        )
    if unknown := message_queries.count_messages((Status.UNKNOWN,), now() - DAY, COUNTED):
        todo.append(
            {
                "tone": "warn",
                "icon": "question-diamond-fill",
                "title": f"The outcome of {plural(unknown, 'message')} is not known",
                "text": "We ask the provider. What stays unknown can be sent again by hand.",
                "href": url_for("admin.messages", show="unknown"),
                "button": "Look at them",
            }
        )
    if lost := message_queries.count_messages(LOST, now() - DAY, COUNTED):
        todo.append(
            {
                "tone": "warn",
                "icon": "x-octagon",
                "title": f"{plural(lost, 'message')} of the last day did not arrive",
                "text": "Each says why, and what can be done.",
                "href": url_for("admin.messages", show="lost"),
                "button": "Look at them",
            }
        )
    if late := _count(
        Message.status == Status.QUEUED,
        Message.due_at < now() - LATE,
        Message.connection_id.in_(provider_health.healthy_since(now() - LATE)),
    ):
        todo.append(
            {
                "tone": "bad",
                "icon": "hourglass-split",
                "title": f"{plural(late, 'message')} should have gone out a minute ago",
                "text": (
                    "The workers may be stopped. Look at the terminal or the service that runs hub"
                    " worker."
                ),
                "href": url_for("admin.messages", status="queued"),
                "button": "Look at them",
            }
        )
    strange = (
        db.session.scalar(
            select(func.count()).select_from(
                select(Receipt.id)
                .where(Receipt.error != "", Receipt.id > id_at("rcp", now() - DAY))
                .limit(100)
                .subquery()
            )
        )
        or 0
    )
    if unreadable := len(unreadable_rows.list_rows()):
        todo.append(
            {
                "tone": "bad",
                "icon": "file-earmark-x",
                "title": f"{plural(unreadable, 'database row')} cannot be read",
                "text": "Signpost set them aside. All other messages and webhooks continue.",
                "href": url_for("admin.unreadable_rows"),
                "button": "View unreadable rows",
            }
        )
    if strange:
        todo.append(
            {
                "tone": "warn",
                "icon": "inbox",
                "title": f"{plural(strange, 'callback')} could not be settled",
                "text": (
                    f"Signpost tries each again for {process_callbacks.LOOK_FOR.seconds // 60}"
                    " minutes. The list says why it could not apply them."
                ),
                "href": url_for("admin.receipts"),
                "button": "Look at them",
            }
        )
    return todo


def _loss(state: str) -> str:
    return "has other variables now" if state == "approved" else f"is {state}"


def _waiting(connection: Connection) -> int:
    return _count(
        Message.connection_id == connection.id,
        Message.status == Status.QUEUED,
        Message.due_at.is_not(None),
    )


def _waits(count: int) -> str:
    if not count:
        return ""
    return (
        f"{plural(count, 'message waits', 'messages wait')} and {'goes' if count == 1 else 'go'}"
        " out once it sends again."
    )


def _count(*conditions: Any) -> int:
    return (
        db.session.scalar(
            select(func.count()).select_from(
                select(Message.id).where(*conditions).limit(COUNTED).subquery()
            )
        )
        or 0
    )


def _tiles(day: DailyStats) -> list[dict[str, Any]]:
    arrived = day.count(ARRIVED)
    lost = day.count(LOST)
    way = day.on_the_way()
    took = sorted(chain.from_iterable(day.seconds.values()))
    settled = arrived + lost
    kept = day.count((Status.SUPPRESSED,))
    by_rules = f"; {number(kept)} kept back by rules" if kept else ""
    newest = f" (the newest {number(len(took))})" if len(took) < arrived else ""
    return [
        {
            "title": "Messages in 24 hours",
            "value": number(day.count(list(Status))),
            "text": f"{number(way)} on the way",
            "spark": day.hours,
            "told": f"Messages per hour over the last day, {day.hours[-1]} in the last hour",
        },
        {
            "title": "Arrived",
            "value": percent(arrived, settled),
            "text": f"{number(arrived)} of {number(settled)} settled",
            "spark": (),
            "told": "",
        },
        {
            "title": "Median time",
            "value": duration(median(took)) if took else "–",
            "text": (
                "From plan to handset; 95% under"
                f" {duration(took[int(len(took) * 0.95)] if len(took) > 1 else took[0])}{newest}"
                if took
                else "Nothing has arrived yet"
            ),
            "spark": (),
            "told": "",
        },
        {
            "title": "Did not arrive",
            "value": number(lost),
            "text": f"Failed, undelivered or expired{by_rules}",
            "spark": (),
            "told": "",
        },
    ]


def _channels(day: DailyStats) -> list[dict[str, Any]]:
    sent = [status for status in Status if status not in (Status.SUPPRESSED, Status.CANCELED)]
    return [
        {
            "channel": channel,
            "sent": day.count(sent, channel),
            "read": day.count((Status.READ,), channel) or None,
            "delivered": None if day.silent(channel) else day.count((Status.DELIVERED,), channel),
            "on_the_way": day.on_the_way(channel),
            "lost": day.count(LOST, channel),
            "median": median(times) if (times := day.seconds[channel]) else None,
        }
        for channel in day.channels
    ]


def _start() -> dict[str, Any]:
    """Say how to get from here to the first message."""
    config: Config = current_app.extensions["hub.config"]
    connected = (
        db.session.scalar(select(Connection.id).where(Connection.archived_at.is_(None)).limit(1))
        is not None
    )
    enabled = (
        db.session.scalar(
            select(Connection.id).where(Connection.state == ConnectionState.ENABLED).limit(1)
        )
        is not None
    )
    steps = [
        ("Connect a channel", "done" if connected else "here"),
        ("Enable it", "done" if enabled else "here" if connected else ""),
        ("Make an API key", "here" if enabled else ""),
        ("Post an event", ""),
    ]
    return {
        "curl": "",
        "steps": steps,
        "href": url_for("api_document.docs") if enabled else url_for("admin.integrations"),
        "button": "How to post an event" if enabled else "Choose a channel",
        "address": config.public_url,
    }
