"""One message: did it arrive, if not why, and what now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import abort, flash, redirect, render_template, url_for
from markupsafe import Markup
from sqlalchemy import select

from hub import integrations
from hub.admin.auth.guard import admin, may, needs
from hub.admin.contacts import detail
from hub.admin.messages import provider_callbacks
from hub.admin.overview.damage import describe_damage
from hub.admin.view.datetimes import clock, exact
from hub.admin.view.filters import duration
from hub.admin.view.message_rows import recipient
from hub.admin.view.status_badges import message_badge
from hub.core.errors import Conflict, DecryptionError, Refused
from hub.core.vocabulary import Role, Status
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.integrations.base import Problem
from hub.lib.page_text import isolate_markup
from hub.messaging.compose import cancellation, resend, sent_text
from hub.messaging.contacts import suppressions
from hub.messaging.policy import policy, session_windows
from hub.messaging.send import destinations
from hub.messaging.state import unreadable_rows
from hub.messaging.track import timeline
from hub.models import Body, Event, Message, SigningRequest, Source, Template, TemplateVersion

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
        answer=_answer(one, legs, problem),
        legs=[_leg(leg) for leg in legs],
        why=_why(one, problem),
        says=_says(one),
        language=_language(one),
        facts=_facts(one),
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
        flash("Canceled. It was not sent.", "good")
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
    icon = (
        "arrow-up-right-square"
        if entry.what in ("handed_over", "accepted")
        else look.icon
        if look
        else ICONS.get(entry.what, "dot")
    )
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


def _answer(one: Message, legs: list[Message], problem: Problem | None) -> dict[str, str]:
    """Say in a sentence whether it arrived, if not why, and what is left to do."""
    status = Status.read(one.status)
    later = next(
        (leg for leg in legs[legs.index(one) + 1 :] if Status.read(leg.status).arrived), None
    )
    if later is not None and not status.arrived:
        href = url_for("admin.message", message_id=later.id)
        done = "Nothing is left to do."
        return {
            "tone": "good",
            "title": "It arrived, sent again.",
            "text": done,
            "href": href,
            "button": "Open that one",
        }
    tone, title, text = ANSWERS[status]
    if (entry := unreadable_rows.row_of("messages", one.id)) is not None:
        return {
            "tone": "bad",
            "title": "Signpost cannot read this message or its contact.",
            "text": entry.error,
            "href": url_for("admin.unreadable_rows"),
            "button": "View unreadable rows",
        }
    if problem is not None:
        text = " ".join(filter(None, (problem.text, problem.remedy)))
    elif status.arrived:
        text = (
            f"{duration((one.changed_at - one.created_at).total_seconds())} after it was planned."
            " Nothing is left to do."
        )
    if one.status == Status.QUEUED and not one.connection.enabled:
        tone = "warn"
        title = f"It waits for the connection {one.connection.title}."
        text = (
            one.connection.why
            or "The connection does not send now. Enable it, and the message goes out."
        )
        return {
            "tone": tone,
            "title": title,
            "text": text,
            "href": url_for("admin.connection", slug=one.connection.slug),
            "button": "Open the connection",
        }
    if (paused := destinations.pause_of_message(one)) is not None:
        text = (
            f"{paused.why} Then choose Test connection on the connection’s page. The post is sent"
            " once the test passes."
        )
        return {
            "tone": "warn",
            "title": f"It waits: posts to {paused.address} are paused.",
            "text": text,
            "href": url_for("admin.connection", slug=one.connection.slug),
            "button": "Open the connection",
        }
    if status.handed_over and not integrations.reports(one.connection.integration):
        title = f"{integrations.provider_of(one.connection.integration, 'The provider')} took it."
        text = "Whether it was shown is never said. Look there, or send it again."
    if status.handed_over and one.due_at and one.connection.enabled:
        text = f"{text} Unless it says more before, we ask at {clock(one.due_at)[:5]}."
    if one.status == Status.QUEUED and one.tries and one.due_at:
        title = f"It is tried again at {clock(one.due_at)[:8]}."
        text = problem.text if problem else ""
    if one.status == Status.QUEUED and one.code == policy.QUIET and one.due_at:
        title = f"It waits for the end of quiet hours: {exact(one.due_at)}."
        text = problem.text if problem else ""
    return {"tone": tone, "title": title, "text": text, "href": "", "button": ""}


ANSWERS: dict[Status, tuple[str, str, str]] = {
    Status.QUEUED: ("info", "It waits for its turn.", "It goes out as soon as a worker is free."),
    Status.SENDING: ("info", "It is being handed over.", "The provider has not answered yet."),
    Status.UNKNOWN: ("warn", "It is not known whether it was taken.", ""),
    Status.SUPPRESSED: ("warn", "It was not sent, on purpose.", ""),
    Status.CANCELED: ("info", "It was canceled.", "It was not sent."),
    Status.EXPIRED: ("warn", "It expired before it could go.", ""),
    Status.ACCEPTED: ("info", "The provider has it.", "It has not said yet that it handed it on."),
    Status.SENT: (
        "info",
        "It is on its way.",
        "The carrier has it. Some carriers never say more than that.",
    ),
    Status.FAILED: ("bad", "It did not arrive.", ""),
    Status.UNDELIVERED: ("bad", "It did not arrive.", ""),
    Status.DELIVERED: ("good", "It arrived.", ""),
    Status.READ: ("good", "It arrived and was read.", ""),
}


def _why(one: Message, problem: Problem | None) -> dict[str, str] | None:
    if problem is None:
        return None
    provider = integrations.provider_of(one.connection.integration, "The provider")
    status = Status.read(one.status)
    title = TITLES.get(status, "What is the matter")
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
    Status.UNDELIVERED: "Why it did not arrive",
    Status.UNKNOWN: "Why it is not known",
    Status.SUPPRESSED: "Why it was not sent",
    Status.EXPIRED: "Why it expired",
    Status.QUEUED: "Why it waits",
}


def _why_not_resend(one: Message) -> str:
    if unreadable_rows.row_of("messages", one.id) is not None:
        return resend.DAMAGED
    status = Status.read(one.status)
    if not (one.settled or status == Status.UNKNOWN) or status.arrived:
        return "It is on its way, or has arrived."
    successor = db.session.scalar(select(Message.id).where(Message.after_id == one.id))
    if successor:
        return "It was sent again already; the newer one is in the story."
    return (
        ""
        if one.connection.enabled
        else f"To send it again, first enable the connection {one.connection.title}."
    )


def _suppressed(one: Message) -> bool:
    return suppressions.stopping(one) is not None


def _says(one: Message) -> dict[str, Any] | None:
    """Return what the recipient reads: subject, text, files, and the template in use."""
    body = db.session.get(Body, one.id)
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


def _language(one: Message) -> str:
    version = (
        db.session.get(TemplateVersion, one.template_version_id)
        if one.template_version_id
        else None
    )
    template = db.session.get(Template, version.template_id) if version else None
    return {"en": "English"}.get(template.locale, template.locale) if template else ""


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


def _facts(one: Message) -> list[tuple[str, Any]]:
    event = db.session.get(Event, one.event_id) if one.event_id else None
    source = db.session.get(Source, one.source_id) if one.source_id else None
    version = (
        db.session.get(TemplateVersion, one.template_version_id)
        if one.template_version_id
        else None
    )
    template = db.session.get(Template, version.template_id) if version else None
    provider = integrations.provider_of(one.connection.integration, "Provider")
    return [
        (
            "To",
            _link(
                url_for("admin.contact", contact_id=one.contact_id), one.contact.address, "sp-mono"
            ),
        ),
        ("Free text", _window(one)),
        ("Event", f"{event.type} from {source.name}" if event and source else ""),
        (
            "Connection",
            _link(url_for("admin.connection", slug=one.connection.slug), one.connection.title),
        ),
        ("Template", f"{template.name}, version {version.number}" if template and version else ""),
        (
            "Changes",
            (
                _link(url_for("admin.message", message_id=one.edits_id), "an earlier post")
                if one.edits_id
                else ""
            ),
        ),
        ("Message id", _mono(one.id)),
        (f"{provider}’s id", _mono(one.provider_id or "")),
        ("Segments", one.segments or ""),
        ("Price", f"{one.price:f}" if one.price is not None else ""),
        ("Attempts", one.tries or ""),
    ]


def _mono(text: str) -> Markup | str:
    return Markup('<span class="sp-mono">{}</span>').format(isolate_markup(text)) if text else ""


def _link(href: str, text: str, classes: str = "") -> Markup:
    return Markup('<a href="{}" class="{}">{}</a>').format(href, classes, isolate_markup(text))


def _window(one: Message) -> str:
    """Say whether free text may go to the recipient now, where that is a question."""
    if not detail.asks_for(one.connection):
        return ""
    return detail.consent_label(
        session_windows.closing_times(policy.sender_key(one.connection), [one.contact_id]).get(
            one.contact_id
        )
    )
