"""Find the sender of each connection: the number, name or account that messages are sent from.

Connections with the same sender share its rate limit and its circuit breaker.
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
    """A sender: its throttle's name, its connections, and its limits in messages per second, in
    total and per recipient.

    0 means no limit. `account` identifies the provider account that several senders share, or '' if
    there is none. `burst` is the number of messages that it may send at once after a pause.
    """

    name: str
    connection_ids: tuple[str, ...]
    per_second: float
    per_recipient: float
    account: str = ""
    burst: float = 0.0


def find_account_senders(accounts: Collection[str]) -> list[Sender]:
    """Return every sender of these accounts. The result is cached for a second."""
    senders: dict[str, Sender] = cached(("senders",), _read_senders)
    return list(
        {
            sender.name: sender
            for sender in senders.values()
            if sender.account and sender.account in accounts
        }.values()
    )


def find_senders(connection_ids: Iterable[str]) -> dict[str, Sender]:
    """Return the sender of each connection, without unknown connections. The limits are cached for
    a second.
    """
    requested_ids = set(connection_ids)
    senders = cached(("senders",), _read_senders)
    if not requested_ids <= senders.keys():
        senders = _read_senders()  # a connection was added since the list was cached
    return {
        connection_id: senders[connection_id] for connection_id in requested_ids & senders.keys()
    }


def _read_senders() -> dict[str, Sender]:
    rows: dict[str, list[tuple[str, float, float]]] = {}
    accounts: dict[str, str] = {}
    bursts: dict[str, float] = {}
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
        # archived connections and connections without their package set no limit
        with suppress(NotFound):
            if archived_at is None:
                integration_class = integrations.get(integration)
                limits = (
                    integration_class.per_second if per_second is None else per_second,
                    integration_class.per_recipient,
                )
                bursts[name] = max(integration_class.burst, bursts.get(name, 0.0))
                family = integration_class.family or integration_class.name
                accounts[name] = f"{family} {account} {test}" if account else ""
        rows.setdefault(name, []).append((connection_id, *limits))
    senders = {}
    for name, sender_rows in rows.items():
        sender = Sender(
            name,
            tuple(row[0] for row in sender_rows),
            _lowest_limit(row[1] for row in sender_rows),
            _lowest_limit(row[2] for row in sender_rows),
            accounts.get(name, ""),
            bursts.get(name, 0.0),
        )
        senders.update(dict.fromkeys(sender.connection_ids, sender))
    return senders


def _lowest_limit(limits: Iterable[float]) -> float:
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
