"""Show signing requests, with the state of each signer and their messages, and remind signers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.requests import reminder_results, signing_summary, skipped_sentences
from hub.admin.requests.request_people import TEAM, RequestPeople
from hub.admin.view.datetimes import format_datetime
from hub.admin.view.message_rows import request_title, rows
from hub.admin.view.pagination import paginate_query
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import (
    RequestState,
    Role,
    SignerState,
    Status,
)
from hub.db.engine import db
from hub.db.types import is_id
from hub.messaging.state import unreadable_rows
from hub.messaging.track import message_queries
from hub.models import Message, SigningRequest, Source
from hub.signing import (
    chat_invitations,
    reminders,
    scheduled_events,
    skipped_signers,
)
from hub.signing.chat_invitations import Invitation

FILTERS = (("", "All"), *((state.value, state.value.capitalize()) for state in RequestState))
# the value of `show` for requests with signers who could not be notified in the last day
NOT_NOTIFIED = "not-notified"
MAX_MESSAGES = 200  # messages and events of one request that its page shows


@admin.get("/requests")
@require_role(Role.VIEWER)
def requests() -> Any:
    """List signing requests, newest first."""
    active_filters = {
        name: value
        for name in ("state", "show", "q")
        if (value := request.args.get(name, "").strip())
    }
    query = select(SigningRequest).options(selectinload(SigningRequest.people))
    if "state" in active_filters:
        query = query.where(SigningRequest.state == active_filters["state"])
    if active_filters.get("show") == NOT_NOTIFIED:
        query = query.where(SigningRequest.id.in_(skipped_signers.list_recent_requests()))
    if q := active_filters.get("q"):
        ids = list(db.session.scalars(message_queries.select_requests(q)))
        query = query.where(SigningRequest.id.in_(ids))
    page = paginate_query(query, SigningRequest.id, "req", active_filters)
    sources = {source.id: source.name for source in db.session.scalars(select(Source))}
    return render_template(
        "requests.html",
        rows=unreadable_rows.readable_rows("requests", page.rows, lambda row: _row(row, sources)),
        q=active_filters.get("q", ""),
        active_filters={name: active_filters.get(name, "") for name in ("state", "show")},
        filters=_filters(active_filters),
        newer=page.newer,
        older=page.older,
        filtered=bool(active_filters),
        docs_url=url_for("api_document.docs"),
    )


def _filters(active_filters: Mapping[str, str]) -> list[dict[str, Any]]:
    shown = active_filters.get("show", "")
    filters = [
        {
            "title": title,
            "href": url_for("admin.requests", state=state or None),
            "here": not shown and active_filters.get("state", "") == state,
        }
        for state, title in FILTERS
    ]
    not_notified = {
        "title": "Not notified",
        "href": url_for("admin.requests", show=NOT_NOTIFIED),
        "here": shown == NOT_NOTIFIED,
    }
    return [*filters, not_notified]


def _row(row: SigningRequest, sources: dict[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": request_title(row),
        "sender": _sender(row),
        "source": sources.get(row.source_id, ""),
        "state": row.state,
        "signed": sum(signer.state == SignerState.SIGNED for signer in row.signers),
        "signers": len(row.signers),
        "at": row.created_at,
        "test": row.test,
    }


def _sender(row: SigningRequest) -> str:
    try:
        sender = row.sender or {}
    except DecryptionError:
        return ""
    return sender.get("name") or sender.get("email") or ""


@admin.get("/requests/<request_id>")
@require_role(Role.VIEWER)
@show_damaged_row_notice("requests")
def request_page(request_id: str) -> Any:
    """Show a signing request."""
    return render_request(request_id)


def render_request(request_id: str, invitation: Invitation | None = None, invited: str = "") -> Any:
    """Return the page of a request, with a new `invitation` of the signer with the ID `invited`."""
    row = get_request_or_404(request_id)
    newest = select(Message).where(Message.request_id == row.id).order_by(Message.id.desc())
    messages = list(db.session.scalars(newest.limit(MAX_MESSAGES)))
    lines = dict(zip((message.id for message in messages), rows(messages), strict=True))
    skipped = skipped_sentences.describe_skipped(row)
    posts, updates = _team_posts(messages)
    people = RequestPeople(row, messages, lines, skipped)
    why_not = signing_summary.reason_not_to_remind(row)
    source = db.session.get(Source, row.source_id)
    operator = has_role(Role.OPERATOR)
    return render_template(
        "request.html",
        heading=_heading(row, source),
        summary=signing_summary.summarize(row, messages),
        signers=people.signers(),
        others=people.others(),
        may_remind=operator and not why_not,
        reason_not_to_remind=why_not,
        reason_not_automatic=signing_summary.reason_not_automatic(row),
        source_slug=source.slug if source and has_role(Role.ADMIN) else "",
        facts=_facts(row, source),
        app_url=_app_url(row),
        posts=[lines[message.id] for message in posts],
        updates=updates,
        skipped_posts=skipped.get(TEAM, []),
        may_act=operator,
        may_read_evidence=has_role(Role.ADMIN),
        open=row.state == RequestState.OPEN,
        invites=operator and bool(chat_invitations.inviting_connections(test=row.test)),
        invitation=invitation,
        invited=invited,
        expired=row.expired,
        scheduled=_scheduled(row),
        settled=all(message.settled for message in messages),
    )


def _heading(row: SigningRequest, source: Source | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": request_title(row),
        "sender": _sender(row),
        "state": row.state,
        "test": row.test,
        "external_id": row.external_id,
        "source": source.name if source else "",
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


def _app_url(row: SigningRequest) -> str:
    """Return the page of the request in the app, or '' if there is none or it is unreadable."""
    try:
        return str(row.url or "")
    except DecryptionError:
        return ""


def _facts(row: SigningRequest, source: Source | None) -> list[tuple[str, str]]:
    return [
        ("ID in your app", row.external_id),
        ("Signpost ID", row.id),
        ("Source", source.name if source else ""),
        ("Created", format_datetime(row.created_at)),
        (
            "Expired" if row.expired else "Expires",
            format_datetime(row.expires_at) if row.expires_at else "",
        ),
    ]


def _scheduled(row: SigningRequest) -> list[dict[str, Any]]:
    return [
        {
            "id": event.id,
            "title": skipped_sentences.MESSAGE_TITLES.get(event.type, event.type),
            "send_at": event.due_at,
        }
        for event in scheduled_events.list_scheduled(row.id)
    ]


def _team_posts(newest_first: list[Message]) -> tuple[list[Message], dict[str, Any] | None]:
    """Return the posts to a team, oldest first, and the number and last time of their updates.

    An update is a message too. It is listed among the posts only until it is delivered.
    """
    posts = [message for message in reversed(newest_first) if message.signer_id is None]
    delivered = [
        message
        for message in posts
        if message.edits_id is not None and Status.read(message.status).is_delivered
    ]
    shown_posts = [message for message in posts if message not in delivered]
    updates = {"times": len(delivered), "at": delivered[-1].changed_at} if delivered else None
    return shown_posts, updates


@admin.post("/requests/<request_id>/remind")
@require_role(Role.OPERATOR)
def remind(request_id: str) -> Any:
    """Remind pending signers."""
    row = get_request_or_404(request_id)
    try:
        response = reminders.remind(row.id)
    except Refused as error:
        flash(str(error), "warn")
    else:
        flash(*reminder_results.describe_reminders(row, response))
    return redirect(url_for("admin.request_page", request_id=request_id), 303)


def get_request_or_404(request_id: str) -> SigningRequest:
    """Return a request, or abort with 404."""
    row = db.session.get(SigningRequest, request_id) if is_id("req", request_id) else None
    return row or abort(404)
