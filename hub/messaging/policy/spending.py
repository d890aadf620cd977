"""Count the spending of connections: estimates, replaced by the prices that providers report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

import structlog
from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Row, Statement, get_table
from hub.db.engine import db
from hub.db.store import list_param, read, read_to_change, write
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
        """Return the spent shares of the daily and the monthly limit, from 0 to 1 or more."""
        pairs = ((self.day, limits.spend_day), (self.month, limits.spend_month))
        return [spent / limit if limit else NOTHING for spent, limit in pairs]

    def share(self, limits: Rules) -> Decimal:
        """Return the larger of both shares; 0 without a limit."""
        return max(self.shares(limits))


def read_spending(connection_id: str, current_time: datetime) -> Spending:
    """Return the spending of a connection so far on this day and in this month."""
    return _sum_days(read(_SPENT, id=connection_id, **_month_to(current_time)), current_time)


def _month_to(current_time: datetime) -> dict[str, str]:
    return {"first": f"{current_time:%Y-%m}-01", "last": f"{current_time:%Y-%m-%d}"}


def _sum_days(rows: Sequence[Row], current_time: datetime) -> Spending:
    days = {day: Decimal(amount) for day, amount in rows}
    return Spending(days.get(f"{current_time:%Y-%m-%d}", NOTHING), sum(days.values(), NOTHING))


def add_spending(
    connection_id: str, current_time: datetime, *, messages: int, segments: int, cost: Decimal
) -> None:
    """Add the messages that were just sent to a connection's spending."""
    day = f"{current_time:%Y-%m-%d}"
    write(_INSERT_DAY, {"connection_id": connection_id, "day": day})
    write(
        _ADD,
        {
            "key": connection_id,
            "key_day": day,
            "more_messages": messages,
            "more_segments": segments,
            "more_estimate": cost,
            "more_price": NOTHING,
        },
    )


def alert_near_limit(connection_id: str, before: Spending, after: Spending, limits: Rules) -> None:
    """Notify the admins, once for each limit, when a connection approaches it."""
    for limit, old_share, share in zip(
        LIMITS, before.shares(limits), after.shares(limits), strict=True
    ):
        if old_share < ALERT <= share:
            connection = db.session.get_one(Connection, connection_id)
            audit.record(
                "connection.spending",
                connection.id,
                connection.title,
                share=f"{share:.0%}",
                limit=limit,
            )
            log.warning(
                "connection.spending_limit_near",
                connection=connection.slug,
                share=f"{share:.0%}",
                limit=limit,
            )


@dataclass(frozen=True)
class PriceCorrection:
    """The price that replaces a message's estimate; the currency is '' if nothing was charged."""

    message_id: str
    connection_id: str
    estimate: Decimal
    price: Decimal
    currency: str


def correct_prices(corrections: Sequence[PriceCorrection]) -> None:
    """Replace estimates by prices, on the days when the messages were sent."""
    if not corrections:
        return
    days = {
        message_id: f"{at:%Y-%m-%d}"
        for message_id, at in read(
            _FIRST_ATTEMPTS, ids=[correction.message_id for correction in corrections]
        )
    }
    connection_ids = {correction.connection_id for correction in corrections}
    stored_rules: dict[str, str] = dict(read(_RULES, ids=list(connection_ids)))
    current_time = now()
    before = {
        connection_id: read_spending(connection_id, current_time) for connection_id in stored_rules
    }
    for correction in sorted(corrections, key=attrgetter("connection_id", "message_id")):
        limits = rules.rules_of_connection(stored_rules.get(correction.connection_id, ""), False)
        # amounts in other currencies cannot be added
        if correction.message_id in days and correction.currency in ("", limits.currency):
            write(
                _ADD,
                {
                    "key": correction.connection_id,
                    "key_day": days[correction.message_id],
                    "more_messages": 0,
                    "more_segments": 0,
                    "more_estimate": correction.price - correction.estimate,
                    "more_price": correction.price,
                },
            )
    for connection_id, stored in stored_rules.items():
        limits = rules.rules_of_connection(stored, False)
        if limits.is_capped:
            rows = read_to_change(_SPENT, id=connection_id, **_month_to(current_time))
            alert_near_limit(
                connection_id, before[connection_id], _sum_days(rows, current_time), limits
            )


def release_estimates(message_ids: Sequence[str]) -> None:
    """Subtract the estimates of messages that will not be sent after all."""
    rows = read(_ESTIMATED, ids=list(message_ids)) if message_ids else []
    correct_prices(
        [
            PriceCorrection(message_id, connection_id, estimate, NOTHING, "")
            for message_id, connection_id, estimate in rows
        ]
    )
    write(_RELEASE, [{"key": message_id, "nothing": NOTHING} for message_id, _, _ in rows])


_table = get_table(Usage)
_attempts = get_table(Attempt)
_connections = get_table(Connection)
_messages = get_table(Message)
_ESTIMATED = Statement(
    select(_messages.c.id, _messages.c.connection_id, _messages.c.estimate).where(
        _messages.c.id.in_(list_param("ids")),
        _messages.c.estimate.is_not(None),
        _messages.c.price.is_(None),
    )
)
_RELEASE = Statement(
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
_INSERT_DAY = Statement.insert(_table, on_conflict_do_nothing=True)
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
_FIRST_ATTEMPTS = Statement(
    select(_attempts.c.message_id, _attempts.c.started_at).where(
        _attempts.c.message_id.in_(list_param("ids")), _attempts.c.number == 1
    )
)
_RULES = Statement(
    select(_connections.c.id, _connections.c.rules).where(_connections.c.id.in_(list_param("ids")))
)
