"""Query lists of messages, in the same time among a million messages as among a thousand.

A query consists of branches. A branch is a condition whose rows one index returns newest first, so
that only the rows of a page are read. Such an index begins with the connection and the status, or
with the column of a search. A channel stands for its connections.
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
from hub.db.types import first_id_at, is_id
from hub.models import Attempt, Connection, Contact, Message, SigningRequest, Source
from hub.shared.address_keys import address_keys

HANDED_OVER = tuple(status for status in Status if status.awaits_report)
AT_ONCE = 100  # branches in one statement

Branches = list[ColumnElement[bool]]


class BesideIndex(FunctionElement[Any]):
    """A column that filters the rows of a branch without its own index.

    SQLite has no statistics here, and could otherwise choose this index over that of the branch.
    """

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(BesideIndex)
def _compile_column(element: BesideIndex, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(BesideIndex, "sqlite")
def _compile_for_sqlite(element: BesideIndex, compiler: SQLCompiler, **options: Any) -> str:
    # https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_
    return f"+{compiler.process(element.clauses, **options)}"


@dataclass(frozen=True)
class Filters:
    """Filters of a list of messages; an empty filter or None matches all messages.

    `slug` is that of a connection. `expecting` leaves out messages whose provider reports no
    status.
    """

    statuses: Collection[Status] = ()
    channel: str = ""
    slug: str = ""
    test: bool | None = None
    expecting: bool = False

    def connection_ids(self) -> list[str] | None:
        """Return the IDs of the connections that match, or None if all match."""
        if not self.channel and not self.slug and self.test is None:
            return None
        rows = db.session.execute(
            select(Connection.id, Connection.channel, Connection.slug, Connection.test)
        ).all()
        matching = [
            row.id
            for row in rows
            if self.channel in ("", row.channel)
            and self.slug in ("", row.slug)
            and self.test in (None, row.test)
        ]
        return None if len(matching) == len(rows) else matching

    def branches(self) -> Branches:
        """Return one branch for all messages, or one for each connection and status."""
        connection_ids = self.connection_ids()
        if connection_ids is None:
            if not self.statuses:
                return [true()]
            connection_ids = list(db.session.scalars(select(Connection.id)))
        statuses = [status for status in Status if status in self.statuses or not self.statuses]
        silent = silent_connections() if self.expecting else ()
        return [
            and_(Message.connection_id == connection_id, Message.status == status)
            for connection_id in connection_ids
            for status in statuses
            if not (status.awaits_report and connection_id in silent)
        ]

    def narrow(self, branches: Branches) -> Branches:
        """Add these filters to the branches of a search."""
        filters: Branches = (
            [BesideIndex(Message.status).in_(self.statuses)] if self.statuses else []
        )
        connection_ids = self.connection_ids()
        if connection_ids is not None:
            filters.append(BesideIndex(Message.connection_id).in_(connection_ids))
        if self.expecting and (silent := silent_connections()):
            filters.append(
                or_(
                    BesideIndex(Message.status).not_in(HANDED_OVER),
                    BesideIndex(Message.connection_id).not_in(silent),
                )
            )
        return [and_(branch, *filters) for branch in branches]


def newest_messages(
    branches: Sequence[ColumnElement[bool]],
    limit: int,
    *,
    before: str = "",
    after: str = "",
    extra_condition: ColumnElement[bool] | None = None,
) -> list[Message]:
    """Return at most `limit` messages of the branches, newest first.

    `before` and `after` are message IDs: return the messages next to one. Those after an ID are
    returned oldest first. `extra_condition`: a condition that applies to all branches.
    """
    conditions = [true() if extra_condition is None else extra_condition]
    if before:
        conditions.append(Message.id < before)
    elif after:
        conditions.append(Message.id > after)
    order = Message.id.asc() if after else Message.id.desc()
    ids: set[str] = set()
    for start in range(0, len(branches), AT_ONCE):
        parts = [
            select(Message.id).where(branch, *conditions).order_by(order).limit(limit)
            for branch in branches[start : start + AT_ONCE]
        ]
        ids.update(
            db.session.scalars(
                parts[0]
                if len(parts) == 1
                else union_all(*(select(part.subquery().c.id) for part in parts))
            )
        )
    page_ids = sorted(ids, reverse=not after)[:limit]
    if not page_ids:
        return []
    return list(db.session.scalars(select(Message).where(Message.id.in_(page_ids)).order_by(order)))


def silent_connections() -> list[str]:
    """Return the IDs of the connections whose provider reports no delivery status."""
    rows = db.session.execute(select(Connection.id, Connection.integration)).all()
    return [row.id for row in rows if not integrations.reports_delivery(row.integration)]


def count_messages(
    statuses: Collection[Status],
    since: datetime,
    limit: int,
    *,
    connection_ids: Collection[str] | None = None,
) -> int:
    """Count messages with these statuses created after `since`, up to `limit`.

    `connection_ids`: count only messages of these connections.
    """
    connections: Any = select(Connection.id) if connection_ids is None else connection_ids
    query = select(Message.id).where(
        Message.connection_id.in_(connections),
        Message.status.in_(statuses),
        Message.id > first_id_at("msg", since),
    )
    return db.session.scalar(select(func.count()).select_from(query.limit(limit).subquery())) or 0


# ── Branches of a search ──────────────────────────────────────────────────────────────────────────
def match_provider_id(provider_id: str) -> Branches:
    """Return branches for the messages with a provider's ID."""
    message_ids = select(Attempt.message_id).where(
        Attempt.connection_id.in_(select(Connection.id)), Attempt.provider_id == provider_id
    )
    return _branch_for_each(Message.id, message_ids)


def match_address(addresses: Collection[tuple[str, str]]) -> Branches:
    """Return branches for the messages to an address.

    `addresses`: the kinds and normalized forms that the address may have. Raises DecryptionError.
    """
    keys = [
        and_(Contact.kind == kind, Contact.address_key.in_(address_keys(kind, address)))
        for kind, address in addresses
    ]
    return _branch_for_each(Message.contact_id, select(Contact.id).where(or_(*keys)))


def match_request(name: str) -> Branches:
    """Return branches for the messages of a signing request, by its Signpost ID or app ID."""
    return _branch_for_each(Message.request_id, select_requests(name))


def match_code(code: str) -> Branches:
    """Return branches for the messages with an error code."""
    # the second condition is that of the partial index, which is used only if the query repeats it
    return [and_(Message.code == code, Message.code != literal_column("''"))]


def select_requests(name: str) -> Select[str]:
    """Return a query for the IDs of signing requests, by their Signpost ID or app ID."""
    query = select(SigningRequest.id).where(
        SigningRequest.source_id.in_(select(Source.id)), SigningRequest.external_id == name
    )
    if not is_id("req", name):
        return query
    return select(
        union_all(query, select(SigningRequest.id).where(SigningRequest.id == name)).subquery().c.id
    )


def _branch_for_each(column: Any, ids: Select[str]) -> Branches:
    return [column == value for value in dict.fromkeys(db.session.scalars(ids))]
