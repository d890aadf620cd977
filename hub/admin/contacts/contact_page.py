"""Show a contact: its messages, consents, opt-outs and session windows."""

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
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.contacts import opt_out_descriptions, people_rows
from hub.admin.contacts.suppressions import reason_label
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.view import confirmation
from hub.admin.view.filters import phone
from hub.admin.view.forms import add_error, is_submitted
from hub.admin.view.message_rows import contact_name, rows
from hub.admin.view.status_badges import channel_title
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import TEXT_CHANNELS, Address, Role
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.messaging.contacts import consents, contact_links, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.policy import opt_out_kinds, session_windows
from hub.messaging.policy.policy import sender_key
from hub.models import Connection, Consent, Contact, Conversation, Message

MAX_ROWS = 25  # of each list
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
    """The session window of a contact with one connection: open for free text, or closed."""

    channel: str
    title: str
    href: str
    state: str
    open: bool
    conversation_url: str  # '' when the contact never sent a message


class ConsentForm(FlaskForm):  # type: ignore[misc]
    """Record a contact's consent or refusal."""

    given = SelectField("Decision", choices={"yes": "Consent given", "no": "Consent refused"})
    channel = SelectField(
        "Channel",
        choices=lambda: {
            "": "Every channel",
            **{channel.value: channel_title(channel.value) for channel in TEXT_CHANNELS},
        },
    )
    proof = StringField(
        "Evidence",
        [InputRequired("Enter the evidence: who consented or refused, when, and in which words.")],
        description="Enter who consented or refused, when, and in which words. For example: Eric"
        " Smith, by phone on May 3, “Please text me.” Stored encrypted.",
    )


@admin.get("/contacts/<contact_id>")
@require_role(Role.VIEWER)
@show_damaged_row_notice("contacts")
def contact(contact_id: str) -> Any:
    """Show a contact."""
    return _page(_find(contact_id), ConsentForm(formdata=None))


@admin.post("/contacts/<contact_id>")
@require_role(Role.OPERATOR)
def record_consent(contact_id: str) -> Any:
    """Record a contact's consent or refusal."""
    row = _find(contact_id)
    form = ConsentForm()
    if not form.validate():
        return _page(row, form), 422
    entry = ConsentEntry(
        row.address, form.given.data == "yes", form.channel.data or "", proof=form.proof.data or ""
    )
    try:
        consents.record_consent(entry, source=consents.BY_ADMIN, test=row.test)
    except Refused as refusal:
        add_error(form, refusal)
        return _page(row, form), 422
    flash(
        "Consent decision recorded. You can record a later decision, but not change this one.",
        "good",
    )
    return redirect(url_for("admin.contact", contact_id=row.id), 303)


def _find(contact_id: str) -> Contact:
    row = db.session.get(Contact, contact_id) if is_id("ctc", contact_id) else None
    return row or abort(404)


def _page(row: Contact, form: ConsentForm) -> str:
    newest = select(Message).where(Message.contact_id == row.id).order_by(Message.id.desc())
    can_consent = row.kind in (Address.PHONE, Address.EMAIL) and row.erased_at is None
    return render_template(
        "contact.html",
        contact=row,
        name=contact_name(row),
        windows=list_windows(row),
        rows=rows(db.session.scalars(newest.limit(MAX_ROWS)).all()),
        requests=people_rows.list_requests(row.id),
        opt_outs=_opt_outs(row),
        history=_history(row),
        form=form if has_role(Role.OPERATOR) and can_consent else None,
        may_erase=has_role(Role.ADMIN) and row.erased_at is None,
        links=_links(row),
        may_undo=has_role(Role.ADMIN),
    )


@admin.route("/contacts/<contact_id>/links/<link_id>/undo", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def separate_contacts(contact_id: str, link_id: str) -> Any:
    """Ask for confirmation, and separate two linked contacts."""
    row = _find(contact_id)
    linked = {link.id: other for link, other in contact_links.list_links(row)}
    if link_id not in linked:
        abort(404)
    if not is_submitted():
        return _confirm_undoing(row, linked[link_id])
    contact_links.unlink_contacts(link_id)
    flash(
        "Link undone. Opt-outs and windows of the other contact no longer apply to this one.",
        "good",
    )
    return redirect(url_for("admin.contact", contact_id=row.id), 303)


def _confirm_undoing(contact: Contact, other: Contact) -> str:
    page_url = url_for("admin.contact", contact_id=contact.id)
    names = [phone(contact_name(row)) for row in (contact, other)]
    return confirmation.ask(
        f"Undo link with {names[1]}",
        [
            f"Opt-outs, consents and 24-hour windows of {names[1]} no longer apply to {names[0]},"
            f" and those of {names[0]} no longer apply to {names[1]}.",
            "Messages that an opt-out of the other contact blocked are allowed again. Signpost does"
            " not link these two contacts again.",
        ],
        button="Undo link",
        cancel=page_url,
        crumbs=[("People", url_for("admin.people")), (names[0], page_url)],
    )


def _links(contact: Contact) -> list[dict[str, Any]]:
    """Return the contacts that are the same person, with their opt-outs."""
    return [
        {
            "id": link.id,
            "name": contact_name(other),
            "kind": KINDS.get(other.kind, other.kind),
            "since": link.linked_at,
            "href": url_for("admin.contact", contact_id=other.id),
            "opt_outs": _opt_outs(other),
        }
        for link, other in contact_links.list_links(contact)
    ]


def _opt_outs(contact: Contact) -> list[dict[str, Any]]:
    """Return descriptions of the contact's active opt-outs."""
    source_names = sources.source_names_by_id()
    rows = [row for row in suppressions.opt_outs_of_contact(contact) if row.lifted_at is None]
    reporters = opt_out_kinds.find_integrations(rows)
    return [
        {
            "channel": opt_out_descriptions.channel_name(row.channel),
            "lead": opt_out_descriptions.lead(row, reporters.get(row.id, "")),
            "problem": opt_out_descriptions.describe_suppression(row, reporters.get(row.id, "")),
            "reason": reason_label(row),
            "explanation": row.explanation,
            "code": row.code,
            "since": row.since,
            "id": row.id,
            "source": source_names.get(row.source_id or "", ""),
        }
        for row in rows
    ]


def _history(contact: Contact) -> list[dict[str, Any]]:
    """Return the contact's consents, refusals and opt-outs, newest first."""
    source_names = sources.source_names_by_id()
    query = select(Consent).where(Consent.contact_id == contact.id).order_by(Consent.id.desc())
    entries = [
        {
            "change": "Consent given" if row.given else "Consent refused",
            "details": row.purpose,
            "channel": row.channel,
            "by": SOURCES.get(row.evidence, row.evidence),
            "at": row.at,
            "source": source_names.get(row.source_id or "", ""),
        }
        for row in db.session.scalars(query.limit(MAX_ROWS))
    ]
    opt_outs = suppressions.opt_outs_of_contact(contact)[:MAX_ROWS]
    reporters = opt_out_kinds.find_integrations(opt_outs)
    for opt_out in opt_outs:
        if opt_out.lifted_at == opt_out.since:  # an opt-in without an earlier opt-out
            continue
        entry = {
            "channel": opt_out.channel,
            "source": source_names.get(opt_out.source_id or "", ""),
        }
        entries.append(
            {
                "change": opt_out_descriptions.label(opt_out, reporters.get(opt_out.id, "")),
                "details": opt_out.explanation or opt_out.code,
                "by": reason_label(opt_out),
                "at": opt_out.since,
                **entry,
            }
        )
        if opt_out.lifted_at is not None:
            entries.append(
                {
                    "change": "Opt-out removed",
                    "details": opt_out.lift_reason,
                    "by": "",
                    "at": opt_out.lifted_at,
                    **entry,
                }
            )
    return sorted(entries, key=lambda entry: entry["at"], reverse=True)[:MAX_ROWS]


def list_windows(contact: Contact) -> list[Window]:
    """Return the contact's windows with each connection that has windows or received a message."""
    rows_of_contact = select(Conversation).where(Conversation.contact_id == contact.id)
    conversations = {row.connection_id: row for row in db.session.scalars(rows_of_contact)}
    query = (
        select(Connection)
        .where(Connection.archived_at.is_(None), Connection.test == contact.test)
        .order_by(Connection.title)
    )
    windows = []
    for connection in db.session.scalars(query):
        conversation = conversations.get(connection.id)
        has_window = has_session_window(connection) and (
            conversation is not None
            or integrations.get(connection.integration).address == contact.kind
        )
        if has_window or conversation is not None:
            windows.append(_window(contact, connection, conversation, has_window=has_window))
    return windows


def _window(
    contact: Contact,
    connection: Connection,
    conversation: Conversation | None,
    *,
    has_window: bool,
) -> Window:
    until = None
    if has_window:
        until = session_windows.closing_times(sender_key(connection.info), [contact.id]).get(
            contact.id
        )
    return Window(
        channel=connection.channel,
        title=connection.title,
        href=url_for("admin.connection", slug=connection.slug),
        state=describe_window(until) if has_window else "Always open",
        open=not has_window or until is not None,
        conversation_url=(
            url_for("admin.conversation", conversation_id=conversation.id) if conversation else ""
        ),
    )


def describe_window(until: datetime | None) -> str:
    """Return whether a session window is open, and how much longer. `until`: None when closed."""
    if until is None:
        return "Closed until they message you"
    minutes = max(int((until - now()).total_seconds() // 60), 0)
    return (
        f"Open for {minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"Open for {minutes} min"
    )


def has_session_window(connection: Connection) -> bool:
    """Return whether a connection accepts free text only for some time after a person's message."""
    try:
        return integrations.get(connection.integration).session_window > 0
    except NotFound:
        return False
