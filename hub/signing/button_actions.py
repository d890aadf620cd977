"""Pressing a button: it acts once, however often and by however many people it is pressed, and the
posts say who did what.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from hub.core.errors import NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.track.statuses import Origin
from hub.models import ActionToken, Event, Message
from hub.shared import action_tokens, audit
from hub.shared.audit import Actor
from hub.signing import cards, planning, reminders, signing_batch, team_posts
from hub.signing.cards import REMIND, SNOOZE
from hub.signing.signing_batch import RequestRecord

KINDS = (REMIND, SNOOZE)


@dataclass(frozen=True)
class ButtonPage:
    """The effect of a button, before or after it was pressed."""

    kind: str
    names: str  # of those whom it is about
    title: str  # of the document
    pressed: str  # its result, in a sentence; '' while it can be pressed
    expired: bool


def preview_action(token: str) -> ButtonPage | None:
    """Return what a button does; None when there is no such button."""
    action = action_tokens.find_token(token, *KINDS)
    request = _request(action, lock=False) if action else None
    if action is None or request is None:
        return None
    names = cards.intended_reader(action.subject, request)
    pressed = cards.card_note(action, request) + "." if action.used_at else ""
    expired = action.used_at is None and (request.expired or not action_tokens.is_open(action))
    return ButtonPage(action.kind, names, cards.title_of(request), pressed, expired)


@transaction
def perform_action(
    token: str, who: str, *, origin: Origin | None = None, reply_to: str = "", post: str = ""
) -> bool:
    """Do what a button is for, in the name of `who`; False when it was pressed before.

    Raises NotFound when there is none.

    `origin`: whose webhook told of it; `reply_to` and `post`: how the post that was pressed is
    answered, and its provider's id.
    """
    action = action_tokens.find_token(token, *KINDS, lock=True)
    request = _request(action) if action else None
    if action is None or request is None or (origin is not None and not _posted(request, origin)):
        raise NotFound(
            "no_such_button",
            "This button is not from this hub, or its request was deleted.",
        )
    if action.used_at is not None:
        return False
    in_time = action_tokens.is_open(action)
    action.used_at = now()
    action.used_by = who
    before = audit.actor()
    if before.user_id is None:  # else somebody is signed in, and it is they
        audit.act_as(Actor(who or cards.UNNAMED))
    try:
        action.outcome = _act(action, request) if in_time else "expired"
    finally:
        audit.act_as(before)
    db.session.flush()
    fresh = signing_batch.get_request(request.id) or request
    over = origin.connection_ids if origin else ()
    pressed = team_posts.PressedButton(action.event_id or "", tuple(over), reply_to, post)
    team_posts.refresh_posts(fresh, planning.usable_connections(test=request.test), pressed=pressed)
    return True


def _posted(request: RequestRecord, origin: Origin) -> bool:
    """Tell whether one of the connections whose secret proved the press has posted about this
    request.
    """
    mine = select(Message.id).where(
        Message.request_id == request.id,
        Message.connection_id.in_(origin.connection_ids),
        Message.thread != "",
    )
    return db.session.scalar(mine.limit(1)) is not None


def _act(action: ActionToken, request: RequestRecord) -> str:
    """Perform the action, and return its result in a word."""
    signer = action.subject if action.subject != request.id else None
    try:
        with db.session.begin_nested():
            if action.kind == SNOOZE:
                reminders.snooze(request.id, signer)
                return "done"
            return (
                "done"
                if reminders.reachable_signers(reminders.remind(request.id, signer))
                else "unreached"
            )
    except Refused as problem:
        return problem.code


def _request(action: ActionToken, *, lock: bool = True) -> RequestRecord | None:
    event = db.session.get(Event, action.event_id) if action.event_id else None
    if event is None:
        return None
    return (
        signing_batch.get_request(event.request_id)
        if lock
        else signing_batch.read_request(event.request_id)
    )
