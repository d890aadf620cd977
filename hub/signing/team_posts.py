"""Post events to the destination of a team, and update earlier posts about the same request.

With a provider that keeps threads, the first post about a request starts a thread. Later posts are
replies, and the first post is edited when the state of the request changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import aliased

from hub import integrations
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Address, EventType, Lane
from hub.db.compiled_sql import Statement
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.engine import db
from hub.db.store import list_param, read, require_write_lock
from hub.db.types import keyring
from hub.integrations.base import Button
from hub.lib.crypto import digest
from hub.messaging.compose import outbox, plan, render
from hub.messaging.compose.content import buttons_of
from hub.messaging.compose.outbox import Draft
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.send import thread_order
from hub.models import ActionToken, ConnectionInfo, Contact, Message, MessageBody, Recipient
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
        return cards.buttons(self.request, self.type, self.id, self.document)


@dataclass(frozen=True)
class PressedButton:
    """A button that was pressed, and how the press is answered."""

    event_id: str
    connection_ids: Sequence[str] = ()  # the connections whose webhook reported the press
    reply_to: str = ""  # the provider's address for an answer, or ''
    post: str = ""  # the provider's id of the post, or ''


# ── New posts ─────────────────────────────────────────────────────────────────────────────────────
def draft_posts(
    event: TeamEvent,
    request: RequestRecord,
    planned: Sequence[tuple[plan.PlannedPost, bytes, render.Rendered]],
) -> list[Draft]:
    """Return the drafts of an event's posts: a card with buttons, or a reply in a card's thread."""
    if not planned:
        return []
    require_write_lock()  # an earlier transaction may have just added a post to reply to
    drafts = []
    card = cards.card(request)
    for post, key, rendered in planned:
        connection = post.connection
        is_reply = (
            _keeps_threads(connection) and _newest_post(request, connection, None) is not None
        )
        drafts.append(
            Draft(
                connection=connection,
                recipient=contact_for(Address.CHAT, connection.destination, test=request.test),
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
@dataclass(frozen=True)
class _Post:
    """A message that posted a card, or edited one."""

    id: str
    first_message_id: str  # the message that posted the card
    connection_id: str
    event_id: str | None
    content: dict[str, Any]
    recipient: Recipient


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
    if not candidates or request.new:
        return
    require_write_lock()
    answered = False
    for connection in candidates:
        newest = _newest_post(request, connection, pressed)
        if newest is None or (event is not None and newest.event_id == event.id):
            continue
        edits = integrations.get(connection.integration).edits_posts(connection.destination)
        answers = (
            pressed is not None
            and not (edits or answered)
            and _answers(pressed, connection, request)
        )
        if not (edits or answers):
            continue
        # several connections may share the secret that proves a press, but only one answers it
        answered = answered or answers
        draft = _draft_update(newest, request, connection, event)
        if pressed is not None:
            reply_to = pressed.reply_to if answers else ""
            draft = replace(draft, manual=True, reply_to=reply_to)
        outbox.replace(draft)


def _draft_update(
    newest: _Post, request: RequestRecord, connection: ConnectionInfo, event: TeamEvent | None
) -> Draft:
    """Return the draft that updates a post to the current state of its request."""
    buttons = (
        _usable_buttons(newest.content, request)
        if event is None or event.type == EventType.REMINDER
        else event.buttons
    )
    return Draft(
        connection=connection,
        recipient=newest.recipient,
        text=newest.content["text"],
        subject=newest.content["subject"],
        card=cards.card(request, _notes(request)),
        buttons=buttons,
        thread=request.id,
        edits_id=newest.first_message_id,
        source_id=request.source_id,
        event_id=event.id if event else newest.event_id,
        request_id=request.id,
    )


def _answers(pressed: PressedButton, connection: ConnectionInfo, request: RequestRecord) -> bool:
    """Return whether a connection answers a press: only if no stored post was pressed."""
    if not pressed.reply_to or connection.id not in pressed.connection_ids:
        return False
    return not (pressed.post and read(_PRESSED, request=request.id, post=pressed.post))


_PRESSED = Statement(
    select(Message.id)
    .where(Message.request_id == bindparam("request"), Message.provider_id == bindparam("post"))
    .limit(1)
)


def _newest_post(
    request: RequestRecord, connection: ConnectionInfo, pressed: PressedButton | None
) -> _Post | None:
    """Return the newest card about a request, in its thread or of the pressed button's event."""
    threaded = _keeps_threads(connection)
    for message_id, edits_id, event_id, sealed, *contact in read(
        _POSTS, request=request.id, connection=connection.id, place=connection.destination
    ):
        if not threaded and pressed is not None and event_id != pressed.event_id:
            continue
        try:
            content = keyring().open_json(MESSAGE_CONTENT, message_id.partition("_")[2], sealed)
        except DecryptionError:
            continue
        if content.get("card"):
            return _Post(
                message_id,
                edits_id or message_id,
                connection.id,
                event_id,
                content,
                Recipient(*contact),
            )
    return None


_edited = aliased(Message)
_POSTS = Statement(
    select(
        Message.id,
        Message.edits_id,
        Message.event_id,
        MessageBody._content,
        Contact.id,
        Contact.address,
        Contact.address_key,
    )
    .join(MessageBody, MessageBody.owner_id == Message.id)
    .join(Contact, Contact.id == Message.contact_id)
    .outerjoin(_edited, _edited.id == Message.edits_id)
    .where(
        Message.request_id == bindparam("request"),
        Message.connection_id == bindparam("connection"),
        Message.thread != "",
        Contact.address == bindparam("place"),
        *[
            func.coalesce(column, "").not_in([status.value for status in thread_order.NEVER_STOOD])
            for column in (Message.status, _edited.status)
        ],
    )
    .order_by(Message.id.desc())
)


def _usable_buttons(content: Mapping[str, Any], request: RequestRecord) -> tuple[Button, ...]:
    """Return the buttons of a card that still have an effect."""
    buttons = buttons_of(content)
    digests = [digest(button.token) for button in buttons if button.token]
    if not digests:
        return tuple(buttons)
    is_open = request.state == "open" and not request.expired
    owing = {signer.id for signer in request.signers if signer.owes} if is_open else set()
    used = {
        token_digest
        for token_digest, subject, used_at in read(_TOKENS, digests=digests)
        if used_at is not None
        or not ({signer.id for signer in cards.signers_of_button(subject, request)} & owing)
    }
    return tuple(
        button for button in buttons if not button.token or digest(button.token) not in used
    )


_TOKENS = Statement(
    select(ActionToken.digest, ActionToken.subject, ActionToken.used_at).where(
        ActionToken.digest.in_(list_param("digests"))
    )
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
