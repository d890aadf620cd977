"""List people by their last message, in the same time among 200,000 people as among a thousand.

A filter that few people meet is read from its own table, and the people are sorted. Otherwise the
messages are read newest first, and each person is listed at the last one, then people without
messages. A page reads a limited number of rows, so it can end early and continue on the next one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select, union_all

from hub.core.vocabulary import Address, Channel, RequestState
from hub.db.engine import db
from hub.models import (
    Connection,
    Consent,
    Contact,
    LinkedChat,
    Message,
    SigningRequest,
    Suppression,
)

CONSENTS = ("recorded", "missing", "refused", "opted_out")
FEW = 1000  # people who are read together and sorted
WINDOWS = (200, 1600)  # messages and people that one page reads, one window after the other
MAX_COUNTED = 1000
MESSAGE = "msg"
CONTACT = "ctc"
KINDS = [kind.value for kind in Address]
# positions before the first row of a table
OLDEST_MESSAGE = "msg_00000000-0000-0000-0000-000000000000"
NEWEST_CONTACT = "ctc_ffffffff-ffff-ffff-ffff-ffffffffffff"


@dataclass(frozen=True)
class PeopleFilter:
    """The people to list; empty values list all."""

    channel: str = ""
    consent: str = ""  # one of CONSENTS
    has_open_request: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of contacts, each checked by an index."""
        # the channel of a team is not a person
        team = select(Connection.id).where(
            Connection.destination != "", Connection.destination == Contact.address
        )
        conditions = [Contact.erased_at.is_(None), not_(team.exists())]
        if self.channel:
            conditions.append(_uses_channel(self.channel))
        if self.consent:
            conditions += _consent_conditions(self.consent)
        if self.has_open_request:
            conditions.append(_in_open_request())
        return conditions


@dataclass(frozen=True)
class PeoplePage:
    """The contact IDs of a page, and the positions of the pages before and after it, or ''."""

    contact_ids: Sequence[str]
    newer: str
    older: str
    count: int  # of all people of the filter
    is_exact: bool  # false: among the newest contacts, of which there are more


def read_page(wanted: PeopleFilter, *, before: str, after: str, size: int) -> PeoplePage:
    """Return the people before a position, or those after one: the ID of a message or a contact.

    Without positions, the people with the newest messages are listed.
    """
    few = _find_few(wanted)
    if few is None:
        return _walk_page(wanted, before=before, after=after, size=size)
    places = _places(few)
    if after:
        rows = [place for place in places if _key(place) > _key_of(after)][-size:]
    else:
        rows = [place for place in places if not before or _key(place) < _key_of(before)][:size]
    has_newer = bool(rows) and rows[0] != places[0]
    has_older = bool(rows) and rows[-1] != places[-1]
    return PeoplePage(
        [contact_id for _, contact_id in rows],
        rows[0][0] if has_newer else "",
        rows[-1][0] if has_older else "",
        len(places),
        is_exact=True,
    )


# ── Conditions ────────────────────────────────────────────────────────────────────────────────────
def _uses_channel(channel: str) -> ColumnElement[bool]:
    """Return whether a person has a message over a channel, or has linked a chat."""
    message = exists().where(Message.contact_id == Contact.id, Message.channel == channel)
    if channel != Channel.CHAT:
        return message
    return or_(message, exists().where(LinkedChat.address_key == Contact.address_key))


def _consent_conditions(consent: str) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a state of consent. A person is in one state only."""
    is_opted_out = exists().where(
        Suppression.address_key == Contact.address_key,
        Suppression.test == Contact.test,
        Suppression.lifted_at.is_(None),
    )
    if consent == "opted_out":
        yield is_opted_out
        return
    yield not_(is_opted_out)
    if consent == "missing":
        yield not_(exists().where(Consent.contact_id == Contact.id))
        return
    newest = (
        select(Consent.given)
        .where(Consent.contact_id == Contact.id)
        .order_by(Consent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    yield newest.is_(consent == "recorded")


def _in_open_request() -> ColumnElement[bool]:
    return exists().where(
        Message.contact_id == Contact.id,
        SigningRequest.id == Message.request_id,
        SigningRequest.state == RequestState.OPEN.value,
    )


# ── Filters that few people meet ──────────────────────────────────────────────────────────────────
def _find_few(wanted: PeopleFilter) -> list[str] | None:
    """Return the people of a filter if one of its tables has few rows, otherwise None."""
    for proposed in _proposals(wanted):
        contact_ids = db.session.scalars(proposed.limit(FEW + 1)).all()
        if len(contact_ids) <= FEW:
            chosen = Contact.id.in_({*contact_ids})
            found = select(Contact.id).where(chosen, *wanted.conditions())
            return list(db.session.scalars(found))
    return None


def _proposals(wanted: PeopleFilter) -> Iterator[Select[Any]]:
    """Yield queries of contacts that each contain all people of a filter."""
    if wanted.consent == "opted_out":
        yield _with_address_of(Suppression).where(Suppression.lifted_at.is_(None))
    if wanted.consent in ("recorded", "refused"):
        yield select(Consent.contact_id).where(Consent.given.is_(wanted.consent == "recorded"))
    if wanted.has_open_request:
        # read before, because PostgreSQL would join the messages of all requests, oldest first
        is_open = SigningRequest.state == RequestState.OPEN.value
        open_ids = db.session.scalars(select(SigningRequest.id).where(is_open).limit(FEW + 1)).all()
        if len(open_ids) <= FEW:
            yield select(Message.contact_id).where(Message.request_id.in_(open_ids))
    if wanted.channel:
        connections = select(Connection.id).where(Connection.channel == wanted.channel)
        messages = select(Message.contact_id).where(
            Message.connection_id.in_(db.session.scalars(connections).all())
        )
        is_chat = wanted.channel == Channel.CHAT
        yield _joined(messages, _with_address_of(LinkedChat)) if is_chat else messages


def _with_address_of(model: type[Suppression] | type[LinkedChat]) -> Select[Any]:
    """Return a query of the contacts whose address the rows of a table name."""
    is_same = and_(model.address_key == Contact.address_key, Contact.kind.in_(KINDS))
    return select(Contact.id).join(model, is_same)


def _joined(first: Select[Any], second: Select[Any]) -> Select[Any]:
    """Return a query of the contacts of two queries, one row more than few of each."""
    parts = [part.limit(FEW + 1).subquery() for part in (first, second)]
    return select(union_all(*(select(part) for part in parts)).subquery())


Place = tuple[str, str]  # the last message, or the contact itself without one; and the contact


def _places(contact_ids: Sequence[str]) -> list[Place]:
    """Return people with their positions in the list, the newest message first."""
    if not contact_ids:
        return []
    query = select(Contact.id, _last_message()).where(Contact.id.in_(contact_ids))
    places = [(last or contact_id, contact_id) for contact_id, last in db.session.execute(query)]
    return sorted(places, key=_key, reverse=True)


def _key(place: Place) -> tuple[bool, str]:
    return _key_of(place[0])


def _key_of(position: str) -> tuple[bool, str]:
    """Return what a position is compared by: people without messages are the oldest."""
    return position.startswith(MESSAGE), position


def _last_message() -> Any:
    return (
        select(Message.id)
        .where(Message.contact_id == Contact.id)
        .order_by(Message.id.desc())
        .limit(1)
        .scalar_subquery()
    )


# ── All others ────────────────────────────────────────────────────────────────────────────────────
def _walk_page(wanted: PeopleFilter, *, before: str, after: str, size: int) -> PeoplePage:
    """Read messages, and then contacts without any, from a position on in one direction."""
    is_newer = bool(after)
    walk = _Walk(wanted.conditions(), is_newer=is_newer)
    places, examined = walk.read(after or before, size)
    if is_newer:
        places.reverse()
    # the way back from an empty page includes the row at which it began
    first = places[0][0] if places else _beside(before, -1)
    last = places[-1][0] if places else _beside(after, 1)
    count, is_exact = _count(wanted)
    contact_ids = [contact_id for _, contact_id in places]
    if is_newer:
        return PeoplePage(contact_ids, examined, last, count, is_exact)
    return PeoplePage(contact_ids, first if before else "", examined, count, is_exact)


def _beside(position: str, step: int) -> str:
    """Return the position directly before or after another one; '' stays ''."""
    prefix, _, text = position.partition("_")
    if not text:
        return ""
    number = min(max(uuid.UUID(text).int + step, 0), 2**128 - 1)
    return f"{prefix}_{uuid.UUID(int=number)}"


class _Walk:
    """Windows of messages and contacts in one direction, with the people who are placed there."""

    def __init__(self, conditions: Sequence[ColumnElement[bool]], *, is_newer: bool) -> None:
        self._conditions = conditions
        self._is_newer = is_newer

    def read(self, start: str, size: int) -> tuple[list[Place], str]:
        """Return the places of a page, and the position at which the next one continues, or ''."""
        places: list[Place] = []
        windows = iter(WINDOWS)
        position = start
        for model in self._models(start):
            while (window := next(windows, 0)) > 0:
                places += self._read_places(model, position, window, size + 1 - len(places))
                if len(places) > size:
                    return places[:size], places[size - 1][0]
                end = self._end_of_window(model, position, window)
                if end is None:
                    break
                position = end
            else:
                return places, position
            position = OLDEST_MESSAGE if self._is_newer else NEWEST_CONTACT
        return places, ""

    def _models(self, start: str) -> list[Any]:
        """Return the tables that are read from a position on, in this direction."""
        if self._is_newer:
            return [Message] if start.startswith(MESSAGE) else [Contact, Message]
        return [Contact] if start.startswith(CONTACT) else [Message, Contact]

    def _window(self, model: Any, position: str) -> Select[Any]:
        contact_id = model.contact_id if model is Message else model.id
        query = select(model.id.label("place"), contact_id.label("contact_id"))
        query = query.order_by(model.id if self._is_newer else model.id.desc())
        if position:
            query = query.where(model.id > position if self._is_newer else model.id < position)
        return query

    def _read_places(self, model: Any, position: str, window: int, limit: int) -> list[Place]:
        """Return the rows of a window that are the places of people of the filter."""
        rows = self._window(model, position).limit(window).subquery()
        later = exists().where(Message.contact_id == rows.c.contact_id)
        if model is Message:
            later = later.where(Message.id > rows.c.place)
        query = (
            select(rows.c.place, rows.c.contact_id)
            .join(Contact, Contact.id == rows.c.contact_id)
            .where(not_(later), *self._conditions)
            .order_by(rows.c.place if self._is_newer else rows.c.place.desc())
            .limit(limit)
        )
        return [(place, contact_id) for place, contact_id in db.session.execute(query)]

    def _end_of_window(self, model: Any, position: str, window: int) -> str | None:
        """Return the last row of a window, or None if the table ends before."""
        query = self._window(model, position).with_only_columns(model.id)
        return db.session.scalar(query.offset(window - 1).limit(1))


def _count(wanted: PeopleFilter) -> tuple[int, bool]:
    """Return how many people the filter has among the newest contacts, and whether that is all."""
    # a range, because PostgreSQL reads the whole table for a list of IDs from a query
    oldest = select(Contact.id).order_by(Contact.id.desc()).offset(MAX_COUNTED).limit(1)
    first = db.session.scalar(oldest)
    found = select(func.count()).select_from(Contact).where(*wanted.conditions())
    if first is not None:
        found = found.where(Contact.id >= first)
    count = db.session.scalar(found) or 0
    return count, first is None
