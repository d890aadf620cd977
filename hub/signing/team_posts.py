"""Posts to where a team reads: one for each event that its connection posts, and what stands there
already kept up to date.

Where a provider keeps threads, the first post about a request begins one, what follows goes into
it, and the first post is changed as the state of the request does.
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
    document: str = ""  # where the finished document is

    @cached_property
    def buttons(self) -> tuple[Button, ...]:
        """The buttons, made when the first post asks for them."""
        return cards.buttons(self.request, self.type, self.id, self.document)


@dataclass(frozen=True)
class PressedButton:
    """A button that was pressed: on a post of which event, over which connections, and to whom the
    answer goes.
    """

    event_id: str
    connection_ids: Sequence[str] = ()
    reply_to: str = ""
    post: str = ""  # the provider's id of the post that was pressed, where it has one


# ── New posts ─────────────────────────────────────────────────────────────────────────────────────
def draft_posts(
    told: TeamEvent,
    request: RequestRecord,
    planned: Sequence[tuple[plan.PlannedPost, bytes, render.Rendered]],
) -> list[Draft]:
    """Return the posts of an event: a card with its buttons, or a reply where a card stands
    already.
    """
    if not planned:
        return []
    require_write_lock()  # it reads what a change before may have written a moment ago
    made = []
    whole = cards.card(request)
    for post, key, said in planned:
        connection = post.connection
        replies = _keeps_threads(connection) and _newest(request, connection, None) is not None
        made.append(
            Draft(
                connection=connection,
                recipient=contact_for(Address.CHAT, connection.destination, test=request.test),
                text=said.text,
                subject=said.subject,
                card=None if replies else whole,
                buttons=() if replies else told.buttons,
                thread=request.id,
                source_id=request.source_id,
                event_id=told.id,
                request_id=request.id,
                step_id=post.step.id,
                template_version_id=said.version_id,
                lane=Lane.NOW,
                dedup_key=key,
            )
        )
    return made


def _keeps_threads(connection: ConnectionInfo) -> bool:
    return integrations.get(connection.integration).keeps_threads(connection.destination)


# ── Posts that stand ──────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class _Post:
    """A message that put a card somewhere, or changed one."""

    id: str
    stands_in: str  # the message that the card came with
    connection_id: str
    event_id: str | None
    content: dict[str, Any]
    recipient: Recipient


def refresh_posts(
    request: RequestRecord,
    connections: Mapping[str, ConnectionInfo],
    *,
    told: TeamEvent | None = None,
    pressed: PressedButton | None = None,
) -> None:
    """Change what stands about a request to what is so now: in threads always, elsewhere where a
    button was pressed.
    """
    able = [
        one
        for one in connections.values()
        if one.destination and (_keeps_threads(one) or pressed is not None)
    ]
    if not able or request.new:
        return
    require_write_lock()
    answered = False
    for connection in able:
        newest = _newest(request, connection, pressed)
        if newest is None or (told is not None and newest.event_id == told.id):
            continue
        edits = integrations.get(connection.integration).edits_posts(connection.destination)
        answers = (
            pressed is not None
            and not (edits or answered)
            and _answers(pressed, connection, request)
        )
        if not (edits or answers):
            continue
        # several connections may share what proves a press: one answers it
        answered = answered or answers
        draft = _change(newest, request, connection, told)
        if pressed is not None:
            reply_to = pressed.reply_to if answers else ""
            draft = replace(draft, manual=True, reply_to=reply_to)
        outbox.replace(draft)


def _change(
    newest: _Post, request: RequestRecord, connection: ConnectionInfo, told: TeamEvent | None
) -> Draft:
    """Return the message that shows in a post what is so now."""
    buttons = (
        _left(newest.content, request)
        if told is None or told.type == EventType.REMINDER
        else told.buttons
    )
    return Draft(
        connection=connection,
        recipient=newest.recipient,
        text=newest.content["text"],
        subject=newest.content["subject"],
        card=cards.card(request, _notes(request)),
        buttons=buttons,
        thread=request.id,
        edits_id=newest.stands_in,
        source_id=request.source_id,
        event_id=told.id if told else newest.event_id,
        request_id=request.id,
    )


def _answers(pressed: PressedButton, connection: ConnectionInfo, request: RequestRecord) -> bool:
    """Tell whether a press is answered over a connection: it may be one, and no post that can be
    changed was pressed.
    """
    if not pressed.reply_to or connection.id not in pressed.connection_ids:
        return False
    return not (pressed.post and read(_PRESSED, request=request.id, post=pressed.post))


_PRESSED = Statement(
    select(Message.id)
    .where(Message.request_id == bindparam("request"), Message.provider_id == bindparam("post"))
    .limit(1)
)


def _newest(
    request: RequestRecord, connection: ConnectionInfo, pressed: PressedButton | None
) -> _Post | None:
    """Return the newest card about a request: of its thread, or of the event whose button was
    pressed.
    """
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


_changed = aliased(Message)
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
    .outerjoin(_changed, _changed.id == Message.edits_id)
    .where(
        Message.request_id == bindparam("request"),
        Message.connection_id == bindparam("connection"),
        Message.thread != "",
        Contact.address == bindparam("place"),
        *[
            func.coalesce(one, "").not_in([status.value for status in thread_order.NEVER_STOOD])
            for one in (Message.status, _changed.status)
        ],
    )
    .order_by(Message.id.desc())
)


def _left(content: Mapping[str, Any], request: RequestRecord) -> tuple[Button, ...]:
    """Return the buttons of a card that can still do something."""
    kept = buttons_of(content)
    by_digest = {digest(one.token): one for one in kept if one.token}
    asked = request.state == "open" and not request.expired
    owing = {one.id for one in request.signers if one.owes} if asked else set()
    spent = (
        {
            key
            for key, subject, used_at in read(_STATE, digests=list(by_digest))
            if used_at is not None
            or not ({one.id for one in cards.addressee_note(subject, request)} & owing)
        }
        if by_digest
        else set()
    )
    return tuple(one for one in kept if not one.token or digest(one.token) not in spent)


_STATE = Statement(
    select(ActionToken.digest, ActionToken.subject, ActionToken.used_at).where(
        ActionToken.digest.in_(list_param("digests"))
    )
)


def _notes(request: RequestRecord, most: int = 3) -> list[str]:
    """Say what was pressed under the posts of a request, the newest last."""
    mine = [request.id, *(one.id for one in request.signers)]
    query = select(ActionToken).where(
        ActionToken.subject.in_(mine),
        ActionToken.kind.in_([cards.REMIND, cards.SNOOZE]),
        ActionToken.used_at.is_not(None),
    )
    found = db.session.scalars(query.order_by(ActionToken.used_at.desc()).limit(most)).all()
    return [cards.card_note(one, request) for one in reversed(found)]
