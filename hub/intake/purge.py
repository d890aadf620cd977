"""Delete the records of messages after their retention, a year by default.

Then it goes, a few rows at a time.

Opt-outs and consents are not touched, nor is a message that caused an opt-out. Of a signing
request there stays that it was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import id_at, now
from hub.models import (
    ActionToken,
    Attempt,
    Consent,
    Contact,
    ContactLink,
    Conversation,
    Event,
    InboundMessage,
    LinkedChat,
    Message,
    MessageBody,
    PausedDestination,
    PlatformEvent,
    RecipientPace,
    SessionWindow,
    Setting,
    Signer,
    SigningRequest,
    StatusEvent,
    Suppression,
    Thread,
)

SETTING = "metadata_forgotten"
EVERY = timedelta(days=1)
AT_ONCE = 500  # rows of one transaction: sending and settling write in between
BATCHES = 20  # of each kind in one run; the next goes on


def delete_old_rows(before: datetime) -> dict[str, int]:
    """Remove what was made before then; return how many rows of each kind.

    Once a day, or again at once where more was old than one run takes: to find what is old it looks
    through what is left of it.
    """
    done = db.session.get(Setting, SETTING)
    if done is not None and done.changed_at > now() - EVERY:
        return {}
    removed = {
        "inbound": _each(InboundMessage.id, InboundMessage.id < id_at("inb", before), _inbound),
        "messages": _each(Message.id, _over(before), _messages),
        "events": _each(
            Event.id, and_(Event.id < id_at("evt", before), Event._payload.is_not(None)), _events
        ),
        "requests": _each(SigningRequest.id, _closed(before), _requests),
        "actions": _each(ActionToken.digest, ActionToken.expires_at < before, _actions),
        "contacts": _each(Contact.id, _unknown(before), _contacts),
    }
    if max(removed.values()) < AT_ONCE * BATCHES:
        _done()
    return removed


@transaction
def _done() -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = "done"
    row.changed_at = now()
    db.session.add(row)


def _each(column: Any, where: ColumnElement[bool], remove: Any) -> int:
    removed = 0
    last = None
    for _ in range(BATCHES):
        query = (
            select(column).where(where)
            if last is None
            else select(column).where(where, column > last)
        )
        ids = list(db.session.scalars(query.order_by(column).limit(AT_ONCE)))
        db.session.rollback()
        if ids:
            remove(ids)
            last = ids[-1]
        removed += len(ids)
        if len(ids) < AT_ONCE:
            break
    return removed


# ── What is old enough ────────────────────────────────────────────────────────────────────────────
def _over(before: datetime) -> ColumnElement[bool]:
    """Select messages that nothing refers to and that expect no news; of two, the one that took
    over goes first.
    """
    later = aliased(Message)
    return and_(
        Message.id < id_at("msg", before),
        Message.due_at.is_(None),
        ~exists().where(or_(later.after_id == Message.id, later.edits_id == Message.id)),
        ~exists().where(Suppression.message_id == Message.id),
    )


def _closed(before: datetime) -> ColumnElement[bool]:
    """Requests without news since, which still hold texts."""
    named = exists().where(Signer.request_id == SigningRequest.id, Signer._details.is_not(None))
    told = or_(
        named,
        *(
            column.is_not(None)
            for column in (SigningRequest._title, SigningRequest._sender, SigningRequest._url)
        ),
    )
    return and_(SigningRequest.id < id_at("req", before), SigningRequest.reported_at < before, told)


def _unknown(before: datetime) -> ColumnElement[bool]:
    """Select contacts without messages, consents and opt-outs, linked contacts included."""
    other = aliased(Contact)
    refused = or_(
        exists().where(Suppression.address_key == other.address_key).correlate(other),
        exists().where(Consent.contact_id == other.id).correlate(other),
    )
    linked = (
        exists()
        .where(
            or_(
                and_(ContactLink.contact_id == Contact.id, ContactLink.other_id == other.id),
                and_(ContactLink.other_id == Contact.id, ContactLink.contact_id == other.id),
            ),
            ContactLink.undone_at.is_(None),
            refused,
        )
        .correlate(Contact)
    )
    return and_(
        Contact.id < id_at("ctc", before),
        ~exists().where(Message.contact_id == Contact.id),
        ~exists().where(InboundMessage.contact_id == Contact.id),
        ~exists().where(Consent.contact_id == Contact.id),
        ~exists().where(Suppression.address_key == Contact.address_key),
        ~exists().where(LinkedChat.contact_id == Contact.id),
        ~linked,
    )


# ── Removing ──────────────────────────────────────────────────────────────────────────────────────
@transaction
def _messages(ids: Sequence[str]) -> None:
    for column in (
        Attempt.message_id,
        StatusEvent.message_id,
        PlatformEvent.message_id,
        Thread.message_id,
    ):
        _delete(column, ids)
    _delete(MessageBody.owner_id, [one.partition("_")[2] for one in ids])
    _delete(Message.id, ids)


@transaction
def _inbound(ids: Sequence[str]) -> None:
    _delete(MessageBody.owner_id, [one.partition("_")[2] for one in ids])
    _delete(Conversation.last_id, ids)  # nothing newer was written
    _delete(InboundMessage.id, ids)


@transaction
def _events(ids: Sequence[str]) -> None:
    _run(update(Event).where(Event.id.in_(ids)).values(_payload=None, _skipped=None))


@transaction
def _requests(ids: Sequence[str]) -> None:
    _run(update(Signer).where(Signer.request_id.in_(ids)).values(_details=None, _signing_url=None))
    _run(
        update(SigningRequest)
        .where(SigningRequest.id.in_(ids))
        .values(_title=None, _sender=None, _url=None)
    )


@transaction
def _actions(ids: Sequence[bytes]) -> None:
    _delete(ActionToken.digest, ids)


@transaction
def _contacts(ids: Sequence[str]) -> None:
    columns = (
        SessionWindow.contact_id,
        RecipientPace.contact_id,
        PausedDestination.contact_id,
        Conversation.contact_id,
        ContactLink.contact_id,
        ContactLink.other_id,
        Contact.id,
    )
    for column in columns:
        _delete(column, ids)


def _delete(column: Any, values: Sequence[Any]) -> None:
    _run(delete(column.class_).where(column.in_(values)))


def _run(statement: Any) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
