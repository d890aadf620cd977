"""Report that no step of a route has reached a person: to the app, admins, team and sender."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select

from hub import integrations
from hub.core.vocabulary import (
    Address,
    EventType,
    PersonRole,
    RequestState,
    SignerState,
    Status,
)
from hub.db.engine import db
from hub.db.types import first_id_at
from hub.endpoints.catalog import SIGNER_NOT_REACHED
from hub.endpoints.platform_events import NewEvent, store_events
from hub.lib.crypto import blind_index
from hub.lib.text import isolate
from hub.messaging.compose import plan
from hub.messaging.compose.outbox import Draft, add_messages
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.send import predecessors
from hub.messaging.state import fallback_timers
from hub.models import Connection, Event, Message, PlatformEvent, Signer, SigningRequest
from hub.shared.index_key import index_key
from hub.shared.sentences import has_sentence, sentence
from hub.signing import cards, planning, sender_notes
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.team_language import team_locale

_GIVEN_UP = (*fallback_timers.LOST, Status.CANCELED)


def report(message: Message, event: Event, request: RequestRecord, signer: SignerRecord) -> None:
    """Report once that the last message of a ladder did not reach its recipient.

    Nothing is reported while the message waits, or if another message of the event may arrive.
    """
    cause = _cause(message.id)
    if not _is_unreached(message, signer) or db.session.scalar(
        select(exists().where(PlatformEvent.cause == cause))
    ):
        return
    store_events(
        [
            NewEvent(
                cause=cause,
                type=SIGNER_NOT_REACHED,
                message_id=message.id,
                request_id=request.id,
                source_id=request.source_id,
                test=request.test,
                payload={"signer": signer.external_id, "code": message.code},
            )
        ]
    )
    text = _describe_result(message, request, signer)
    add_messages(draft_posts(text, cause, event.id, EventType(event.type), request))
    sender_notes.send_note(message, event, request, signer)


def _cause(message_id: str) -> str:
    """Return the cause of the event. It begins with the type, so that its index finds events."""
    return f"{SIGNER_NOT_REACHED}:{message_id}"


def _is_unreached(message: Message, signer: SignerRecord) -> bool:
    if Status.read(message.status) in (Status.QUEUED, Status.SENDING):
        return False
    former = predecessors.list_former(message.id)
    if any(_has_arrived(row) for row in former):
        return False
    others = select(Message.status).where(
        Message.event_id == message.event_id,
        Message.request_id == message.request_id,
        Message.signer_id == signer.id,
        Message.id.not_in([row.id for row in former]),
    )
    return all(Status.read(status) in _GIVEN_UP for status in db.session.scalars(others))


def _has_arrived(row: Any) -> bool:
    """Return whether a message was delivered, or accepted by a provider that reports no more."""
    status = Status.read(row.status)
    if status.is_delivered:
        return True
    connection = db.session.get_one(Connection, row.connection_id)
    return status.awaits_report and not integrations.reports_delivery(connection.integration)


# ── The team ──────────────────────────────────────────────────────────────────────────────────────
def draft_posts(
    text: str, cause: str, event_id: str, event_type: EventType, request: RequestRecord
) -> list[Draft]:
    """Return the posts to each team that reads about an event, or about sent documents.

    `cause`: the report that they are about, each of which is posted once.
    """
    posted_type = EventType.SENT if event_type.asks_to_sign else event_type
    connections = planning.usable_connections(test=request.test)
    candidates = [planning.build_candidate(connection) for connection in connections.values()]
    routes = planning.read_routes(posted_type, request.source_id, test=request.test)
    posts, _ = plan.plan_posts(routes, candidates, plan.PlannedEvent(event_type))
    return [
        Draft(
            connection=post.connection,
            recipient=get_or_create_contact(
                Address.CHAT, post.connection.destination, test=request.test
            ),
            text=text,
            thread=request.id,
            source_id=request.source_id,
            event_id=event_id,
            request_id=request.id,
            step_id=post.step.id,
            dedup_key=blind_index(index_key(), "once", request.id, cause, post.connection.id),
        )
        for post in posts
    ]


def _describe_result(message: Message, request: RequestRecord, signer: SignerRecord) -> str:
    locale = team_locale(request.source_id)
    results = [
        f"{db.session.get_one(Connection, row.connection_id).title}:"
        f" {_status_name(row.status, locale)}"
        for row in reversed(predecessors.list_former(message.id))
    ]
    return f"{describe([cards.signer_name(signer)], request)} {', '.join(results)}."


def describe(names: Sequence[str], request: RequestRecord) -> str:
    """Return the sentence that people could not be reached about a request."""
    locale = team_locale(request.source_id)
    title = cards.short_title(request, locale)
    shown = ", ".join(isolate(name) for name in names)
    return sentence("unreached", locale, names=shown, title=isolate(title))


def _status_name(status: str, locale: str) -> str:
    key = f"message_{status}"
    return sentence(key, locale) if has_sentence(key) else status


# ── The admins ────────────────────────────────────────────────────────────────────────────────────
def list_unreached(since: datetime, limit: int) -> list[str]:
    """Return the last messages to signers who were not reached and still have to sign.

    They were created since a time. The newest come first.
    """
    first = _cause(first_id_at("msg", since))
    query = (
        select(PlatformEvent.message_id)
        .join(Message, Message.id == PlatformEvent.message_id)
        .join(SigningRequest, SigningRequest.id == Message.request_id)
        .join(Signer, Signer.id == Message.signer_id)
        .where(
            PlatformEvent.cause >= first,
            PlatformEvent.cause < f"{SIGNER_NOT_REACHED};",  # the character after the colon
            SigningRequest.state == RequestState.OPEN,
            Signer.role == PersonRole.SIGNER,
            Signer.removed_at.is_(None),
            Signer.state.in_((SignerState.PENDING.value, SignerState.VIEWED.value)),
        )
        .order_by(PlatformEvent.cause.desc())
        .limit(limit)
    )
    return [message_id for message_id in db.session.scalars(query) if message_id is not None]
