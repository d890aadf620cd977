"""List people: the contacts of signers, senders and everyone who wrote."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from sqlalchemy import select

from hub.admin.auth.guard import admin, require_role
from hub.admin.contacts import people_rows
from hub.admin.view.pagination import paginate_query
from hub.core.vocabulary import Address, Role
from hub.db.engine import db
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Contact

KINDS: dict[str, str] = {
    "": "All",
    Address.PHONE: "Phone numbers",
    Address.EMAIL: "Email addresses",
    Address.CHAT: "Chats",
}


@admin.get("/people")
@require_role(Role.VIEWER)
def people() -> Any:
    """List people, the newest first."""
    kind = request.args.get("kind", "")
    query = select(Contact).where(Contact.erased_at.is_(None))
    if kind:
        query = query.where(Contact.kind == kind)
    # the channel of a team is not a person
    destinations = db.session.scalars(
        select(Connection.destination).where(Connection.destination != "")
    ).all()
    query = query.where(Contact.address.not_in(destinations))
    page = paginate_query(query, Contact.id, "ctc", {"kind": kind} if kind else {})
    readable = unreadable_rows.readable_rows("contacts", page.rows, lambda row: row)
    return render_template(
        "people.html",
        rows=people_rows.list_people(readable),
        filters=[
            {
                "title": title,
                "href": url_for("admin.people", kind=value or None),
                "here": value == kind,
            }
            for value, title in KINDS.items()
        ],
        filtered=bool(kind),
        newer=page.newer,
        older=page.older,
    )
