"""Show the overview: items that need attention, and the statistics of the last day."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import Any

from flask import current_app, render_template, url_for
from sqlalchemy import select

from hub.admin.auth.guard import admin, require_role
from hub.admin.overview import attention_items, daily_stats
from hub.admin.overview.daily_stats import ARRIVED, LOST, DailyStats
from hub.admin.view.datetimes import local
from hub.admin.view.filters import duration, number, percent
from hub.admin.view.message_rows import rows
from hub.core.config import Config
from hub.core.vocabulary import ConnectionState, Role, Status
from hub.db.engine import db
from hub.db.types import now
from hub.lib.localized import format_date
from hub.models import Connection, Message

NEWEST = 8


@admin.get("/")
@require_role(Role.VIEWER)
def overview() -> Any:
    """Show the items that need attention, and the last 24 hours."""
    newest = list(db.session.scalars(select(Message).order_by(Message.id.desc()).limit(NEWEST)))
    day = daily_stats.read_daily_stats()
    local_time = local(now())
    return render_template(
        "overview.html",
        day=format_date(local_time.date(), "EEEE, MMMM d"),
        attention_items=attention_items.list_items(),
        tiles=_tiles(day) if newest else [],
        channels=_channels(day),
        rows=rows(newest),
        start=None if newest else _start(),
    )


def _tiles(day: DailyStats) -> list[dict[str, Any]]:
    arrived = day.count(ARRIVED)
    failed = day.count(LOST)
    suppressed = day.count((Status.SUPPRESSED,))
    blocked = f" {number(suppressed)} more were blocked." if suppressed else ""
    return [
        _tile(
            "Messages in 24 hours",
            number(day.count(list(Status))),
            f"{number(day.in_progress())} in progress",
            spark=day.hours,
            spark_label=f"Messages per hour in the last 24 hours, {day.hours[-1]} in the last hour",
        ),
        _tile(
            "Delivered",
            percent(arrived, arrived + failed),
            f"{number(arrived)} of {number(arrived + failed)} with a final status",
        ),
        _median_tile(sorted(chain.from_iterable(day.seconds.values())), arrived),
        _tile("Failed", number(failed), f"Includes undelivered and expired messages.{blocked}"),
    ]


def _median_tile(seconds: list[float], arrived: int) -> dict[str, Any]:
    """Return the tile with the median delivery time.

    `seconds`: sorted times of the newest delivered messages. `arrived`: all delivered messages.
    """
    if not seconds:
        return _tile("Median time", "–", "Nothing delivered yet")
    percentile_95 = seconds[int(len(seconds) * 0.95)] if len(seconds) > 1 else seconds[0]
    newest = f" (the newest {number(len(seconds))})" if len(seconds) < arrived else ""
    text = f"Queued to delivered. 95% take less than {duration(percentile_95)}{newest}."
    return _tile("Median time", duration(median(seconds)), text)


def _tile(
    title: str, value: str, text: str, *, spark: Sequence[int] = (), spark_label: str = ""
) -> dict[str, Any]:
    return {
        "title": title,
        "value": value,
        "text": text,
        "spark": spark,
        "spark_label": spark_label,
    }


def _channels(day: DailyStats) -> list[dict[str, Any]]:
    sent = [status for status in Status if status not in (Status.SUPPRESSED, Status.CANCELED)]
    return [
        {
            "channel": channel,
            "sent": day.count(sent, channel),
            "read": day.count((Status.READ,), channel) or None,
            "delivered": None
            if day.reports_no_deliveries(channel)
            else day.count((Status.DELIVERED,), channel),
            "unreported": day.without_report(channel),
            "in_progress": day.in_progress(channel),
            "failed": day.count(LOST, channel),
            "median": median(times) if (times := day.seconds[channel]) else None,
        }
        for channel in day.channels
    ]


def _start() -> dict[str, Any]:
    """Return the steps to the first message, with the state of each."""
    config: Config = current_app.extensions["hub.config"]
    connected = _exists(Connection.archived_at.is_(None) & Connection.source_id.is_(None))
    enabled = _exists(
        (Connection.state == ConnectionState.ENABLED) & Connection.source_id.is_(None)
    )
    states = ["done" if connected else "here", "done" if enabled else "", "", ""]
    if "here" not in states:
        states[states.index("")] = "here"
    titles = ("Connect a channel", "Enable the channel", "Create an API key", "Post an event")
    return {
        "curl": "",
        "steps": list(zip(titles, states, strict=True)),
        "href": url_for("api_document.docs") if enabled else url_for("admin.integrations"),
        "button": "How to post an event" if enabled else "Choose a channel",
        "address": config.public_url,
    }


def _exists(condition: Any) -> bool:
    return db.session.scalar(select(Connection.id).where(condition).limit(1)) is not None
