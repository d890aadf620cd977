"""Spending of connections: an estimate when a message is sent, corrected once its provider reports
the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.store import list_param, read, require_write_lock, write
from hub.db.types import now
from hub.messaging.policy import rules
from hub.messaging.policy.rules import Rules
from hub.models import Attempt, Connection, Message, Usage
from hub.shared import audit

log = structlog.get_logger(__name__)

ALERT = Decimal("0.8")  # of a limit
NOTHING = Decimal(0)
LIMITS = ("day", "month")


@dataclass(frozen=True)
class Spending:
    """The spending of a connection today and this month, by UTC."""

    day: Decimal = NOTHING
    month: Decimal = NOTHING

    def plus(self, cost: Decimal) -> Spending:
        return Spending(self.day + cost, self.month + cost)

    def shares(self, limits: Rules) -> list[Decimal]:
        """Return how much of each limit is spent: of the day's, and of the month's."""
        pairs = ((self.day, limits.spend_day), (self.month, limits.spend_month))
        return [spent / most if most else NOTHING for spent, most in pairs]

    def share(self, limits: Rules) -> Decimal:
        """Return how much of the nearer limit is spent; 0 without one."""
        return max(self.shares(limits))


def spending_of(connection_id: str, moment: datetime) -> Spending:
    """Return what a connection has spent."""
    today = f"{moment:%Y-%m-%d}"
    days = {
        day: Decimal(amount)
        for day, amount in read(_SPENT, id=connection_id, first=f"{moment:%Y-%m}-01", last=today)
    }
    return Spending(days.get(today, NOTHING), sum(days.values(), NOTHING))


def add_spending(
    connection_id: str, moment: datetime, *, messages: int, segments: int, cost: Decimal
) -> None:
    """Store the spending of messages that were just sent."""
    day = f"{moment:%Y-%m-%d}"
    write(_MAKE, {"connection_id": connection_id, "day": day})
    more = {
        "more_messages": messages,
        "more_segments": segments,
        "more_estimate": cost,
        "more_price": NOTHING,
    }
    write(_ADD, {"key": connection_id, "key_day": day, **more})


def spending_alert(connection_id: str, before: Spending, after: Spending, limits: Rules) -> None:
    """Tell the admins, once for each limit, when a connection comes near it."""
    for limit, had, has in zip(LIMITS, before.shares(limits), after.shares(limits), strict=True):
        if had < ALERT <= has:
            require_write_lock()  # it is said once
            connection = db.session.get_one(Connection, connection_id)
            audit.record(
                "connection.spending",
                connection.id,
                connection.title,
                share=f"{has:.0%}",
                limit=limit,
            )
            log.warning(
                "connection.spending", connection=connection.slug, share=f"{has:.0%}", limit=limit
            )


@dataclass(frozen=True)
class PricedMessage:
    """A message with an estimate, and its price: in a currency, '' where nothing was charged."""

    message_id: str
    connection_id: str
    estimate: Decimal
    price: Decimal
    currency: str


def correct_price(found: Sequence[PricedMessage]) -> None:
    """Replace estimates by prices, on the days on which the messages were sent."""
    if not found:
        return
    days = {
        message_id: f"{at:%Y-%m-%d}"
        for message_id, at in read(_BEGAN, ids=[one.message_id for one in found])
    }
    stored: dict[str, str] = dict(read(_RULES, ids=list({one.connection_id for one in found})))
    moment = now()
    before = {connection_id: spending_of(connection_id, moment) for connection_id in stored}
    for one in sorted(found, key=lambda one: (one.connection_id, one.message_id)):
        ours = rules.rules_of_connection(stored.get(one.connection_id, ""), False).currency
        if one.message_id in days and one.currency in ("", ours):  # else the two cannot be added up
            write(
                _ADD,
                {
                    "key": one.connection_id,
                    "key_day": days[one.message_id],
                    "more_messages": 0,
                    "more_segments": 0,
                    "more_estimate": one.price - one.estimate,
                    "more_price": one.price,
                },
            )
    for connection_id, kept in stored.items():
        if (limits := rules.rules_of_connection(kept, False)).capped:
            require_write_lock()  # it reads what was just written
            spending_alert(
                connection_id, before[connection_id], spending_of(connection_id, moment), limits
            )


def release_estimate(message_ids: Sequence[str]) -> None:
    """Take back the estimates of messages that will not be sent after all."""
    found = read(_ESTIMATED, ids=list(message_ids)) if message_ids else []
    correct_price(
        [
            PricedMessage(message_id, connection_id, estimate, NOTHING, "")
            for message_id, connection_id, estimate in found
        ]
    )
    write(_RELEASED, [{"key": message_id, "nothing": NOTHING} for message_id, _, _ in found])


_table = table_of(Usage)
_attempts = table_of(Attempt)
_connections = table_of(Connection)
_messages = table_of(Message)
_ESTIMATED = Statement(
    select(_messages.c.id, _messages.c.connection_id, _messages.c.estimate).where(
        _messages.c.id.in_(list_param("ids")),
        _messages.c.estimate.is_not(None),
        _messages.c.price.is_(None),
    )
)
_RELEASED = Statement(
    update(_messages)
    .where(_messages.c.id == bindparam("key"))
    .values(estimate=bindparam("nothing"))
)
_SPENT = Statement(
    select(_table.c.day, _table.c.estimate).where(
        _table.c.connection_id == bindparam("id"),
        _table.c.day >= bindparam("first"),
        _table.c.day <= bindparam("last"),
    )
)
_MAKE = Statement.insert(_table, on_conflict_do_nothing=True)
_ADD = Statement(
    update(_table)
    .where(_table.c.connection_id == bindparam("key"), _table.c.day == bindparam("key_day"))
    .values(
        messages=_table.c.messages + bindparam("more_messages"),
        segments=_table.c.segments + bindparam("more_segments"),
        estimate=_table.c.estimate + bindparam("more_estimate"),
        price=_table.c.price + bindparam("more_price"),
    )
)
_BEGAN = Statement(
    select(_attempts.c.message_id, _attempts.c.started_at).where(
        _attempts.c.message_id.in_(list_param("ids")), _attempts.c.number == 1
    )
)
_RULES = Statement(
    select(_connections.c.id, _connections.c.rules).where(_connections.c.id.in_(list_param("ids")))
)
