"""Find the targets of short links, and record when people open them.

Opens are hints: a mail scanner or a preview with the name of a browser counts too. So they reach no
goal of a route, and change no state.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import case, select, update
from sqlalchemy.exc import SQLAlchemyError

from hub.core.errors import DecryptionError
from hub.core.vocabulary import RequestState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints.catalog import LINK_OPENED
from hub.endpoints.platform_events import NewEvent, store_events
from hub.lib import short_codes
from hub.messaging.compose.outbox import record_fact
from hub.messaging.send import predecessors
from hub.models import Link, Message, Signer, SigningRequest

log = structlog.get_logger(__name__)

VALID_AFTER_CLOSING = timedelta(days=30)
MAX_OPENS = 1_000_000  # more are not counted
OPENED = "link opened"  # the name of the fact about the first open
HINT = "A hint: it does not say by whom, and a link scanner can look like a person."


@dataclass(frozen=True)
class OpenableLink:
    """A valid short link: its ID, and the URL that it stands for."""

    id: str
    target: str


@dataclass(frozen=True)
class LinkOpens:
    """The opens of the short links in a message: their number, the first and the last time."""

    count: int
    first_at: datetime
    last_at: datetime


# ── Validity ──────────────────────────────────────────────────────────────────────────────────────
def find_link(code: str) -> OpenableLink | None:
    """Return the link of a code, or None for a code that is unknown, ended or expired.

    All codes cost one query by their digest, and nothing else before the result is known.
    """
    row = db.session.execute(_QUERY.where(Link.digest == short_codes.digest_of(code))).one_or_none()
    if row is None or not _is_valid(row):
        return None
    link: Link = row.Link
    try:
        target = link.url
    except DecryptionError:
        log.error("short_link.unreadable", link=link.id)
        return None
    if not isinstance(target, str) or not target.lower().startswith(("https://", "http://")):
        return None
    return OpenableLink(link.id, target)


_QUERY = (
    select(
        Link,
        SigningRequest.state,
        SigningRequest.closed_at,
        SigningRequest.expires_at,
        Signer.removed_at,
    )
    .join(Message, Message.id == Link.message_id)
    .join(SigningRequest, SigningRequest.id == Message.request_id)
    .join(Signer, Signer.id == Link.signer_id)
)


def _is_valid(row: Any) -> bool:
    link: Link = row.Link
    if link.ended_at is not None or row.removed_at is not None:
        return False
    if row.state == RequestState.CANCELED:
        return False
    if link.expires_at is not None and link.expires_at <= now():
        return False
    closed_at = row.expires_at if row.state == RequestState.OPEN else row.closed_at
    if closed_at is None:
        return True
    # a link that was sent after the end, such as that of a download, is valid as long
    return bool(max(closed_at, link.created_at) + VALID_AFTER_CLOSING > now())


def expired_links(before: datetime) -> Any:
    """Return the condition of links whose request closed, and which were made, before `before`."""
    closed_at = case(
        (SigningRequest.state == RequestState.OPEN, SigningRequest.expires_at),
        else_=SigningRequest.closed_at,
    )
    ids = (
        select(Message.id)
        .join(SigningRequest, SigningRequest.id == Message.request_id)
        .where(closed_at < before)
    )
    return Link.ended_at.is_(None) & (Link.created_at < before) & Link.message_id.in_(ids)


# ── Opens ─────────────────────────────────────────────────────────────────────────────────────────
def count_open(link_id: str) -> None:
    """Count that a person opened a link. A failure is logged, and the link still opens."""
    try:
        _count(link_id)
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("short_link.not_counted", problem=type(error).__name__)


@transaction
def _count(link_id: str) -> None:
    at = now()
    # of two opens at once, exactly one is the first
    first = _update(
        update(Link)
        .where(Link.id == link_id, Link.opened_at.is_(None))
        .values(opens=1, opened_at=at, last_opened_at=at)
    )
    if first:
        _report(link_id, at)
        return
    _update(
        update(Link)
        .where(Link.id == link_id, Link.opens < MAX_OPENS)
        .values(opens=Link.opens + 1, last_opened_at=at)
    )


def _update(statement: Any) -> int:
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _report(link_id: str, at: datetime) -> None:
    """Record the first open on the message's timeline, and report it to the signing app."""
    query = select(Message).join(Link, Link.message_id == Message.id).where(Link.id == link_id)
    message = db.session.scalars(query).one()
    record_fact(message, OPENED, reason=HINT)
    store_events(
        [
            NewEvent(
                cause=f"{link_id}:{LINK_OPENED}",
                type=LINK_OPENED,
                source_id=message.source_id,
                test=message.test,
                message_id=message.id,
                request_id=message.request_id,
                at=at,
            )
        ]
    )


def read_opens(message_ids: Collection[str]) -> dict[str, LinkOpens]:
    """Return the opens of the links in messages, by message. Unopened ones are left out."""
    query = select(Link.message_id, Link.opens, Link.opened_at, Link.last_opened_at).where(
        Link.message_id.in_(message_ids), Link.opened_at.is_not(None)
    )
    found: dict[str, LinkOpens] = {}
    rows: list[Any] = list(db.session.execute(query))
    for message_id, count, first_at, last_at in rows:
        former = found.get(message_id)
        if former is None:
            found[message_id] = LinkOpens(count, first_at, last_at)
        else:  # a text with a link to sign and one to download
            found[message_id] = LinkOpens(
                former.count + count, min(former.first_at, first_at), max(former.last_at, last_at)
            )
    return found


def read_opens_of(message: Message) -> LinkOpens | None:
    """Return the opens of the link in a message. A resent message has the link of the first one."""
    return read_opens(same_text_ids(message)).get(_owner_of(message))


def _owner_of(message: Message) -> str:
    """Return the message that the link in a message was made for."""
    return same_text_ids(message)[-1]


def same_text_ids(message: Message) -> Sequence[str]:
    """Return a message and the previous ones of the same step, whose text it repeats."""
    ids = [message.id]
    for row in predecessors.list_former(message.after_id):
        if row.step_id != message.step_id:
            break
        ids.append(row.id)
    return ids
