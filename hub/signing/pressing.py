"""Pressing a button: it acts once, however often and by however many people it is pressed, and the posts say who did what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub import audit, tokens
from hub.audit import Actor
from hub.errors import NotFound, Refused
from hub.extensions import db
from hub.models import Action, Event
from hub.models.types import now
from hub.signing import cards, planning, records, reminders, team
from hub.signing.cards import REMIND, SNOOZE
from hub.signing.records import RequestRecord
from hub.store import need_lock, savepoint, transaction

KINDS = (REMIND, SNOOZE)


@dataclass(frozen=True)
class Button:
    """What a button would do, or has done."""

    kind: str
    names: str  # of those whom it is about
    title: str  # of the document
    pressed: str  # what came of it, in a sentence; '' while it can be pressed
    expired: bool


def look(token: str) -> Button | None:
    """Return what a button does; None when there is no such button."""
    action = tokens.find(token, *KINDS)
    request = _request(action) if action else None
    if action is None or request is None:
        return None
    names = cards.names_of(cards.who_it_is_for(action.subject, request))
    pressed = cards.note(action, request) + "." if action.used_at else ""
    return Button(action.kind, names, request.title or cards.UNTITLED, pressed, action.used_at is None and not tokens.is_open(action))


@transaction
def press(token: str, who: str, *, connection_ids: Sequence[str] = (), reply_to: str = "") -> bool:
    """Do what a button is for, in the name of `who`; False when it was pressed before. Raises NotFound when there is none.

    `connection_ids` and `reply_to`: where it was pressed, and how the post there is answered.
    """
    need_lock()
    action = tokens.find(token, *KINDS, lock=True)
    request = _request(action) if action else None
    if action is None or request is None:
        raise NotFound("no_such_button", "This button is not one of this hub’s, or what it was for was removed.")
    if action.used_at is not None:
        return False
    in_time = tokens.is_open(action)
    action.used_at, action.used_by = now(), who
    before = audit.actor()
    audit.act_as(Actor(who or cards.UNNAMED))
    try:
        action.outcome = _act(action, request) if in_time else "expired"
    finally:
        audit.act_as(before)
    db.session.flush()
    fresh = records.get(request.id) or request
    team.refresh(fresh, planning.carriers(request.test), pressed=team.Pressed(action.event_id or "", connection_ids, reply_to))
    return True


def _act(action: Action, request: RequestRecord) -> str:
    """Do it, and return what came of it in a word."""
    signer = action.subject if action.subject != request.id else None
    try:
        with savepoint():
            if action.kind == SNOOZE:
                reminders.snooze(request.id, signer)
                return "done"
            return "done" if reminders.reached(reminders.remind(request.id, signer)) else "unreached"
    except Refused as problem:
        return problem.code


def _request(action: Action) -> RequestRecord | None:
    event = db.session.get(Event, action.event_id) if action.event_id else None
    return records.get(event.request_id) if event else None



