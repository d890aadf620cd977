"""A contact: what may be sent to an address now, what was, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from sqlalchemy import select
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired

from hub import integrations
from hub.accounts import sources
from hub.admin.auth.guard import admin, may, needs
from hub.admin.contacts.suppressions import REASONS
from hub.admin.overview.damage import describe_damage
from hub.admin.view import confirmation
from hub.admin.view.filters import phone
from hub.admin.view.forms import blame, posted
from hub.admin.view.message_rows import name_of, rows
from hub.admin.view.status_badges import channel_title
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import Address, Channel, Role
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.messaging.contacts import consents, contact_links, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.policy import session_windows
from hub.messaging.policy.policy import sender_key
from hub.models import Connection, Consent, Contact, Conversation, Message

SHOWN = 25
KINDS: dict[str, str] = {
    Address.PHONE: "Phone number",
    Address.EMAIL: "Email address",
    Address.CHAT: "Chat",
    Address.EXTERNAL: "Provider ID",
}
SOURCES = {
    "api": "Signing app",
    "admin": "Recorded manually",
    "import": "Import",
    "keyword": "Keyword reply",
    "link": "Invitation link",
}


@dataclass(frozen=True)
class Window:
    """The session window of a contact with one sender: open for free text, or closed."""

    channel: str
    title: str
    href: str
    state: str
    open: bool
    talk: str  # the address of the conversation, '' when the contact never wrote


class ConsentForm(FlaskForm):  # type: ignore[misc]
    """Record a contact's consent or objection."""

    given = SelectField(
        "Decision", choices={"yes": "Consents to messages", "no": "Refuses messages"}
    )
    channel = SelectField(
        "Channel",
        choices=lambda: {
            "": "Every channel",
            **{one.value: channel_title(one.value) for one in Channel},
        },
    )
    proof = StringField(
        "Evidence",
        [InputRequired("Enter the evidence: who said it, when, and in which words.")],
        description="For example: by phone on May 3, “Please text me.” Stored encrypted.",
    )


@admin.get("/contacts/<contact_id>")
@needs(Role.VIEWER)
@describe_damage("contacts")
def contact(contact_id: str) -> Any:
    """Show a contact."""
    return _page(_find(contact_id), ConsentForm(formdata=None))


@admin.post("/contacts/<contact_id>")
@needs(Role.OPERATOR)
def record_consent(contact_id: str) -> Any:
    """Write down what a person said about messages."""
    one = _find(contact_id)
    form = ConsentForm()
    if not form.validate():
        return _page(one, form), 422
    said_ = ConsentEntry(
        one.address, form.given.data == "yes", form.channel.data or "", proof=form.proof.data or ""
    )
    try:
        consents.record_consent(said_, source=consents.BY_ADMIN, test=one.test)
    except Refused as refusal:
        blame(form, refusal)
        return _page(one, form), 422
    flash(
        "Consent decision recorded. You can record a later decision, but not change this one.",
        "good",
    )
    return redirect(url_for("admin.contact", contact_id=one.id), 303)


def _find(contact_id: str) -> Contact:
    one = db.session.get(Contact, contact_id) if is_id("ctc", contact_id) else None
    if one is None:
        abort(404)
    return one


def _page(one: Contact, form: ConsentForm) -> str:
    newest = db.session.scalars(
        select(Message).where(Message.contact_id == one.id).order_by(Message.id.desc()).limit(SHOWN)
    ).all()
    return render_template(
        "contact.html",
        contact=one,
        who=name_of(one),
        windows=contact_of(one),
        rows=rows(newest),
        closed=_closed(one),
        history=_history(one),
        form=(
            form
            if may(Role.OPERATOR)
            and one.kind in (Address.PHONE, Address.EMAIL)
            and one.erased_at is None
            else None
        ),
        may_erase=may(Role.ADMIN) and one.erased_at is None,
        links=_links(one),
        may_undo=may(Role.ADMIN),
    )


@admin.route("/contacts/<contact_id>/links/<link_id>/undo", methods=["GET", "POST"])
@needs(Role.ADMIN)
def undo_link(contact_id: str, link_id: str) -> Any:
    """Ask whether two contacts are two people, and separate them."""
    one = _find(contact_id)
    linked = {row.id: other for row, other in contact_links.links_of(one)}
    if link_id not in linked:
        abort(404)
    if not posted():
        return _confirm_undoing(one, linked[link_id])
    contact_links.unlink_contacts(link_id)
    flash(
        "Link undone. Opt-outs and windows of the other contact no longer apply to this one.",
        "good",
    )
    return redirect(url_for("admin.contact", contact_id=one.id), 303)


def _confirm_undoing(one: Contact, other: Contact) -> str:
    here = url_for("admin.contact", contact_id=one.id)
    names = [phone(name_of(contact)) for contact in (one, other)]
    return confirmation.ask(
        f"Undo link with {names[1]}",
        [
            f"Opt-outs, consents and 24-hour windows of {names[1]} no longer apply to {names[0]},"
            f" and those of {names[0]} no longer apply to {names[1]}.",
            "Messages that an opt-out of the other contact blocked are allowed again. Signpost does"
            " not link these two contacts again.",
        ],
        button="Undo link",
        cancel=here,
        crumbs=[("Messages", url_for("admin.messages")), (names[0], here)],
    )


def _links(one: Contact) -> list[dict[str, Any]]:
    """Return the contacts that are the same person, and what opts them out."""
    return [
        {
            "id": row.id,
            "who": name_of(other),
            "kind": KINDS.get(other.kind, other.kind),
            "since": row.linked_at,
            "href": url_for("admin.contact", contact_id=other.id),
            "closed": _closed(other),
        }
        for row, other in contact_links.links_of(one)
    ]


def _closed(one: Contact) -> list[dict[str, Any]]:
    """Return what closes the address now, in words."""
    of_sources = sources.names()
    return [
        {
            "on": channel_title(row.channel) if row.channel else "every channel",
            "reason": REASONS.get(row.reason, row.reason),
            "why": row.explanation,
            "code": row.code,
            "since": row.since,
            "id": row.id,
            "source": of_sources.get(row.source_id or "", ""),
        }
        for row in suppressions.opt_outs_of_contact(one)
        if row.lifted_at is None
    ]


def _history(one: Contact) -> list[dict[str, Any]]:
    """Return what the contact said yes or no to, and when the address was closed and opened, newest
    first.
    """
    of_sources = sources.names()
    said_ = db.session.scalars(
        select(Consent).where(Consent.contact_id == one.id).order_by(Consent.id.desc()).limit(SHOWN)
    )
    found = [
        {
            "what": "Consent given" if row.given else "Consent refused",
            "more": row.purpose,
            "channel": row.channel,
            "by": SOURCES.get(row.evidence, row.evidence),
            "at": row.at,
            "source": of_sources.get(row.source_id or "", ""),
        }
        for row in said_
    ]
    for row in suppressions.opt_outs_of_contact(one)[:SHOWN]:
        if row.lifted_at == row.since:  # let in without having been out
            continue
        by = REASONS.get(row.reason, row.reason)
        where = {"channel": row.channel, "source": of_sources.get(row.source_id or "", "")}
        found.append(
            {
                "what": "Opted out",
                "more": row.explanation or row.code,
                "by": by,
                "at": row.since,
                **where,
            }
        )
        if row.lifted_at is not None:
            found.append(
                {
                    "what": "Opt-out removed",
                    "more": row.lift_reason,
                    "by": "",
                    "at": row.lifted_at,
                    **where,
                }
            )
    return sorted(found, key=lambda line: line["at"], reverse=True)[:SHOWN]


def contact_of(one: Contact) -> list[Window]:
    """Return the windows of a contact to every sender that asks for one, or that the contact has
    written to.
    """
    talks = {
        talk.connection_id: talk
        for talk in db.session.scalars(
            select(Conversation).where(Conversation.contact_id == one.id)
        )
    }
    found = []
    standing = (
        select(Connection)
        .where(Connection.archived_at.is_(None), Connection.test == one.test)
        .order_by(Connection.title)
    )
    for connection in db.session.scalars(standing):
        talk = talks.get(connection.id)
        asks = asks_for(connection) and (
            talk is not None or integrations.get(connection.integration).address == one.kind
        )
        if not asks and talk is None:
            continue
        until = (
            session_windows.closing_times(sender_key(connection.info), [one.id]).get(one.id)
            if asks
            else None
        )
        found.append(
            Window(
                channel=connection.channel,
                title=connection.title,
                href=url_for("admin.connection", slug=connection.slug),
                state=consent_label(until) if asks else "Always open",
                open=not asks or until is not None,
                talk=url_for("admin.conversation", conversation_id=talk.id) if talk else "",
            )
        )
    return found


def consent_label(until: datetime | None) -> str:
    """Say whether free text may go, and how much longer."""
    if until is None:
        return "Closed until they message you"
    minutes = max(int((until - now()).total_seconds() // 60), 0)
    return (
        f"Open for {minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"Open for {minutes} min"
    )


def asks_for(connection: Connection) -> bool:
    """Tell whether free text may go only for some time after a person wrote."""
    try:
        return integrations.get(connection.integration).session_window > 0
    except NotFound:
        return False
