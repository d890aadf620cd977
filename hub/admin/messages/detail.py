"""One message: did it arrive, if not why, and what now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import abort, flash, redirect, render_template, url_for
from sqlalchemy import select

from hub import integrations
from hub.admin.auth.guard import admin, may, needs
from hub.admin.messages import delivery_summary, message_facts, provider_callbacks
from hub.admin.overview.damage import describe_damage
from hub.admin.view.message_rows import recipient
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

LONGEST_STORY = 8  # messages of one ladder that a page shows
SETTLED_AFTER = timedelta(minutes=10)  # then the page stops looking for news by itself


@admin.get("/messages/<message_id>")
@needs(Role.VIEWER)
@describe_damage("messages")
def message(message_id: str) -> Any:
    """Show a message and its story."""
    one = find(message_id)
    legs = _legs(one)
    status = Status.read(one.status)
    # what an earlier attempt ran into is over once the message is canceled
    problem = timeline.problem_of(one) if status != Status.CANCELED else None
    why_not = _why_not_resend(one)
    return render_template(
        "message.html",
        message=one,
        to=recipient(one.contact, one.connection).replace("The team", "the team"),
        crumb=_crumb(one),
        summary=delivery_summary.summarize(delivery_summary.read(one, legs, problem)),
        legs=[_leg(leg) for leg in legs],
        why=_why(one, problem),
        says=_says(one),
        language=message_facts.language_of(one),
        facts=message_facts.list_facts(one),
        may_resend=may(Role.OPERATOR) and not why_not,
        may_cancel=may(Role.OPERATOR) and status == Status.QUEUED,
        may_lift=may(Role.ADMIN)
        and status in (Status.SUPPRESSED, Status.FAILED)
        and _suppressed(one),
        why_not_resend=why_not if problem and status != Status.QUEUED else "",
        raw=provider_callbacks.callbacks_of_message(one.id),
        may_replay=may(Role.OPERATOR),
        settled=one.settled or now() - one.changed_at > SETTLED_AFTER,
    )


@admin.post("/messages/<message_id>/cancel")
@needs(Role.OPERATOR)
def cancel_message(message_id: str) -> Any:
    """Take a message back."""
    try:
        cancellation.cancel(find(message_id).id)
        flash("Message canceled. It was not sent.", "good")
    except Conflict as problem:
        flash(str(problem), "warn")
    return redirect(url_for("admin.message", message_id=message_id), 303)


@admin.post("/messages/<message_id>/resend")
@needs(Role.OPERATOR)
def resend_message(message_id: str) -> Any:
    """Send a message again and show the new one."""
    try:
        again = resend.resend(find(message_id).id)
    except Refused as problem:
        flash(str(problem), "warn")
        return redirect(url_for("admin.message", message_id=message_id), 303)
    return redirect(url_for("admin.message", message_id=again.id), 303)


def find(message_id: str) -> Message:
    """Return a message, or end with 404."""
    found = db.session.get(Message, message_id) if is_id("msg", message_id) else None
    return found or abort(404)


def _legs(one: Message) -> list[Message]:
    """Return one ladder's messages: what this one follows, itself, and what follows it."""
    legs = [one]
    first = one
    while first.after_id and len(legs) < LONGEST_STORY:
        first = db.session.get_one(Message, first.after_id)
        legs.insert(0, first)
    last: Message | None = one
    while last is not None and len(legs) < LONGEST_STORY:
        last = db.session.scalar(select(Message).where(Message.after_id == last.id))
        if last is not None:
            legs.append(last)
    return legs


def _leg(leg: Message) -> dict[str, Any]:
    return {
        "channel": leg.channel,
        "title": leg.connection.title,
        "id": leg.id,
        "status": leg.status,
        "entries": [_entry(entry) for entry in timeline.timeline(leg)],
    }


def _entry(entry: timeline.Entry) -> dict[str, Any]:
    look = message_badge(entry.status) if entry.status else None
    icon = look.icon if look else ICONS.get(entry.kind, "dot")
    if entry.kind in ("handed_over", "accepted"):
        icon = "arrow-up-right-square"
    text = (
        f"{entry.text} Code {entry.code}."
        if entry.code and entry.code not in entry.text
        else entry.text
    )
    return {
        "hue": look.hue if look else "",
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


def _why(one: Message, problem: Problem | None) -> dict[str, str] | None:
    if problem is None:
        return None
    provider = integrations.provider_of(one.connection.integration, "The provider")
    status = Status.read(one.status)
    title = TITLES.get(status, "Details of the status")
    return {
        "title": title,
        "code": problem.code,
        "text": problem.text,
        "remedy": problem.remedy,
        "url": problem.url,
        "provider": provider,
    }


TITLES = {
    Status.FAILED: "Why it failed",
    Status.UNDELIVERED: "Why it was not delivered",
    Status.UNKNOWN: "Why the result is not known",
    Status.SUPPRESSED: "Why it was not sent",
    Status.EXPIRED: "Why it expired",
    Status.QUEUED: "Why it is waiting",
}


def _why_not_resend(one: Message) -> str:
    if unreadable_rows.find_entry("messages", one.id) is not None:
        return resend.DAMAGED
    status = Status.read(one.status)
    if not (one.settled or status == Status.UNKNOWN) or status.is_delivered:
        return "It is in progress or was delivered."
    successor = db.session.scalar(select(Message.id).where(Message.after_id == one.id))
    if successor:
        return "It was already sent again. The timeline shows the later message."
    return (
        ""
        if one.connection.enabled
        else f"To resend it, first enable the connection {one.connection.title}."
    )


def _suppressed(one: Message) -> bool:
    return suppressions.find_blocking_opt_out(one) is not None


def _says(one: Message) -> dict[str, Any] | None:
    """Return what the recipient reads: subject, text, files, and the template in use."""
    body = db.session.get(MessageBody, one.id)
    if body is None:
        return None
    try:
        content = body.content
    except DecryptionError as problem:
        return {"subject": "", "text": str(problem)}
    template = sent_text.sent_text_of([one]).get(one.id)
    files = [
        {"name": file.get("name") or file["url"], "given": "file" in file}
        for file in content.get("media", ())
    ]
    return {**content, "files": files} | (
        {"text": template.filled(content), "template": template.name} if template else {}
    )


def _crumb(one: Message) -> tuple[str, str] | None:
    request = db.session.get(SigningRequest, one.request_id) if one.request_id else None
    return (
        (title_of(request), url_for("admin.request_page", request_id=request.id))
        if request
        else None
    )


def title_of(request: SigningRequest) -> str:
    """Return what a request's document is called, or its id where that is not known or not
    readable.
    """
    try:
        return request.title or request.external_id
    except DecryptionError:
        return request.external_id
