"""Perform the action of a button under a post once, even if it is pressed again.

The posts then show who pressed it and with what result.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from hub.core.errors import NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints.catalog import BUTTON_PRESSED
from hub.endpoints.platform_events import NewEvent, store_events
from hub.messaging.track.statuses import Origin
from hub.models import ActionToken, Event, Message
from hub.shared import action_tokens, audit
from hub.shared.audit import Actor
from hub.signing import cards, planning, reminders, signing_batch, team_posts
from hub.signing.cards import REMIND, SNOOZE
from hub.signing.signing_batch import RequestRecord
from hub.signing.team_language import team_locale

KINDS = (REMIND, SNOOZE)


@dataclass(frozen=True)
class ButtonPage:
    """The effect of a button, before or after it was pressed."""

    kind: str
    names: str  # of the signers that the button affects
    title: str  # of the document
    result: str  # the result in a sentence, or '' while the button can be pressed
    is_expired: bool
    locale: str  # the language of the team
    affects_all: bool  # all pending signers


def preview_action(token: str) -> ButtonPage | None:
    """Return the effect of a button, or None if there is no such button."""
    action = action_tokens.find_token(token, *KINDS)
    request = _find_request(action, lock=False) if action else None
    if action is None or request is None:
        return None
    locale = team_locale(request.source_id)
    names = cards.names_on_button(action.subject, request)
    pressed = cards.card_note(action, request) + "." if action.used_at else ""
    expired = action.used_at is None and (request.expired or not action_tokens.is_open(action))
    return ButtonPage(
        action.kind,
        names,
        cards.request_title(request, locale),
        pressed,
        expired,
        locale,
        affects_all=action.subject == request.id,
    )


@transaction
def perform_action(
    token: str, actor_name: str, *, origin: Origin | None = None, reply_to: str = "", post: str = ""
) -> bool:
    """Perform the action of a button; return False when it was pressed before.

    `origin`: the connections whose webhook reported the press. `reply_to`: the provider's address
    for a reply to the press. `post`: the provider's ID of the post. Raises NotFound.
    """
    action = action_tokens.find_token(token, *KINDS, lock=True)
    request = _find_request(action) if action else None
    if (
        action is None
        or request is None
        or (origin is not None and not _has_posted(request, origin))
    ):
        raise NotFound(
            "no_such_button",
            "This button was not created by Signpost, or its request was deleted.",
        )
    if action.used_at is not None:
        return False
    in_time = action_tokens.is_open(action)
    action.used_at = now()
    action.used_by = actor_name
    signed_in = audit.actor()
    if signed_in.user_id is None:  # a signed-in user stays the actor
        audit.act_as(Actor(actor_name or cards.UNNAMED))
    try:
        action.outcome = _act(action, request) if in_time else "expired"
    finally:
        audit.act_as(signed_in)
    db.session.flush()
    _report_press(action, request, connection_ids=origin.connection_ids if origin else ())
    updated_request = signing_batch.get_request(request.id) or request
    connection_ids = origin.connection_ids if origin else ()
    pressed = team_posts.PressedButton(action.event_id or "", tuple(connection_ids), reply_to, post)
    team_posts.refresh_posts(
        updated_request, planning.usable_connections(test=request.test), pressed=pressed
    )
    return True


def _report_press(
    action: ActionToken, request: RequestRecord, connection_ids: Collection[str]
) -> None:
    """Report a pressed button to the app of its request, without the person who pressed it."""
    signers = (row.external_id for row in request.signers if row.id == action.subject)
    event = NewEvent(
        cause=f"{action.digest.hex()}:{BUTTON_PRESSED}",
        type=BUTTON_PRESSED,
        source_id=request.source_id,
        test=request.test,
        request_id=request.id,
        at=action.used_at or now(),
        payload={
            "button": action.kind,
            "result": action.outcome,
            "signer": next(signers, None),
            "connection": next(iter(connection_ids), None),
        },
    )
    store_events([event])


def _has_posted(request: RequestRecord, origin: Origin) -> bool:
    """Return whether a connection of the verified webhook has posted about this request."""
    posts = select(Message.id).where(
        Message.request_id == request.id,
        Message.connection_id.in_(origin.connection_ids),
        Message.thread != "",
    )
    return db.session.scalar(posts.limit(1)) is not None


def _act(action: ActionToken, request: RequestRecord) -> str:
    """Perform the action; return the code of its result."""
    signer = action.subject if action.subject != request.id else None
    try:
        with db.session.begin_nested():
            if action.kind == SNOOZE:
                reminders.snooze(request.id, signer)
                return "done"
            response = reminders.remind(request.id, signer)
            return "done" if reminders.reachable_signers(response) else "unreached"
    except Refused as error:
        return error.code


def _find_request(action: ActionToken, *, lock: bool = True) -> RequestRecord | None:
    event = db.session.get(Event, action.event_id) if action.event_id else None
    if event is None:
        return None
    return (
        signing_batch.get_request(event.request_id)
        if lock
        else signing_batch.read_request(event.request_id)
    )
