"""List people: the contacts of signers, senders and everyone who wrote."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from sqlalchemy import select

from hub.admin.auth.guard import admin, require_role
from hub.admin.contacts import people_rows
from hub.admin.view import pagination
from hub.admin.view.status_badges import channel_title
from hub.core.vocabulary import TEXT_CHANNELS, Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.lib.localized import format_number
from hub.messaging.state import unreadable_rows
from hub.messaging.track import people_queries
from hub.messaging.track.people_queries import PeopleFilter, PeoplePage
from hub.models import Contact

CONSENTS: dict[str, str] = {
    "recorded": "Consent recorded",
    "missing": "No consent recorded",
    "refused": "Consent refused",
    "opted_out": "Opted out or not reachable",
}
REQUESTS: dict[str, str] = {"open": "With open requests"}
GROUPS = {"consent": ("Consent", CONSENTS), "requests": ("Requests", REQUESTS)}


@admin.get("/people")
@require_role(Role.VIEWER)
def people() -> Any:
    """List people, those with the newest messages first.

    `channel`, `consent` and `requests` are filters. A URL holds no names and no addresses.
    """
    active = _active_filters()
    before, after = (_position(name) for name in ("before", "after"))
    page = people_queries.read_page(
        PeopleFilter(active.get("channel", ""), active.get("consent", ""), "requests" in active),
        before=before,
        after=after,
        size=pagination.ROWS,
    )
    rows = _read_contacts(page)
    return render_template(
        "people.html",
        rows=people_rows.list_people(rows),
        filters=_channel_chips(active),
        more=_more_filters(active),
        active=[
            (choices[active[name]], _url(active, **{name: None}))
            for name, (_, choices) in GROUPS.items()
            if name in active
        ],
        filtered=bool(active),
        summary=_summary(page, len(rows)),
        newer=_url(active, after=page.newer) if page.newer else None,
        older=_url(active, before=page.older) if page.older else None,
    )


def _active_filters() -> dict[str, str]:
    """Return the filters of the URL; unknown values are left out."""
    known = {"channel": TEXT_CHANNELS, **{name: choices for name, (_, choices) in GROUPS.items()}}
    return {
        name: value for name in known if (value := request.args.get(name, "")) in {*known[name]}
    }


def _position(name: str) -> str:
    """Return the position in the list that a parameter names, or ''."""
    value = request.args.get(name, "")
    is_position = is_id(people_queries.MESSAGE, value) or is_id(people_queries.CONTACT, value)
    return value if is_position else ""


def _url(active: dict[str, str], **changes: str | None) -> str:
    parameters: dict[str, Any] = {**active, **changes}
    return url_for("admin.people", **parameters)


def _read_contacts(page: PeoplePage) -> list[Contact]:
    """Return the contacts of a page in their order, without those that cannot be read."""
    query = select(Contact).where(Contact.id.in_(page.contact_ids))
    found = {row.id: row for row in db.session.scalars(query)}
    ordered = [found[row_id] for row_id in page.contact_ids if row_id in found]
    return unreadable_rows.readable_rows("contacts", ordered, lambda row: row)


def _channel_chips(active: dict[str, str]) -> list[dict[str, Any]]:
    titles = {"": "All", **{channel.value: channel_title(channel) for channel in TEXT_CHANNELS}}
    return [
        {
            "title": title,
            "href": _url(active, channel=value or None),
            "here": active.get("channel", "") == value,
        }
        for value, title in titles.items()
    ]


def _more_filters(active: dict[str, str]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        (
            title,
            [
                {
                    "title": choice,
                    "href": _url(active, **{name: value}),
                    "here": active.get(name) == value,
                }
                for value, choice in choices.items()
            ],
        )
        for name, (title, choices) in GROUPS.items()
    ]


def _summary(page: PeoplePage, shown: int) -> str:
    """Return how many people the page shows, and how many there are."""
    of_all = ""
    if page.is_exact:
        of_all = f" of {format_number(page.count)}"
    elif page.count >= people_queries.MAX_COUNTED:
        of_all = f" of more than {format_number(people_queries.MAX_COUNTED)}"
    return f"Showing {shown}{of_all}, the newest message first."
