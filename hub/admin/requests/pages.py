"""Show signing requests, with the state of each signer and their messages, and remind signers."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.contacts import opt_out_descriptions
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.requests import signing_summary
from hub.admin.view.datetimes import format_datetime
from hub.admin.view.filters import plural
from hub.admin.view.message_rows import request_title, rows
from hub.admin.view.pagination import paginate_query
from hub.admin.view.status_badges import channel_title
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import Channel, PersonRole, RequestState, Role, SignerState, Status
from hub.db.engine import db
from hub.db.types import is_id
from hub.messaging.compose.plan import PHONE_CHANNELS, REASONS
from hub.messaging.contacts import opt_out_status
from hub.messaging.contacts.opt_out_status import OptOut
from hub.messaging.state import unreadable_rows
from hub.messaging.track import message_queries
from hub.models import Event, Message, Signer, SigningRequest, Source
from hub.signing import chat_invitations, reminders, scheduled_events, team_subscriptions, turns
from hub.signing.chat_invitations import Invitation

FILTERS = (("", "All"), *((state.value, state.value.capitalize()) for state in RequestState))
MAX_MESSAGES = 200  # messages and events of one request that its page shows


@admin.get("/requests")
@require_role(Role.VIEWER)
def requests() -> Any:
    """List signing requests, newest first."""
    active_filters = {
        name: value for name in ("state", "q") if (value := request.args.get(name, "").strip())
    }
    query = select(SigningRequest).options(selectinload(SigningRequest.people))
    if "state" in active_filters:
        query = query.where(SigningRequest.state == active_filters["state"])
    if q := active_filters.get("q"):
        ids = list(db.session.scalars(message_queries.select_requests(q)))
        query = query.where(SigningRequest.id.in_(ids))
    page = paginate_query(query, SigningRequest.id, "req", active_filters)
    sources = {source.id: source.name for source in db.session.scalars(select(Source))}
    return render_template(
        "requests.html",
        rows=unreadable_rows.readable_rows("requests", page.rows, lambda row: _row(row, sources)),
        q=active_filters.get("q", ""),
        active_filters={"state": active_filters.get("state", "")},
        filters=_filters(active_filters.get("state", "")),
        newer=page.newer,
        older=page.older,
        filtered=bool(active_filters),
        docs_url=url_for("api_document.docs"),
    )


def _filters(chosen_state: str) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            "href": url_for("admin.requests", state=state or None),
            "here": chosen_state == state,
        }
        for state, title in FILTERS
    ]


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
    skipped = _skipped(row)
    posts, updates = _team_posts(messages)
    why_not = signing_summary.reason_not_to_remind(row)
    source = db.session.get(Source, row.source_id)
    operator = has_role(Role.OPERATOR)
    return render_template(
        "request.html",
        heading=_heading(row, source),
        summary=signing_summary.summarize(row, messages),
        signers=_signers(row, messages, lines, skipped),
        others=_others(row, messages, lines, skipped),
        may_remind=operator and not why_not,
        reason_not_to_remind=why_not,
        facts=_facts(row, source),
        posts=[lines[message.id] for message in posts],
        updates=updates,
        skipped_posts=skipped.get(TEAM, []),
        may_act=operator,
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


def _signers(
    row: SigningRequest,
    newest_first: list[Message],
    lines: dict[str, Any],
    skipped: Skipped,
) -> list[dict[str, Any]]:
    """Return the signers in the order of their turns, removed ones last."""
    in_turn = len({signer.turn for signer in row.signers}) > 1  # otherwise, all sign at once
    by_person = _messages_by_person(newest_first, lines)
    removed = [
        person
        for person in row.people
        if person.role == PersonRole.SIGNER and person.removed_at is not None
    ]
    return [
        _signer(signer, by_person.get(signer.id, []), skipped, in_turn=in_turn)
        for signer in [*row.signers, *removed]
    ]


def _others(
    row: SigningRequest, newest_first: list[Message], lines: dict[str, Any], skipped: Skipped
) -> list[dict[str, Any]]:
    """Return the observers and the sender of a request, as far as messages can be sent to them."""
    by_person = _messages_by_person(newest_first, lines)
    others = [person for person in row.people if person.role != PersonRole.SIGNER]
    return [
        {
            **_signer(person, by_person.get(person.id, []), skipped, in_turn=False),
            "role": ROLES[PersonRole.read(person.role)],
            "opened_at": person.opened_at,
        }
        for person in sorted(others, key=lambda person: person.role, reverse=True)
    ]


ROLES = {PersonRole.SENDER: "Sender", PersonRole.OBSERVER: "Observer"}


def _messages_by_person(
    newest_first: list[Message], lines: dict[str, Any]
) -> dict[str | None, list[Any]]:
    """Return the rows of messages by the ID of their person, oldest first."""
    by_person: dict[str | None, list[Any]] = {}
    for message in reversed(newest_first):
        by_person.setdefault(message.signer_id, []).append(lines[message.id])
    return by_person


def _scheduled(row: SigningRequest) -> list[dict[str, Any]]:
    return [
        {
            "id": event.id,
            "title": MESSAGE_TITLES.get(event.type, event.type),
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
        answer = reminders.remind(row.id)
    except Refused as error:
        flash(str(error), "warn")
    else:
        count = reminders.reachable_signers(answer)
        flash(_describe_reminders(count, answer["skipped"]), "good" if count else "warn")
    return redirect(url_for("admin.request_page", request_id=request_id), 303)


def _describe_reminders(count: int, skipped: list[dict[str, Any]]) -> str:
    """Return sentences with the number of reminders, and of signers who get none."""
    snoozed = {item["signer"] for item in skipped if item["reason"] == "snoozed"}
    unreached = {item["signer"] for item in skipped} - snoozed - {""}
    text = f"{plural(count, 'reminder')} queued." if count else "No reminder could be sent."
    if unreached:
        text += (
            f" {plural(len(unreached), 'signer')} could not be notified. The reasons are on"
            " this page."
        )
    if snoozed:
        text += f" Reminders to {plural(len(snoozed), 'signer')} are snoozed."
    return text


def get_request_or_404(request_id: str) -> SigningRequest:
    """Return a request, or abort with 404."""
    row = db.session.get(SigningRequest, request_id) if is_id("req", request_id) else None
    return row or abort(404)


def _signer(
    signer: Signer, messages: list[Any], skipped: Skipped, *, in_turn: bool
) -> dict[str, Any]:
    chats: list[str] = []
    try:
        details = signer.details or {}
        chats = chat_invitations.list_chat_titles(signer)
    except DecryptionError as error:
        details = {"name": f"{signer.external_id} (encrypted with the missing key {error.key_id})"}
    addresses = [
        address for address in (details.get("mobile_number"), details.get("email")) if address
    ]
    return {
        "id": signer.id,
        "has_not_signed": (
            SignerState.read(signer.state).has_not_signed and signer.removed_at is None
        ),
        "removed_at": signer.removed_at,
        "waits_for_turn": _waits_for_turn(signer),
        "snoozed_until": signer.snoozed_until if reminders.is_snoozed(signer) else None,
        "name": details.get("name") or details.get("email") or signer.external_id,
        "state": signer.state,
        "at": signer.state_at if signer.state != SignerState.PENDING else None,
        "turn": signer.turn if in_turn else 0,
        "addresses": addresses,
        "opt_outs": opt_out_descriptions.describe_opt_outs(_opt_outs(signer, addresses)),
        "messages": messages,
        "skipped": skipped.get((signer.role, signer.external_id), []),
        "chats": chats,
    }


def _waits_for_turn(signer: Signer) -> bool:
    """Return whether other signers sign first, so that a signer was not invited yet."""
    request = signer.request
    return (
        request.state == RequestState.OPEN
        and request.sent_at is not None
        and signer.invited_at is None
        and signer.removed_at is None
        and SignerState.read(signer.state).has_not_signed
        and signer.role == PersonRole.SIGNER
        and signer not in turns.signers_in_turn(request.signers)
    )


def _opt_outs(signer: Signer, addresses: list[str]) -> list[OptOut]:
    contacts = db.session.scalars(
        select(Message.contact_id).where(Message.signer_id == signer.id).distinct()
    ).all()
    request = signer.request
    return opt_out_status.opt_outs_of_person(
        addresses, contacts, test=request.test, source_id=request.source_id
    )


Skipped = dict[tuple[str, str], list[str]]  # sentences by role and ID in the app
TEAM = ("", "")


def _skipped(row: SigningRequest) -> Skipped:
    """Return the messages that were not sent, with the reasons, as sentences by person."""
    skipped: Skipped = {}
    newest = select(Event).where(Event.request_id == row.id).order_by(Event.id.desc())
    for event in db.session.scalars(newest.limit(MAX_MESSAGES)):
        try:
            refusals = event.skipped or []
        except DecryptionError:
            continue
        for item in reversed(refusals):
            if item["reason"] in REASONS:
                sentence = _skipped_sentence(event.type, item)
                # events of version 0.2.0 name no role
                role = (item.get("role") or PersonRole.SIGNER) if item["signer"] else ""
                sentences = skipped.setdefault((role, item["signer"]), [])
                if sentence not in sentences:
                    sentences.insert(0, sentence)
    return skipped


def _skipped_sentence(event_type: str, item: dict[str, str]) -> str:
    """Return why a message was not sent, with its channel and the next step."""
    if item["reason"] == "connection_off":
        titles = team_subscriptions.disabled_connection_titles(event_type)
        return f"Not posted to {', '.join(titles) or 'the team'}: not enabled."
    title = MESSAGE_TITLES.get(event_type, event_type)
    channel = channel_title(item["step"])
    if item["reason"] == "no_address" and item["step"] in ADDRESS_TITLES:
        address = ADDRESS_TITLES[Channel(item["step"])]
        remedy = "Add one in the signing app."
        return f"{title} not sent by {channel}: the signer has no {address}. {remedy}"
    return f"{title} not sent ({channel}). {REASONS[item['reason']]}"


ADDRESS_TITLES = {
    **dict.fromkeys(PHONE_CHANNELS, "mobile number"),
    Channel.EMAIL: "email address",
}
MESSAGE_TITLES = {
    "request.sent": "Signing request",
    "request.viewed": "Opened notification",
    "request.signed": "Signed notification",
    "request.declined": "Declined notification",
    "request.completed": "Completed notification",
    "request.reminder": "Reminder",
    "request.expired": "Expired notification",
    "request.canceled": "Canceled notification",
}
