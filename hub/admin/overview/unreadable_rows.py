"""List the database rows that cannot be read, with their errors, and retry them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for

from hub.admin.auth.guard import admin, has_role, require_role, safe_redirect_target
from hub.core.errors import NotFound
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.messaging.state.unreadable_rows import list_rows
from hub.messaging.state.unreadable_rows import retry_row as retry_reading
from hub.models import Connection, QuarantinedRow

# by table: the title of a row, the prefix of its IDs, and the endpoint of its page
KINDS = {
    "messages": ("Message", "msg", "admin.message", "message_id"),
    "contacts": ("Contact", "ctc", "admin.contact", "contact_id"),
    "requests": ("Request", "req", "admin.request_page", "request_id"),
    "conversations": ("Conversation", "cnv", "admin.conversation", "conversation_id"),
    "provider_callbacks": ("Webhook", "rcp", "", ""),
    "connections": ("Connection", "con", "", ""),
    "consents": ("Consent", "cns", "", ""),
    "suppressions": ("Opt-out", "sup", "", ""),
}


@dataclass(frozen=True)
class UnreadableRow:
    """An unreadable row as the page shows it."""

    id: str
    kind: str
    row: str
    href: str  # '' when no page shows the row
    error: str
    since: datetime
    next_at: datetime


@admin.get("/unreadable-rows")
@require_role(Role.VIEWER)
def unreadable_rows() -> Any:
    """List the rows that cannot be read."""
    entries = [_row(entry) for entry in list_rows()]
    return render_template("unreadable_rows.html", rows=entries, may_retry=has_role(Role.ADMIN))


@admin.post("/unreadable-rows/<entry_id>/retry")
@require_role(Role.ADMIN)
def retry_row(entry_id: str) -> Any:
    """Try to read a row again."""
    try:
        retry_reading(entry_id)
        flash(
            "Signpost tries to read the row again. If it still cannot, the row returns to"
            " this list.",
            "good",
        )
    except NotFound as error:
        flash(str(error), "info")
    return redirect(
        safe_redirect_target(request.form.get("next") or url_for("admin.unreadable_rows")), 303
    )


def _row(entry: QuarantinedRow) -> UnreadableRow:
    title = KINDS.get(
        entry.table_name, (entry.table_name.replace("_", " ").capitalize(), "", "", "")
    )[0]
    return UnreadableRow(
        entry.id, title, entry.row_id, _href(entry), entry.error, entry.since, entry.retry_at
    )


def _href(entry: QuarantinedRow) -> str:
    _, prefix, endpoint, argument = KINDS.get(entry.table_name, ("", "", "", ""))
    if not is_id(prefix, entry.row_id):
        return ""
    if entry.table_name == "connections":
        connection = db.session.get(Connection, entry.row_id)
        return url_for("admin.connection", slug=connection.slug) if connection else ""
    if entry.table_name == "provider_callbacks":
        return url_for("admin.callbacks")
    names: dict[str, Any] = {argument: entry.row_id}
    return url_for(endpoint, **names) if endpoint else ""
