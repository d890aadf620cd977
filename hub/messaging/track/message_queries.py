"""Lists of messages, as fast among a million as among a thousand.

A list is made of branches: conditions that one index meets, newest first, without reading what it
does not show. Connection and status are the first columns of such an index, and channel and kind
follow from the connection; so does everything a search can mean.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hub import integrations
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import id_at, is_id
from hub.models import Attempt, Connection, Contact, Message, SigningRequest, Source
from hub.shared.address_keys import address_keys

HANDED_OVER = tuple(status for status in Status if status.handed_over)
AT_ONCE = 100  # branches of one statement

Branches = list[ColumnElement[bool]]


class BesideIndex(FunctionElement[Any]):
    """A column that narrows what a branch finds: SQLite, which keeps no statistics, must not take
    its index instead of the branch's.
    """

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(BesideIndex)
def _column(element: BesideIndex, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(BesideIndex, "sqlite")
def _column_without_index(element: BesideIndex, compiler: SQLCompiler, **options: Any) -> str:
    # https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_
    return f"+{compiler.process(element.clauses, **options)}"


@dataclass(frozen=True)
class Filters:
    """Filters of a list of messages; an empty or None filter narrows nothing. `slug` names a
    connection.

    `expecting` leaves out messages whose provider reports no statuses.
    """

    statuses: Collection[Status] = ()
    channel: str = ""
    slug: str = ""
    test: bool | None = None
    expecting: bool = False

    def carriers(self) -> list[str] | None:
        """Return the ids of the connections that are meant, or None for all there are."""
        if not self.channel and not self.slug and self.test is None:
            return None
        found = db.session.execute(
            select(Connection.id, Connection.channel, Connection.slug, Connection.test)
        ).all()
        meant = [
            one.id
            for one in found
            if self.channel in ("", one.channel)
            and self.slug in ("", one.slug)
            and self.test in (None, one.test)
        ]
        return None if len(meant) == len(found) else meant

    def branches(self) -> Branches:
        """Return what finds the messages that are meant: one branch for all, or one for each
        connection and status.
        """
        carriers = self.carriers()
        if carriers is None:
            if not self.statuses:
                return [true()]
            carriers = list(db.session.scalars(select(Connection.id)))
        wanted = [status for status in Status if status in self.statuses or not self.statuses]
        quiet = silent_messages() if self.expecting else ()
        return [
            and_(Message.connection_id == one, Message.status == status)
            for one in carriers
            for status in wanted
            if not (status.handed_over and one in quiet)
        ]

    def among(self, branches: Branches) -> Branches:
        """Return branches of a search, narrowed."""
        also: Branches = [BesideIndex(Message.status).in_(self.statuses)] if self.statuses else []
        carriers = self.carriers()
        if carriers is not None:
            also.append(BesideIndex(Message.connection_id).in_(carriers))
        if self.expecting and (quiet := silent_messages()):
            also.append(
                or_(
                    BesideIndex(Message.status).not_in(HANDED_OVER),
                    BesideIndex(Message.connection_id).not_in(quiet),
                )
            )
        return [and_(branch, *also) for branch in branches]


def newest_messages(
    branches: Sequence[ColumnElement[bool]],
    limit: int,
    *,
    before: str = "",
    after: str = "",
    also: ColumnElement[bool] | None = None,
) -> list[Message]:
    """Return messages of these branches, at most `limit`: the newest, those right before an id, or,
    oldest first, those after one.
    """
    order = Message.id.asc() if after else Message.id.desc()
    wanted = [true() if also is None else also]
    if before:
        wanted.append(Message.id < before)
    elif after:
        wanted.append(Message.id > after)
    ids: set[str] = set()
    for start in range(0, len(branches), AT_ONCE):
        parts = [
            select(Message.id).where(branch, *wanted).order_by(order).limit(limit)
            for branch in branches[start : start + AT_ONCE]
        ]
        ids.update(
            db.session.scalars(
                parts[0]
                if len(parts) == 1
                else union_all(*(select(part.subquery().c.id) for part in parts))
            )
        )
    chosen = sorted(ids, reverse=not after)[:limit]
    return (
        list(db.session.scalars(select(Message).where(Message.id.in_(chosen)).order_by(order)))
        if chosen
        else []
    )


def silent_messages() -> list[str]:
    """Return the ids of connections that never say what became of a message."""
    found = db.session.execute(select(Connection.id, Connection.integration)).all()
    return [one.id for one in found if not integrations.reports(one.integration)]


def count_messages(
    statuses: Collection[Status],
    since: datetime,
    most: int,
    *,
    among: Collection[str] | None = None,
) -> int:
    """Count the messages of these statuses that were made since then, no further than `most`; only
    those of some connections, if asked.
    """
    carriers: Any = select(Connection.id) if among is None else among
    meant = select(Message.id).where(
        Message.connection_id.in_(carriers),
        Message.status.in_(statuses),
        Message.id > id_at("msg", since),
    )
    return db.session.scalar(select(func.count()).select_from(meant.limit(most).subquery())) or 0


# ── What a search can mean ────────────────────────────────────────────────────────────────────────
def by_provider_id(provider_id: str) -> Branches:
    """Find the message that a provider knows under an id."""
    known = select(Attempt.message_id).where(
        Attempt.connection_id.in_(select(Connection.id)), Attempt.provider_id == provider_id
    )
    return _each(Message.id, known)


def by_address(addresses: Collection[tuple[str, str]]) -> Branches:
    """Find messages to an address, given as kinds and normal forms it may have.

    Raises Unreadable.
    """
    keys = [
        and_(Contact.kind == kind, Contact.address_key.in_(address_keys(kind, address)))
        for kind, address in addresses
    ]
    return _each(Message.contact_id, select(Contact.id).where(or_(*keys)))


def by_request(name: str) -> Branches:
    """Find messages of a signing request, by our id or the source's."""
    return _each(Message.request_id, requests_named(name))


def count_by_code(code: str) -> Branches:
    """Find messages that failed with a code."""
    # in the words of the partial index
    return [and_(Message.code == code, Message.code != literal_column("''"))]


def requests_named(name: str) -> Select[str]:
    """Return what finds signing requests by our id or the source's."""
    query = select(SigningRequest.id).where(
        SigningRequest.source_id.in_(select(Source.id)), SigningRequest.external_id == name
    )
    if not is_id("req", name):
        return query
    return select(
        union_all(query, select(SigningRequest.id).where(SigningRequest.id == name)).subquery().c.id
    )


def _each(column: Any, ids: Select[str]) -> Branches:
    return [column == one for one in dict.fromkeys(db.session.scalars(ids))]
