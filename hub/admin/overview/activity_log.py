"""Show the activity log: every change with its author, newest first."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import render_template, request, url_for
from sqlalchemy import Select, or_, select

from hub import integrations
from hub.admin.auth.guard import admin, require_role
from hub.admin.overview import activity_details
from hub.admin.view.pagination import paginate_query
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.lib.text import within_sentence
from hub.models import AuditEntry, Connection, User


class Entry(NamedTuple):
    """One change as the page shows it."""

    at: Any
    actor: str
    sentence: str
    href: str
    detail: str
    address: str


@admin.get("/activity")
@require_role(Role.VIEWER)
def activity() -> Any:
    """List changes, filtered by actor, subject, kind or text."""
    active_filters = {
        name: value
        for name in ("kind", "who", "subject", "q")
        if (value := request.args.get(name, "").strip())
    }
    page = paginate_query(_query(active_filters), AuditEntry.id, "aud", active_filters)
    return render_template(
        "activity.html",
        entries=_entries(page.rows),
        filters=_chips(active_filters),
        q=active_filters.get("q", ""),
        active_filters=active_filters,
        filtered=bool(active_filters),
        newer=page.newer,
        older=page.older,
    )


def _query(active_filters: dict[str, str]) -> Select[Any]:
    query = select(AuditEntry)
    if "kind" in active_filters:
        query = query.where(
            AuditEntry.action.startswith(active_filters["kind"] + ".", autoescape=True)
        )
    if "who" in active_filters:
        query = query.where(
            AuditEntry.user_id == active_filters["who"]
            if is_id("usr", active_filters["who"])
            else AuditEntry.actor == active_filters["who"]
        )
    if "subject" in active_filters:
        query = query.where(AuditEntry.subject == active_filters["subject"])
    if "q" in active_filters:
        matches = (
            column.icontains(active_filters["q"], autoescape=True)
            for column in (AuditEntry.title, AuditEntry.actor)
        )
        query = query.where(or_(*matches))
    return query


def _entries(rows: list[AuditEntry]) -> list[Entry]:
    user_ids = {row.user_id for row in rows if row.user_id}
    users = db.session.scalars(select(User).where(User.id.in_(user_ids)))
    emails = {user.id: user.email for user in users}
    connection_ids = {row.subject for row in rows if is_id("con", row.subject)}
    connections = db.session.scalars(select(Connection).where(Connection.id.in_(connection_ids)))
    by_id = {connection.id: connection for connection in connections}
    return [_entry(row, by_id.get(row.subject), emails.get(row.user_id or "", "")) for row in rows]


def _entry(row: AuditEntry, connection: Connection | None, email: str) -> Entry:
    integration = connection.integration if connection else ""
    return Entry(
        row.at,
        row.actor,
        describe_change(row, integrations.provider_name(integration, "the provider")),
        url_for("admin.connection", slug=connection.slug) if connection else _href(row),
        activity_details.describe_details(row.detail, integration),
        email,
    )


def describe_change(row: AuditEntry, provider: str) -> str:
    """Return the change as the rest of a sentence that begins with the actor's name.

    `provider`: the name of the changed connection's provider.
    """
    if row.action == "user.signed_in" and row.subject == row.user_id:
        return "signed in"
    if row.action == "user.signed_out" and row.subject == row.user_id:
        return "signed out"
    template = SENTENCES.get(row.action)
    if template is None:  # an action of a later version, or of an integration package
        noun, _, verb = row.action.partition(".")
        template = f"{verb.replace('_', ' ')}: {noun.replace('_', ' ')} {{}}"
    title = row.title or ("a request" if is_id("req", row.subject) else "")
    return template.format(title, provider=within_sentence(provider)).strip().rstrip(":")


def _href(row: AuditEntry) -> str:
    if is_id("msg", row.subject):
        return url_for("admin.message", message_id=row.subject)
    if row.action.startswith("handler."):
        return url_for("admin.handler", handler_id=row.subject)
    if is_id("whk", row.subject):
        return url_for("admin.webhook_endpoint", endpoint_id=row.subject)
    if is_id("tpl", row.subject):
        return url_for("admin.text", template_id=row.subject)
    if is_id("req", row.subject):
        return url_for("admin.request_page", request_id=row.subject)
    return ""


def _chips(active_filters: dict[str, str]) -> list[dict[str, Any]]:
    chosen_kind = active_filters.get("kind", "")
    return [
        {
            "title": title,
            "href": _link(active_filters, kind=kind or None),
            "here": chosen_kind == kind,
        }
        for kind, title in KINDS
    ]


def _link(active_filters: dict[str, str], **changed: str | None) -> str:
    filters: dict[str, Any] = {**active_filters, **changed}
    return url_for("admin.activity", **filters)


KINDS = (
    ("", "All"),
    ("connection", "Connections"),
    ("message", "Messages"),
    ("request", "Requests"),
    ("user", "Users"),
    ("api_key", "API keys"),
    ("source", "Sources"),
    ("route", "Routing"),
    ("template", "Templates"),
    ("webhook_endpoint", "Webhooks"),
    ("handler", "Handlers"),
    ("suppression", "Opt-outs"),
    ("security", "Security"),
)

# by action: the rest of a sentence that begins with the actor's name; {} is the subject's title
SENTENCES = {
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
    "connection.reachable": "reconnected to {provider} ({})",
    "connection.placed": "added the connection {} to a group",
    "connection.posts": "changed the events that the connection {} posts",
    "connection.renamed": "renamed a connection to {}",
    "connection.source_set": "changed the source of {}",
    "connection.resumed": "resumed the connection {}",
    "connection.rules_changed": "changed the rules of the connection {}",
    "connection.saved": "changed the settings of the connection {}",
    "connection.spending": "reported that the connection {} is near its spending limit",
    "connection.team_invited": "created a link that adds the connection {} to a group",
    "connection.tested": "tested the connection {}",
    "connection.tried": "sent a test message over the connection {}",
    "connection.unreachable": "could not reach {provider} ({})",
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
    "request.unscheduled": "canceled scheduled messages of {}",
    "source.reminders_changed": "changed the reminders of the source {}",
    "request.reminded": "reminded the signers of {}",
    "request.hold_placed": "placed a legal hold on a request",
    "request.hold_removed": "removed the legal hold of a request",
    "request.evidence_downloaded": "downloaded the evidence of a request",
    "evidence.key_rotated": "replaced the key that signs evidence, {}",
    "evidence.address_erased": "erased an address from evidence",
    "request.snoozed": "snoozed the reminders of {}",
    "request.unsnoozed": "ended the snooze of {}",
    "request.stopped": "stopped messages to the signers of {}",
    "fallbacks.expired": "left out fallbacks that were due for more than 24 hours",
    "route.removed": "removed a source’s own route",
    "route.stopped": "stopped the fallbacks of a version of a route",
    "route.saved": "changed who is notified of an event",
    "security.forbidden": "tried to open a page without permission",
    "security.key_refused": "sent a request with a rejected API key: {}",
    "security.password_guessed": "was signed out after 5 wrong passwords",
    "security.sign_in_failed": "failed to sign in as {}",
    "security.sign_in_limited": "reached the sign-in limit for {}",
    "security.webhook_refused": "sent webhooks without a valid signature",
    "signer.invited": "created a link that invites a signer of {} to a chat",
    "source.added": "added the source {}",
    "source.changed": "changed where the opt-outs of the source {} apply",
    "source.language_changed": "changed the language of the source {}",
    "source.renamed": "renamed a source to {}",
    "opt_out.changed": "changed the opt-out keywords",
    "link_shortener.changed": "changed the settings of {}",
    "link_shortener.removed": "removed {}",
    "consent.imported": "imported a list of consents",
    "consent.recorded": "recorded a consent decision of {}",
    "suppression.imported": "imported a list of opt-outs",
    "suppression.added": "opted out {}",
    "suppression.lifted": "removed the opt-out of {}",
    "template.lost": "found that the template {} can no longer be sent",
    "template.mapped": "mapped the template {}",
    "template.unmapped": "removed the mapping of the template {}",
    "text.added": "added the text {}",
    "text.draft_discarded": "deleted the draft of the text {}",
    "text.draft_saved": "saved a draft of the text {}",
    "text.imported": "imported texts from {}",
    "text.published": "published the text {}",
    "text.withdrawn": "stopped using the text {}",
    "user.added": "added the user {}",
    "user.deactivated": "deactivated {}",
    "user.link_made": "created a password link for {}",
    "user.password_changed": "changed the password of {}",
    "user.reactivated": "reactivated {}",
    "user.role_changed": "changed the role of {}",
    "user.signed_in": "signed in as {}",
    "user.signed_out": "signed out {}",
    "user.time_zone_changed": "changed the time zone of {}",
    "handler.disabled": "disabled the handler {}",
    "handler.enabled": "enabled the handler {}",
    "handler.found": "found the new handler {}",
    "handler.removed": "noticed that the code of the handler {} is gone",
    "handler.retried": "retried events of the handler {}",
    "handler.skipped": "skipped events of the handler {}",
    "webhook_endpoint.changed": "changed the webhook endpoint {}",
    "webhook_endpoint.created": "created the webhook endpoint {}",
    "webhook_endpoint.deleted": "deleted the webhook endpoint {}",
    "webhook_endpoint.disabled": "disabled the webhook endpoint {}",
    "webhook_endpoint.enabled": "enabled the webhook endpoint {}",
    "webhook_endpoint.failing": "reported that the webhook endpoint {} will be disabled",
    "webhook_endpoint.resent": "resent webhooks {}",
    "webhook_endpoint.secret_rotated": "rotated the secret of the webhook endpoint {}",
}
