"""The list of messages: filtered, searched, paged."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import flash, render_template, request, url_for
from sqlalchemy import select

from hub.admin.auth.guard import admin, needs
from hub.admin.view.message_rows import rows
from hub.admin.view.pagination import paged
from hub.admin.view.status_badges import channel_title, message_badge
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Address, Channel, Role, Status
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.lib import phones
from hub.messaging.track import message_queries
from hub.models import Connection, Message

COUNTED = 1000  # chips count no further
DAY = timedelta(hours=24)
WAY = "way"
# what an admin asks for: name, title, icon, the statuses that are meant
GROUPS: tuple[tuple[str, str, str, tuple[Status, ...]], ...] = (
    ("lost", "Failed", "x-octagon-fill", (Status.FAILED, Status.UNDELIVERED)),
    ("unknown", "Unknown", "question-diamond-fill", (Status.UNKNOWN,)),
    (WAY, "In progress", "clock", (Status.QUEUED, Status.SENDING, Status.ACCEPTED, Status.SENT)),
    ("arrived", "Delivered", "check-circle-fill", (Status.DELIVERED, Status.READ)),
    ("unsent", "Not sent", "slash-circle", (Status.SUPPRESSED, Status.CANCELED, Status.EXPIRED)),
)
NAMES = ("show", "status", "channel", "connection", "test", "q")


@admin.get("/messages")
@needs(Role.VIEWER)
def messages() -> Any:
    """List messages, newest first."""
    keep = {name: value for name in NAMES if (value := request.args.get(name, "").strip())}
    branches = _branches(keep)
    found = paged(
        lambda before, after, limit: message_queries.newest_messages(
            branches, limit, before=before, after=after
        ),
        "msg",
        keep,
    )
    connections = list(
        db.session.scalars(
            select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.title)
        )
    )
    return render_template(
        "messages.html",
        rows=rows(found.rows),
        filters=_chips(keep),
        more=_more(keep, connections),
        on=_on(keep),
        q=keep.get("q", ""),
        keep={name: value for name, value in keep.items() if name != "q"},
        newer=found.newer,
        older=found.older,
        filtered=bool(keep),
    )


def _branches(keep: dict[str, str]) -> message_queries.Branches:
    """Return what finds the messages that filters and search ask for."""
    asked = [set(statuses) for name, _, _, statuses in GROUPS if keep.get("show") == name]
    if "status" in keep:
        asked.append({Status(keep["status"])} if keep["status"] in list(Status) else set())
    q = keep.get("q", "")
    if q.lower() in list(Status) and not message_queries.match_request(q):
        asked.append({Status(q.lower())})
        q = ""
    statuses = set.intersection(*asked) if asked else set()
    if asked and not statuses:
        return []
    test = {"0": False, "1": True}.get(keep.get("test", ""))
    filters = message_queries.Filters(
        statuses,
        channel=keep.get("channel", ""),
        slug=keep.get("connection", ""),
        test=test,
        expecting=keep.get("show") == WAY,
    )
    return filters.narrow(_meant(q)) if q else filters.branches()


def _meant(q: str) -> message_queries.Branches:
    """Return what a search can mean: an id of ours or the provider's, an address, a request, a
    code.
    """
    found = message_queries.match_provider_id(q) + message_queries.match_request(q)
    try:
        found += message_queries.match_address(
            [*((Address.PHONE, number) for number in _numbers(q)), *((kind, q) for kind in Address)]
        )
    except (
        DecryptionError
    ) as problem:  # the key that addresses are found by does not open; everything else still does
        flash(f"Signpost cannot search addresses. {problem}", "bad")
    if is_id("msg", q):
        found.append(Message.id == q)
    if q.isdecimal() and len(q) <= 6:
        found += message_queries.match_code(q)
    return found


def _numbers(q: str) -> list[str]:
    """Return the phone number that a search means; its + may be left out."""
    for text in (q, f"+{q}"):
        with suppress(ValueError):
            return [phones.parse_typed(text)]
    return []


def _chips(keep: dict[str, str]) -> list[dict[str, Any]]:
    here = keep.get("show", "")
    chips: list[dict[str, Any]] = [
        {"title": "All", "href": _link(keep, show=None), "here": not here, "icon": ""}
    ]
    for name, title, icon, statuses in GROUPS:
        count = _count(name, statuses)
        chips.append(
            {
                "title": title,
                "href": _link(keep, show=name),
                "here": here == name,
                "icon": icon,
                "count": count if 0 < count < COUNTED else None,
            }
        )
    return chips


def _count(name: str, statuses: tuple[Status, ...]) -> int:
    """Count a group's messages of the last day: the page must not get slower as tables grow."""
    count = message_queries.count_messages(statuses, now() - DAY, COUNTED)
    quiet = message_queries.silent_connections() if name == WAY else []
    over = [status for status in statuses if status.awaits_report]
    return (
        count - message_queries.count_messages(over, now() - DAY, COUNTED, connection_ids=quiet)
        if quiet
        else count
    )


def _more(
    keep: dict[str, str], connections: list[Connection]
) -> list[tuple[str, list[dict[str, Any]]]]:
    used = {connection.channel for connection in connections}
    channels = [
        _choice(keep, "channel", channel, channel_title(channel))
        for channel in Channel
        if channel in used
    ]
    return [
        (title, choices)
        for title, choices in (
            ("Channel", channels),
            (
                "Connection",
                [
                    _choice(keep, "connection", connection.slug, connection.title)
                    for connection in connections
                ],
            ),
            (
                "Kind",
                [
                    _choice(keep, "test", "0", "Live messages"),
                    _choice(keep, "test", "1", "Test messages"),
                ],
            ),
        )
        if choices
    ]


def _choice(keep: dict[str, str], name: str, value: str, title: str) -> dict[str, Any]:
    return {"title": title, "href": _link(keep, **{name: value}), "here": keep.get(name) == value}


def _on(keep: dict[str, str]) -> list[tuple[str, str]]:
    titles = {
        "channel": channel_title(keep.get("channel", "")),
        "connection": keep.get("connection", ""),
        "test": "Test messages" if keep.get("test") == "1" else "Live messages",
        "status": message_badge(keep.get("status", "")).word,
    }
    return [(title, _link(keep, **{name: None})) for name, title in titles.items() if name in keep]


def _link(keep: dict[str, str], **changed: str | None) -> str:
    words: dict[str, Any] = {**keep, **changed}
    return url_for("admin.messages", **{name: value for name, value in words.items() if value})
