"""Senders: what messages go out from.

Connections of one sender share its limits, and the troubles of its provider.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select

from hub import integrations
from hub.core.errors import NotFound
from hub.db.engine import db
from hub.db.store import cached
from hub.models import Connection


@dataclass(frozen=True)
class Sender:
    """A sender: its throttle's name, its connections, and how many messages a second it may send,
    in all and to one recipient.

    0 is no limit. `account` is what senders of one account at one provider have in common; '' where
    there is none.
    """

    name: str
    connection_ids: tuple[str, ...]
    per_second: float
    per_recipient: float
    account: str = ""


def senders_of_accounts(accounts: Collection[str]) -> list[Sender]:
    """Return every sender of some accounts; what is known may be a second old."""
    known: dict[str, Sender] = cached(("senders",), _all)
    return list(
        {
            one.name: one for one in known.values() if one.account and one.account in accounts
        }.values()
    )


def sender_of_connection(connection_ids: Iterable[str]) -> dict[str, Sender]:
    """Return the sender of each connection, with limits that may be a second old; an unknown
    connection has none.
    """
    wanted = set(connection_ids)
    known = cached(("senders",), _all)
    if not wanted <= known.keys():
        known = _all()  # one of them is new
    return {connection_id: known[connection_id] for connection_id in wanted & known.keys()}


def _all() -> dict[str, Sender]:
    rows: dict[str, list[tuple[str, float, float]]] = {}
    accounts: dict[str, str] = {}
    for (
        connection_id,
        name,
        integration,
        per_second,
        archived_at,
        account,
        test,
    ) in db.session.execute(_CONNECTIONS):
        limits = (0.0, 0.0)
        # an archived one limits the others no more, and without its package one sends nothing
        with suppress(NotFound):
            if archived_at is None:
                cls = integrations.get(integration)
                limits = (cls.per_second if per_second is None else per_second, cls.per_recipient)
                accounts[name] = f"{cls.family or cls.name} {account} {test}" if account else ""
        rows.setdefault(name, []).append((connection_id, *limits))
    found = {}
    for name, mine in rows.items():
        sender = Sender(
            name,
            tuple(row[0] for row in mine),
            _lowest(row[1] for row in mine),
            _lowest(row[2] for row in mine),
            accounts.get(name, ""),
        )
        found.update(dict.fromkeys(sender.connection_ids, sender))
    return found


def _lowest(limits: Iterable[float]) -> float:
    return min(filter(None, limits), default=0.0)


_CONNECTIONS = select(
    Connection.id,
    Connection.throttle,
    Connection.integration,
    Connection.per_second,
    Connection.archived_at,
    Connection.account,
    Connection.test,
)
