"""Post events to the destination of a team, and update earlier posts about the same request.

With a provider that keeps threads, the first post about a request starts a thread. Later posts are
replies, and the first post is edited when the state of the request changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased, contains_eager

from hub import integrations
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Address, EventType, Lane
from hub.db.engine import db
from hub.integrations.base import Button
from hub.lib.crypto import digest
from hub.messaging.compose import outbox, plan, render
from hub.messaging.compose.content import read_buttons
from hub.messaging.compose.outbox import Draft
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.send import thread_order
from hub.models import ActionToken, ConnectionInfo, Contact, Message, MessageBody
from hub.signing import cards
from hub.signing.signing_batch import RequestRecord


@dataclass
class TeamEvent:
    """The event that posts report to a team.

    All its posts share its buttons.
    """

    id: str
    type: EventType
    request: RequestRecord
    document: str = ""  # the URL of the finished document

    @cached_property
    def buttons(self) -> tuple[Button, ...]:
        """The buttons, made for the first post that shows them."""
        return cards.build_buttons(self.request, self.type, self.id, self.document)


@dataclass(frozen=True)
class PressedButton:
    """A button that was pressed, and how to reply to the press."""

    event_id: str
    connection_ids: Sequence[str] = ()  # the connections whose webhook reported the press
    reply_to: str = ""  # the provider's address for a reply, or ''
    post: str = ""  # the provider's ID of the post, or ''


# ── New posts ─────────────────────────────────────────────────────────────────────────────────────
def draft_posts(
    event: TeamEvent,
    request: RequestRecord,
    planned: Sequence[tuple[plan.PlannedPost, bytes, render.Rendered]],
) -> list[Draft]:
    """Return the drafts of an event's posts: a card with buttons, or a reply in a card's thread."""
    if not planned:
        return []
    drafts = []
    card = cards.build_card(request)
    for post, key, rendered in planned:
        connection = post.connection
        is_reply = (
            _keeps_threads(connection) and _newest_post(request, connection, None) is not None
        )
        drafts.append(
            Draft(
                connection=connection,
                recipient=get_or_create_contact(
                    Address.CHAT, connection.destination, test=request.test
                ),
                text=rendered.text,
                subject=rendered.subject,
                card=None if is_reply else card,
                buttons=() if is_reply else event.buttons,
                thread=request.id,
                source_id=request.source_id,
                event_id=event.id,
                request_id=request.id,
                step_id=post.step.id,
                template_version_id=rendered.version_id,
                lane=Lane.NOW,
                dedup_key=key,
            )
        )
    return drafts


def _keeps_threads(connection: ConnectionInfo) -> bool:
    return integrations.get(connection.integration).keeps_threads(connection.destination)


# ── Updates of posts ──────────────────────────────────────────────────────────────────────────────
def refresh_posts(
    request: RequestRecord,
    connections: Mapping[str, ConnectionInfo],
    *,
    event: TeamEvent | None = None,
    pressed: PressedButton | None = None,
) -> None:
    """Update the posts about a request to its current state.

    Posts in threads are always updated, other posts only when one of their buttons was pressed.
    """
    candidates = [
        connection
        for connection in connections.values()
        if connection.destination and (_keeps_threads(connection) or pressed is not None)
    ]
    if not candidates or request.is_new:
        return
    has_replied = False
    for connection in candidates:
        newest = _newest_post(request, connection, pressed)
        if newest is None:
            continue
        post, content = newest
        if event is not None and post.event_id == event.id:
            continue
        edits = integrations.get(connection.integration).edits_posts(connection.destination)
        replies = (
            pressed is not None
            and not (edits or has_replied)
            and _is_response_to_press(pressed, connection, request)
        )
        if not (edits or replies):
            continue
        # several connections may share the secret that proves a press, but only one replies to it
        has_replied = has_replied or replies
        draft = _draft_update(post, content, request, connection, event)
        if pressed is not None:
            reply_to = pressed.reply_to if replies else ""
            draft = replace(draft, manual=True, reply_to=reply_to)
        outbox.store_edit(draft)


def _draft_update(
    post: Message,
    content: Mapping[str, Any],
    request: RequestRecord,
    connection: ConnectionInfo,
    event: TeamEvent | None,
) -> Draft:
    """Return the draft that updates a post to the current state of its request."""
    buttons = (
        _usable_buttons(content, request)
        if event is None or event.type == EventType.REMINDER
        else event.buttons
    )
    return Draft(
        connection=connection,
        recipient=post.contact.recipient,
        text=content["text"],
        subject=content["subject"],
        card=cards.build_card(request, _notes(request)),
        buttons=buttons,
        thread=request.id,
        edits_id=post.edits_id or post.id,  # the message that posted the card
        source_id=request.source_id,
        event_id=event.id if event else post.event_id,
        request_id=request.id,
    )


def _is_response_to_press(
    pressed: PressedButton, connection: ConnectionInfo, request: RequestRecord
) -> bool:
    """Return whether a connection replies to a press: only if no stored post was pressed."""
    if not pressed.reply_to or connection.id not in pressed.connection_ids:
        return False
    if not pressed.post:
        return True
    stored = select(Message.id).where(
        Message.request_id == request.id, Message.provider_id == pressed.post
    )
    return db.session.scalar(stored.limit(1)) is None


def _newest_post(
    request: RequestRecord, connection: ConnectionInfo, pressed: PressedButton | None
) -> tuple[Message, dict[str, Any]] | None:
    """Return the newest card about a request with its content, posted or edited.

    It is the newest in the request's thread, or of the pressed button's event.
    """
    threaded = _keeps_threads(connection)
    for post, body in db.session.execute(_posts(request, connection)).all():
        if not threaded and pressed is not None and post.event_id != pressed.event_id:
            continue
        try:
            content = body.content
        except DecryptionError:
            continue
        if content.get("card"):
            return post, content
    return None


def _posts(request: RequestRecord, connection: ConnectionInfo) -> Select[Message, MessageBody]:
    """Return the query for the posts about a request that the team can see, newest first."""
    edited = aliased(Message)
    never_stood = [status.value for status in thread_order.NEVER_SENT]
    return (
        select(Message, MessageBody)
        .join(MessageBody, MessageBody.owner_id == Message.id)
        .join(Message.contact)
        .options(contains_eager(Message.contact))
        .outerjoin(edited, edited.id == Message.edits_id)
        .where(
            Message.request_id == request.id,
            Message.connection_id == connection.id,
            Message.thread != "",
            Contact.address == connection.destination,
            func.coalesce(Message.status, "").not_in(never_stood),
            func.coalesce(edited.status, "").not_in(never_stood),
        )
        .order_by(Message.id.desc())
    )


def _usable_buttons(content: Mapping[str, Any], request: RequestRecord) -> tuple[Button, ...]:
    """Return the buttons of a card that still have an effect."""
    buttons = read_buttons(content)
    digests = [digest(button.token) for button in buttons if button.token]
    if not digests:
        return tuple(buttons)
    is_open = request.state == "open" and not request.expired
    owing = {signer.id for signer in request.signers if signer.has_not_signed} if is_open else set()
    query = select(ActionToken.digest, ActionToken.subject, ActionToken.used_at)
    used = {
        token_digest
        for token_digest, subject, used_at in db.session.execute(
            query.where(ActionToken.digest.in_(digests))
        )
        if used_at is not None
        or not ({signer.id for signer in cards.signers_of_button(subject, request)} & owing)
    }
    return tuple(
        button for button in buttons if not button.token or digest(button.token) not in used
    )


def _notes(request: RequestRecord, limit: int = 3) -> list[str]:
    """Return the results of buttons pressed under a request's posts, the newest last."""
    subjects = [request.id, *(signer.id for signer in request.signers)]
    query = select(ActionToken).where(
        ActionToken.subject.in_(subjects),
        ActionToken.kind.in_([cards.REMIND, cards.SNOOZE]),
        ActionToken.used_at.is_not(None),
    )
    newest_first = db.session.scalars(query.order_by(ActionToken.used_at.desc()).limit(limit)).all()
    return [cards.card_note(action, request) for action in reversed(newest_first)]
