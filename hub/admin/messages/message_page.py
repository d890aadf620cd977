"""Show a message: its result, the reason for it, its timeline and its details."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import abort, flash, redirect, render_template, url_for
from sqlalchemy import select

from hub import integrations
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.messages import delivery_summary, message_details, provider_callbacks
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.view.message_rows import TEAM, recipient, request_title
from hub.admin.view.status_badges import message_badge
from hub.core.errors import Conflict, DecryptionError, Refused
from hub.core.vocabulary import Role, Status
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.integrations.base import Problem
from hub.messaging.compose import cancellation, resend, sent_text
from hub.messaging.contacts import suppressions
from hub.messaging.state import unreadable_rows
from hub.messaging.track import timeline
from hub.models import Message, MessageBody, SigningRequest

MAX_LEGS = 8  # messages of one series that the page shows
REFRESH_FOR = timedelta(minutes=10)  # after the last change, the page refreshes itself this long


@admin.get("/messages/<message_id>")
@require_role(Role.VIEWER)
@show_damaged_row_notice("messages")
def message(message_id: str) -> Any:
    """Show a message."""
    row = get_message_or_404(message_id)
    legs = _legs(row)
    status = Status.read(row.status)
    # the problem of an earlier attempt no longer matters for a canceled message
    problem = timeline.explain_failure(row) if status != Status.CANCELED else None
    why_not = _why_not_resend(row)
    may_lift = has_role(Role.ADMIN) and status in (Status.SUPPRESSED, Status.FAILED)
    return render_template(
        "message.html",
        message=row,
        to=recipient(row.contact, row.connection).replace(TEAM, "the team"),
        crumb=_crumb(row),
        summary=delivery_summary.summarize(delivery_summary.read_situation(row, legs, problem)),
        legs=[_leg(leg, problem.text if problem and leg is row else "") for leg in legs],
        problem=_problem(row, problem),
        content=_content(row),
        language=message_details.get_language(row),
        facts=message_details.list_details(row),
        may_resend=has_role(Role.OPERATOR) and not why_not,
        may_cancel=has_role(Role.OPERATOR) and status == Status.QUEUED,
        may_lift=may_lift and suppressions.find_blocking_opt_out(row) is not None,
        why_not_resend=why_not if problem and status != Status.QUEUED else "",
        callbacks=provider_callbacks.callbacks_of_message(row.id),
        may_replay=has_role(Role.OPERATOR),
        settled=row.settled or now() - row.changed_at > REFRESH_FOR,
    )


@admin.post("/messages/<message_id>/cancel")
@require_role(Role.OPERATOR)
def cancel_message(message_id: str) -> Any:
    """Cancel a message."""
    try:
        cancellation.cancel(get_message_or_404(message_id).id)
        flash("Message canceled. It was not sent.", "good")
    except Conflict as error:
        flash(str(error), "warn")
    return redirect(url_for("admin.message", message_id=message_id), 303)


@admin.post("/messages/<message_id>/resend")
@require_role(Role.OPERATOR)
def resend_message(message_id: str) -> Any:
    """Send a message again, and show the new message."""
    try:
        new_message = resend.resend(get_message_or_404(message_id).id)
    except Refused as error:
        flash(str(error), "warn")
        return redirect(url_for("admin.message", message_id=message_id), 303)
    return redirect(url_for("admin.message", message_id=new_message.id), 303)


def get_message_or_404(message_id: str) -> Message:
    """Return a message, or abort with 404."""
    row = db.session.get(Message, message_id) if is_id("msg", message_id) else None
    return row or abort(404)


def _legs(row: Message) -> list[Message]:
    """Return the series of a message: earlier messages that it follows, itself, and later ones."""
    series = [row]
    first = row
    while first.after_id and len(series) < MAX_LEGS:
        first = db.session.get_one(Message, first.after_id)
        series.insert(0, first)
    last: Message | None = row
    while last is not None and len(series) < MAX_LEGS:
        last = db.session.scalar(select(Message).where(Message.after_id == last.id))
        if last is not None:
            series.append(last)
    return series


def _leg(attempt_message: Message, explanation: str) -> dict[str, Any]:
    """Return one message of the series. `explanation`: the text that the page shows elsewhere."""
    return {
        "channel": attempt_message.channel,
        "title": attempt_message.connection.title,
        "id": attempt_message.id,
        "status": attempt_message.status,
        "entries": [_entry(entry, explanation) for entry in timeline.timeline(attempt_message)],
    }


def _entry(entry: timeline.Entry, explanation: str) -> dict[str, Any]:
    badge = message_badge(entry.status) if entry.status else None
    icon = badge.icon if badge else ICONS.get(entry.kind, "dot")
    if entry.kind in ("handed_over", "accepted"):
        icon = "arrow-up-right-square"
    text = entry.text.replace(explanation, "").strip() if explanation else entry.text
    if entry.code and entry.code not in text:
        text = f"{text} Code {entry.code}.".lstrip()
    return {
        "color": badge.color if badge else "",
        "icon": icon,
        "title": entry.title,
        "at": entry.at,
        "text": text,
        "loud": entry.decisive,
    }


ICONS = {
    "planned": "signpost-split",
    "transient": "arrow-repeat",
    "slowed": "hourglass-split",
    "unreachable": "cloud-slash",
    "broken": "exclamation-triangle-fill",
    "proved_absent": "arrow-repeat",
    "unreadable": "lock",
    "quiet_hours": "moon",
}


def _problem(row: Message, problem: Problem | None) -> dict[str, str] | None:
    if problem is None:
        return None
    provider = integrations.provider_name(row.connection.integration, "The provider")
    return {
        "title": TITLES.get(Status.read(row.status), "Details of the status"),
        "code": problem.code,
        "text": problem.text,
        "remedy": problem.remedy,
        "url": problem.url,
        "provider": provider,
    }


TITLES = {
    Status.FAILED: "Why it failed",
    Status.UNDELIVERED: "Why it was not delivered",
    Status.UNKNOWN: "Why the result is unknown",
    Status.SUPPRESSED: "Why it was not sent",
    Status.EXPIRED: "Why it expired",
    Status.QUEUED: "Why it is waiting",
}


def _why_not_resend(row: Message) -> str:
    """Return why a message cannot be resent, or '' if it can."""
    if unreadable_rows.find_entry("messages", row.id) is not None:
        return resend.DAMAGED
    status = Status.read(row.status)
    if not (row.settled or status == Status.UNKNOWN) or status.is_delivered:
        return "It is in progress or was delivered."
    successor = db.session.scalar(select(Message.id).where(Message.after_id == row.id))
    if successor:
        return "It was already sent again. The timeline shows the later message."
    if obsolete := resend.find_obsolete(row):
        return str(obsolete)
    if suppressions.find_blocking_opt_out(row) is not None:
        return "An opt-out blocks this recipient. Remove it before you resend the message."
    if not row.connection.enabled:
        return f"To resend it, first enable the connection {row.connection.title}."
    return ""


def _content(row: Message) -> dict[str, Any] | None:
    """Return the content that the recipient received: subject, text, files and template, or None if
    it was deleted.
    """
    body = db.session.get(MessageBody, row.id)
    if body is None:
        return None
    try:
        content = body.content
    except DecryptionError as error:
        return {"subject": "", "text": str(error)}
    template = sent_text.find_sent_texts([row]).get(row.id)
    files = [
        {"name": file.get("name") or file["url"], "stored": "file" in file}
        for file in content.get("media", ())
    ]
    with_files = {**content, "files": files}
    if template:
        with_files |= {"text": template.filled(content), "template": template.name}
    return with_files


def _crumb(row: Message) -> tuple[str, str] | None:
    request = db.session.get(SigningRequest, row.request_id) if row.request_id else None
    if request is None:
        return None
    return request_title(request), url_for("admin.request_page", request_id=request.id)
