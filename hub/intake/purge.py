"""Delete the records of messages after their retention, a year by default.

Rows are deleted in small batches. Opt-outs and consents are kept, and so is a message that caused
an opt-out. Of a signing request, the row stays without its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, now
from hub.evidence import recording, retention
from hub.evidence.holds import held_messages, held_requests
from hub.messaging.compose import short_links
from hub.messaging.track import link_opens
from hub.models import (
    ActionToken,
    Attempt,
    Consent,
    Contact,
    ContactLink,
    Conversation,
    Event,
    InboundMessage,
    Link,
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
from hub.search import entries

SETTING = "metadata_forgotten"
EVERY = timedelta(days=1)
AT_ONCE = 500  # rows per transaction, so that sending and callbacks write in between
BATCHES = 20  # of each kind in one run; the next run continues


def delete_old_rows(before: datetime) -> dict[str, int]:
    """Delete the records made before `before`; return the number of rows of each kind.

    Runs once a day, because finding old rows reads all that are left; it runs again at once if one
    run could not delete them all.
    """
    last_run = db.session.get(Setting, SETTING)
    if last_run is not None and last_run.changed_at > now() - EVERY:
        return {}
    removed = {
        "inbound": delete_in_batches(
            InboundMessage.id,
            and_(
                InboundMessage.id < first_id_at("inb", before),
                ~held_messages(InboundMessage.contact_id),
            ),
            _delete_inbound,
        ),
        "messages": delete_in_batches(Message.id, _finished_messages(before), _delete_messages),
        "links": delete_in_batches(Link.id, _expired_links(), _end_links),
        "events": delete_in_batches(
            Event.id,
            and_(
                Event.id < first_id_at("evt", before),
                Event._payload.is_not(None),
                Event.due_at.is_(None),  # a scheduled event still needs it
            ),
            _delete_events,
        ),
        "requests": delete_in_batches(
            SigningRequest.id, _requests_with_texts(before), _delete_requests
        ),
        "actions": delete_in_batches(
            ActionToken.digest, ActionToken.expires_at < before, _delete_tokens
        ),
        "contacts": delete_in_batches(Contact.id, _unused_contacts(before), _delete_contacts),
        "evidence": delete_in_batches(
            SigningRequest.id,
            retention.ended_requests(retention.kept_since(), recorded=True),
            retention.delete_evidence,
        ),
    }
    if max(removed.values()) < AT_ONCE * BATCHES:
        _store_run()
    return removed


@transaction
def _store_run() -> None:
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = "done"
    row.changed_at = now()
    db.session.add(row)


def delete_in_batches(
    column: Any, where: ColumnElement[bool], remove: Callable[[list[Any]], None]
) -> int:
    """Pass the values of `column` to `remove` in batches, smallest first; return how many.

    IDs sort by time, so the oldest rows stand at the beginning of the primary key.
    """
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


# ── Old rows ────────────────────────────────────────────────────────────────────────────
def _finished_messages(before: datetime) -> ColumnElement[bool]:
    """Select messages that no row refers to and that expect no status.

    A fallback is deleted before the message that it follows.
    """
    later = aliased(Message)
    return and_(
        Message.id < first_id_at("msg", before),
        Message.due_at.is_(None),
        ~held_requests(Message.request_id),
        ~exists().where(or_(later.after_id == Message.id, later.edits_id == Message.id)),
        ~exists().where(Suppression.message_id == Message.id),
    )


def _expired_links() -> ColumnElement[bool]:
    """Select short links that are no longer valid and still have their targets."""
    is_held = exists().where(Message.id == Link.message_id, held_requests(Message.request_id))
    return and_(
        link_opens.expired_links(now() - link_opens.VALID_AFTER_CLOSING),
        ~is_held,
    )


def _requests_with_texts(before: datetime) -> ColumnElement[bool]:
    """Select requests without a newer event that still hold texts."""
    has_signer_details = exists().where(
        Signer.request_id == SigningRequest.id, Signer._details.is_not(None)
    )
    has_texts = or_(
        has_signer_details,
        *(
            column.is_not(None)
            for column in (SigningRequest._title, SigningRequest._sender, SigningRequest._url)
        ),
    )
    return and_(
        SigningRequest.id < first_id_at("req", before),
        SigningRequest.reported_at < before,
        ~held_requests(SigningRequest.id),
        has_texts,
    )


def _unused_contacts(before: datetime) -> ColumnElement[bool]:
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
        Contact.id < first_id_at("ctc", before),
        ~exists().where(Message.contact_id == Contact.id),
        ~exists().where(InboundMessage.contact_id == Contact.id),
        ~exists().where(Consent.contact_id == Contact.id),
        ~exists().where(Suppression.address_key == Contact.address_key),
        ~exists().where(LinkedChat.contact_id == Contact.id),
        ~linked,
    )


# ── Deleting ──────────────────────────────────────────────────────────────────────────────────────
@transaction
def _delete_messages(ids: Sequence[str]) -> None:
    recording.record_messages(ids)
    for column in (
        Attempt.message_id,
        StatusEvent.message_id,
        PlatformEvent.message_id,
        Thread.message_id,
        Link.message_id,
    ):
        _delete(column, ids)
    _delete(MessageBody.owner_id, [message_id.partition("_")[2] for message_id in ids])
    _delete(Message.id, ids)


@transaction
def _delete_inbound(ids: Sequence[str]) -> None:
    senders = select(InboundMessage.contact_id).where(
        InboundMessage.id.in_(ids), InboundMessage.contact_id.is_not(None)
    )
    recording.record_contacts({str(contact_id) for contact_id in db.session.scalars(senders)})
    _delete(MessageBody.owner_id, [inbound_id.partition("_")[2] for inbound_id in ids])
    _delete(Conversation.last_id, ids)  # nothing newer was written
    _delete(InboundMessage.id, ids)


@transaction
def _delete_events(ids: Sequence[str]) -> None:
    _run(update(Event).where(Event.id.in_(ids)).values(_payload=None, _skipped=None))


@transaction
def _delete_requests(ids: Sequence[str]) -> None:
    recording.record_requests(ids)
    entries.forget_requests(ids)
    _run(update(Signer).where(Signer.request_id.in_(ids)).values(_details=None, _signing_url=None))
    _run(
        update(SigningRequest)
        .where(SigningRequest.id.in_(ids))
        .values(_title=None, _sender=None, _url=None)
    )


@transaction
def _end_links(ids: Sequence[str]) -> None:
    short_links.end_by_ids(ids)


@transaction
def _delete_tokens(ids: Sequence[bytes]) -> None:
    _delete(ActionToken.digest, ids)


@transaction
def _delete_contacts(ids: Sequence[str]) -> None:
    entries.forget_contacts(ids)
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
