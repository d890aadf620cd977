"""A contact: what may be sent to an address now, what was, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, render_template, url_for
from sqlalchemy import select

from hub import integrations
from hub.admin.guard import admin, needs
from hub.admin.looks import channel_title
from hub.admin.rows import name_of, rows
from hub.admin.suppressions import REASONS
from hub.errors import NotFound
from hub.extensions import db
from hub.messaging import suppressions, windows
from hub.models import Connection, Consent, Contact, Conversation, Message
from hub.models.types import is_id, now
from hub.vocabulary import Role

SHOWN = 25


@dataclass(frozen=True)
class Window:
    """Whether free text may go to a contact from one sender."""

    channel: str
    title: str
    href: str
    state: str
    open: bool
    talk: str  # the address of the conversation, '' when the contact never wrote


@admin.get("/contacts/<contact_id>")
@needs(Role.VIEWER)
def contact(contact_id: str) -> Any:
    """Show a contact."""
    one = db.session.get(Contact, contact_id) if is_id("ctc", contact_id) else None
    if one is None:
        abort(404)
    newest = db.session.scalars(select(Message).where(Message.contact_id == one.id).order_by(Message.id.desc()).limit(SHOWN)).all()
    return render_template(
        "contact.html", contact=one, who=name_of(one), windows=of(one), rows=rows(newest), closed=_closed(one), consents=_consents(one)
    )


def _closed(one: Contact) -> list[dict[str, Any]]:
    """Return what closes the address now, in words."""
    return [
        {"on": channel_title(row.channel) if row.channel else "every channel", "reason": REASONS.get(row.reason, row.reason),
         "why": row.why, "code": row.code, "since": row.since, "id": row.id}
        for row in suppressions.of_contact(one) if row.lifted_at is None
    ]  # fmt: skip


def _consents(one: Contact) -> list[Consent]:
    """Return the newest of what the contact said yes or no to."""
    return list(db.session.scalars(select(Consent).where(Consent.contact_id == one.id).order_by(Consent.id.desc()).limit(SHOWN)))


def of(one: Contact) -> list[Window]:
    """Return the windows of a contact to every sender that asks for one, or that the contact has written to."""
    talks = {talk.connection_id: talk for talk in db.session.scalars(select(Conversation).where(Conversation.contact_id == one.id))}
    found = []
    standing = select(Connection).where(Connection.archived_at.is_(None), Connection.test == one.test).order_by(Connection.title)
    for connection in db.session.scalars(standing):
        talk = talks.get(connection.id)
        asks = asks_for(connection) and (talk is not None or integrations.get(connection.integration).address == one.kind)
        if not asks and talk is None:
            continue
        until = windows.closing(connection.sender, [one.id]).get(one.id) if asks else None
        found.append(Window(
            channel=connection.channel, title=connection.title, href=url_for("admin.connection", slug=connection.slug),
            state=said(until) if asks else "Always", open=not asks or until is not None,
            talk=url_for("admin.conversation", conversation_id=talk.id) if talk else "",
        ))  # fmt: skip
    return found


def said(until: datetime | None) -> str:
    """Say whether free text may go, and how much longer."""
    if until is None:
        return "Closed, until they write"
    minutes = max(int((until - now()).total_seconds() // 60), 0)
    return f"Open for {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"Open for {minutes} min"


def asks_for(connection: Connection) -> bool:
    """Tell whether free text may go only for some time after a person wrote."""
    try:
        return integrations.get(connection.integration).session_window > 0
    except NotFound:
        return False
