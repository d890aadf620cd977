"""Activity: who changed what, newest first."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import render_template, request, url_for
from sqlalchemy import Select, or_, select

from hub.admin.auth.guard import admin, needs
from hub.admin.view.pagination import page
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.models import AuditEntry, Connection, User


class Entry(NamedTuple):
    """One change as the page shows it."""

    at: Any
    who: str
    did: str
    href: str
    detail: str
    address: str


@admin.get("/activity")
@needs(Role.VIEWER)
def activity() -> Any:
    """List the changes, narrowed by who made them, to what, and of which kind."""
    keep = {
        name: value
        for name in ("kind", "who", "subject", "q")
        if (value := request.args.get(name, "").strip())
    }
    found = page(_wanted(keep), AuditEntry.id, "aud", keep)
    return render_template(
        "activity.html",
        entries=_entries(found.rows),
        filters=_chips(keep),
        q=keep.get("q", ""),
        keep=keep,
        filtered=bool(keep),
        newer=found.newer,
        older=found.older,
    )


def _wanted(keep: dict[str, str]) -> Select[Any]:
    wanted = select(AuditEntry)
    if "kind" in keep:
        wanted = wanted.where(AuditEntry.action.startswith(keep["kind"] + ".", autoescape=True))
    if "who" in keep:
        wanted = wanted.where(
            AuditEntry.user_id == keep["who"]
            if is_id("usr", keep["who"])
            else AuditEntry.actor == keep["who"]
        )
    if "subject" in keep:
        wanted = wanted.where(AuditEntry.subject == keep["subject"])
    if "q" in keep:
        named = (
            column.icontains(keep["q"], autoescape=True)
            for column in (AuditEntry.title, AuditEntry.actor)
        )
        wanted = wanted.where(or_(*named))
    return wanted


def _entries(rows: list[AuditEntry]) -> list[Entry]:
    people = {row.user_id for row in rows if row.user_id}
    emails = {
        user.id: user.email for user in db.session.scalars(select(User).where(User.id.in_(people)))
    }
    named = {row.subject for row in rows if is_id("con", row.subject)}
    slugs = {
        one.id: one.slug
        for one in db.session.scalars(select(Connection).where(Connection.id.in_(named)))
    }
    return [
        Entry(
            row.at,
            row.actor,
            activity_sentence(row),
            _href(row, slugs),
            details(row),
            emails.get(row.user_id or "", ""),
        )
        for row in rows
    ]


def activity_sentence(row: AuditEntry) -> str:
    """Say what was done, as the rest of a sentence that begins with who did it."""
    if row.action == "user.signed_in" and row.subject == row.user_id:
        return "signed in"
    if row.action == "user.signed_out" and row.subject == row.user_id:
        return "signed out"
    words = DONE.get(row.action)
    if words is None:  # an action of a later version, or of a part that brought its own
        noun, _, verb = row.action.partition(".")
        words = f"{verb.replace('_', ' ')}: {noun.replace('_', ' ')} {{}}"
    return (
        words.format(row.title or ("a request" if is_id("req", row.subject) else ""))
        .strip()
        .rstrip(":")
    )


def details(row: AuditEntry) -> str:
    """Write what else is known of a change: `before: Viewer · role: Admin`."""
    known = {
        name.replace("_", " "): value
        for name, value in row.detail.items()
        if value not in ("", None, [])
    }
    return " · ".join(f"{name}: {_plain(value)}" for name, value in known.items())


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _href(row: AuditEntry, slugs: dict[str, str]) -> str:
    if row.subject in slugs:
        return url_for("admin.connection", slug=slugs[row.subject])
    if is_id("msg", row.subject):
        return url_for("admin.message", message_id=row.subject)
    return (
        url_for("admin.request_page", request_id=row.subject) if is_id("req", row.subject) else ""
    )


def _chips(keep: dict[str, str]) -> list[dict[str, Any]]:
    here = keep.get("kind", "")
    return [
        {"title": title, "href": _link(keep, kind=kind or None), "here": here == kind}
        for kind, title in KINDS
    ]


def _link(keep: dict[str, str], **changed: str | None) -> str:
    words: dict[str, Any] = {**keep, **changed}
    return url_for("admin.activity", **words)


KINDS = (
    ("", "Everything"),
    ("connection", "Connections"),
    ("message", "Messages"),
    ("request", "Requests"),
    ("user", "Users"),
    ("api_key", "API keys"),
    ("source", "Sources"),
    ("template", "Templates"),
    ("suppression", "Opt-outs"),
    ("security", "Security"),
)

# what follows the name of whoever did it; {} is what the subject was called
DONE = {
    "api_key.changed": "changed the permissions of the API key {}",
    "api_key.created": "created the API key {}",
    "api_key.revoked": "revoked the API key {}",
    "clock.confirmed": "confirmed the clock",
    "connection.added": "added the connection {}",
    "connection.archived": "archived the connection {}",
    "connection.broke": "marked the connection {} as broken",
    "connection.destination_paused": "paused the destination of {}",
    "connection.destination_reopened": "reopened the destination of {}",
    "connection.disabled": "disabled the connection {}",
    "connection.enabled": "enabled the connection {}",
    "connection.reachable": "reached the provider of {} again",
    "connection.placed": "added the connection {} to a group",
    "connection.posts": "changed the events that the connection {} posts",
    "connection.renamed": "renamed a connection to {}",
    "connection.resumed": "resumed the connection {}",
    "connection.rules_changed": "changed the rules of the connection {}",
    "connection.saved": "changed the settings of the connection {}",
    "connection.spending": "reported that the connection {} is near its spending limit",
    "connection.team_invited": "created a link that adds the connection {} to a group",
    "connection.tested": "tested the connection {}",
    "connection.tried": "sent a test message over the connection {}",
    "connection.unreachable": "could not reach the provider of {}",
    "contact.erased": "erased a person",
    "contact.linked": "linked two contacts of the same person",
    "contact.unlinked": "removed the link between two contacts",
    "contact.exported": "downloaded a person’s data",
    "conversation.answered": "replied to {}",
    "message.canceled": "canceled a message",
    "message.replayed": "replayed the callbacks of a message",
    "message.resent": "resent a message",
    "message.sent": "sent a message",
    "callback.replayed": "replayed callbacks {}",
    "request.reminded": "reminded the signers of {}",
    "request.snoozed": "snoozed the reminders of {}",
    "request.unsnoozed": "ended the snooze of {}",
    "security.forbidden": "tried to open a page that needs another role",
    "security.key_refused": "used an API key that was refused: {}",
    "security.password_guessed": "was signed out after 5 wrong passwords",
    "security.sign_in_failed": "failed to sign in as {}",
    "security.sign_in_limited": "reached the sign-in limit for {}",
    "security.webhook_refused": "sent webhooks without a valid signature",
    "signer.invited": "created a link that invites a signer of {} to a chat",
    "source.added": "added the source {}",
    "source.changed": "changed where the opt-outs of the source {} apply",
    "source.renamed": "renamed a source to {}",
    "opt_out.changed": "changed the opt-out keywords",
    "consent.imported": "imported a list of consents",
    "consent.recorded": "recorded a consent decision of {}",
    "suppression.imported": "imported a list of opt-outs",
    "suppression.added": "opted out {}",
    "suppression.lifted": "removed the opt-out of {}",
    "template.lost": "found that the template {} can no longer be sent",
    "template.mapped": "mapped the template {}",
    "template.unmapped": "removed the mapping of the template {}",
    "user.added": "added the user {}",
    "user.deactivated": "deactivated {}",
    "user.link_made": "created a password link for {}",
    "user.password_changed": "changed the password of {}",
    "user.reactivated": "reactivated {}",
    "user.role_changed": "changed the role of {}",
    "user.signed_in": "signed in as {}",
    "user.signed_out": "signed out {}",
    "user.time_zone_changed": "changed the time zone of {}",
}
