"""List messages, with filters, search and pages."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import flash, render_template, request, url_for
from sqlalchemy import select

from hub.admin.auth.guard import admin, require_role
from hub.admin.view.message_rows import rows
from hub.admin.view.pagination import paginate
from hub.admin.view.status_badges import channel_title, message_badge
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Address, Channel, Role, Status
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.lib import phones
from hub.messaging.track import message_queries
from hub.models import Connection, Message

MAX_COUNT = 1000  # the highest number in a filter
DAY = timedelta(hours=24)
IN_PROGRESS = "way"
# the filters: name, title, icon, statuses
GROUPS: tuple[tuple[str, str, str, tuple[Status, ...]], ...] = (
    ("lost", "Failed", "x-octagon-fill", (Status.FAILED, Status.UNDELIVERED)),
    ("unknown", "Unknown", "question-diamond-fill", (Status.UNKNOWN,)),
    (
        IN_PROGRESS,
        "In progress",
        "clock",
        (Status.QUEUED, Status.SENDING, Status.ACCEPTED, Status.SENT),
    ),
    ("arrived", "Delivered", "check-circle-fill", (Status.DELIVERED, Status.READ)),
    ("unsent", "Not sent", "slash-circle", (Status.SUPPRESSED, Status.CANCELED, Status.EXPIRED)),
)
NAMES = ("show", "status", "channel", "connection", "test", "q")


@admin.get("/messages")
@require_role(Role.VIEWER)
def messages() -> Any:
    """List messages, newest first."""
    active_filters = {
        name: value for name in NAMES if (value := request.args.get(name, "").strip())
    }
    branches = _branches(active_filters)
    page = paginate(
        lambda before, after, limit: message_queries.newest_messages(
            branches, limit, before=before, after=after
        ),
        "msg",
        active_filters,
    )
    connections = list(
        db.session.scalars(
            select(Connection)
            .where(Connection.archived_at.is_(None), Connection.source_id.is_(None))
            .order_by(Connection.title)
        )
    )
    return render_template(
        "messages.html",
        rows=rows(page.rows),
        filters=_chips(active_filters),
        more=_more_filters(active_filters, connections),
        active=_active_filters(active_filters),
        q=active_filters.get("q", ""),
        active_filters={name: value for name, value in active_filters.items() if name != "q"},
        newer=page.newer,
        older=page.older,
        filtered=bool(active_filters),
    )


def _branches(active_filters: dict[str, str]) -> message_queries.Branches:
    """Return the index conditions that select the messages of the filters and the search."""
    status_sets = [
        set(statuses) for name, _, _, statuses in GROUPS if active_filters.get("show") == name
    ]
    if "status" in active_filters:
        status_sets.append(
            {Status(active_filters["status"])}
            if active_filters["status"] in list(Status)
            else set()
        )
    q = active_filters.get("q", "")
    if q.lower() in list(Status) and not message_queries.match_request(q):
        status_sets.append({Status(q.lower())})
        q = ""
    statuses = set.intersection(*status_sets) if status_sets else set()
    if status_sets and not statuses:
        return []
    test = {"0": False, "1": True}.get(active_filters.get("test", ""))
    filters = message_queries.Filters(
        statuses,
        channel=active_filters.get("channel", ""),
        slug=active_filters.get("connection", ""),
        test=test,
        expecting=active_filters.get("show") == IN_PROGRESS,
    )
    return filters.narrow(search_branches(q)) if q else filters.branches()


def search_branches(search_text: str) -> message_queries.Branches:
    """Return the conditions for a search by message ID, provider ID, address, request or code."""
    branches = message_queries.match_provider_id(search_text) + message_queries.match_request(
        search_text
    )
    numbers = [(Address.PHONE, number) for number in _phone_numbers(search_text)]
    try:
        branches += message_queries.match_address(
            [*numbers, *((kind, search_text) for kind in Address)]
        )
    except DecryptionError as error:
        # without the key for hashes of addresses, all other searches still work
        flash(f"Signpost cannot search by phone number or email address. {error}", "bad")
    if is_id("msg", search_text):
        branches.append(Message.id == search_text)
    if search_text.isdecimal() and len(search_text) <= 6:
        branches += message_queries.match_code(search_text)
    return branches


def _phone_numbers(q: str) -> list[str]:
    """Return the phone number in a search, which may lack the leading +."""
    for text in (q, f"+{q}"):
        with suppress(ValueError):
            return [phones.parse_typed(text)]
    return []


def _chips(active_filters: dict[str, str]) -> list[dict[str, Any]]:
    shown_filter = active_filters.get("show", "")
    chips: list[dict[str, Any]] = [
        {
            "title": "All",
            "href": _link(active_filters, show=None),
            "here": not shown_filter,
            "icon": "",
        }
    ]
    for name, title, icon, statuses in GROUPS:
        count = _count(name, statuses)
        chips.append(
            {
                "title": title,
                "href": _link(active_filters, show=name),
                "here": shown_filter == name,
                "icon": icon,
                "count": count if 0 < count < MAX_COUNT else None,
            }
        )
    return chips


def _count(name: str, statuses: tuple[Status, ...]) -> int:
    """Count a group's messages of the last day only, so that the page stays fast."""
    count = message_queries.count_messages(statuses, now() - DAY, MAX_COUNT)
    silent = message_queries.silent_connections() if name == IN_PROGRESS else []
    if not silent:
        return count
    accepted = [status for status in statuses if status.awaits_report]
    return count - message_queries.count_messages(
        accepted, now() - DAY, MAX_COUNT, connection_ids=silent
    )


def _more_filters(
    active_filters: dict[str, str], connections: list[Connection]
) -> list[tuple[str, list[dict[str, Any]]]]:
    used = {connection.channel for connection in connections}
    channels = [
        _choice(active_filters, "channel", channel, channel_title(channel))
        for channel in Channel
        if channel in used
    ]
    by_connection = [
        _choice(active_filters, "connection", connection.slug, connection.title)
        for connection in connections
    ]
    kinds = [
        _choice(active_filters, "test", "0", "Live messages"),
        _choice(active_filters, "test", "1", "Test messages"),
    ]
    groups = [("Channel", channels), ("Connection", by_connection), ("Kind", kinds)]
    return [(title, choices) for title, choices in groups if choices]


def _choice(active_filters: dict[str, str], name: str, value: str, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "href": _link(active_filters, **{name: value}),
        "here": active_filters.get(name) == value,
    }


def _active_filters(active_filters: dict[str, str]) -> list[tuple[str, str]]:
    titles = {
        "channel": channel_title(active_filters.get("channel", "")),
        "connection": active_filters.get("connection", ""),
        "test": "Test messages" if active_filters.get("test") == "1" else "Live messages",
        "status": message_badge(active_filters.get("status", "")).label,
    }
    return [
        (title, _link(active_filters, **{name: None}))
        for name, title in titles.items()
        if name in active_filters
    ]


def _link(active_filters: dict[str, str], **changed: str | None) -> str:
    filters: dict[str, Any] = {**active_filters, **changed}
    return url_for("admin.messages", **{name: value for name, value in filters.items() if value})
