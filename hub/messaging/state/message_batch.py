"""Read many messages, change them in memory and write them, in one transaction.

Sending and processing callbacks change many messages at once. A batch reads them with one
statement and writes each kind of change with one more. It locks the rows in the order of their IDs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Protocol

from sqlalchemy import bindparam, select, update

from hub.core.vocabulary import Status
from hub.db import store
from hub.db.compiled_sql import Statement, get_table
from hub.db.store import list_param
from hub.db.types import new_id, now
from hub.endpoints.platform_events import store_events
from hub.integrations.base import Price
from hub.messaging.policy import spending
from hub.messaging.policy.spending import PriceCorrection
from hub.messaging.state import fallback_timers, withdrawals
from hub.messaging.state.reported_events import ReportedFact, build_events, status_facts
from hub.messaging.state.withdrawals import is_late
from hub.models import Attempt, Message, PlatformEvent, StatusEvent, Thread

# without a callback for this long, the hub polls the status of a message
POLL_AFTER = timedelta(minutes=15)

messages = get_table(Message)
attempts = get_table(Attempt)
status_events = get_table(StatusEvent)
platform_events = get_table(PlatformEvent)


class StatusFields(Protocol):
    """The columns of a status: those of a `MessageRow` or of a `Message`."""

    status: str
    code: str
    due_at: datetime | None
    changed_at: datetime


def raise_status(
    row: StatusFields, status: Status, *, code: str = "", can_poll: bool = True
) -> bool:
    """Set a status if it ranks higher than the stored one; return whether it does.

    `can_poll`: the provider can be asked for the next status.
    """
    if status.rank <= Status.read(row.status).rank:
        return False
    current_time = now()
    row.status = status.value
    row.code = code
    row.changed_at = current_time
    row.due_at = current_time + POLL_AFTER if can_poll and not status.final else None
    return True


@dataclass(slots=True)
class MessageRow:
    """The columns of a message that sending and processing callbacks need."""

    id: str
    connection_id: str
    contact_id: str
    request_id: str | None
    source_id: str | None
    channel: str
    test: bool
    status: str
    code: str
    tries: int
    due_at: datetime | None
    expires_at: datetime | None
    exempt: bool
    manual: bool
    stop_reason: str | None
    thread: str
    edits_id: str | None
    provider_id: str | None
    segments: int | None
    estimate: Decimal | None
    price: Decimal | None
    changed_at: datetime
    fallback_goal: str | None
    fallback_minutes: int | None
    escalate_at: datetime | None
    night: str | None
    link_expires_at: datetime | None


COLUMNS = [messages.c[name] for name in MessageRow.__slots__]
CHANGED_COLUMNS = (
    "status",
    "code",
    "tries",
    "due_at",
    "provider_id",
    "segments",
    "estimate",
    "changed_at",
)
_READ_ROWS = Statement(
    select(*COLUMNS)
    .where(messages.c.id.in_(list_param("ids")))
    .order_by(messages.c.id)
    .with_for_update()
)
_UPDATE_ROWS = Statement(
    update(messages)
    .where(messages.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in CHANGED_COLUMNS})
)
# separate statements, because they are rare: SQLite writes the index of each column that an
# UPDATE names, changed or not, and the contacts of a batch are spread over the whole index
_CHANGE_CONTACT = Statement(
    update(messages)
    .where(messages.c.id == bindparam("key"))
    .values(contact_id=bindparam("new_contact_id"))
)
_SET_TIMER = Statement(
    update(messages)
    .where(messages.c.id == bindparam("key"))
    .values(escalate_at=bindparam("new_escalate_at"))
)
_SET_PRICE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("key"))
    .values(price=bindparam("new_price"), price_currency=bindparam("new_price_currency"))
)
_OUTCOME_COLUMNS = (
    "ended_at",
    "outcome",
    "code",
    "reason",
    "http_status",
    "request_ref",
    "milliseconds",
    "sender",
    "provider_id",
)
_END_ATTEMPT = Statement(
    update(attempts)
    .where(attempts.c.message_id == bindparam("key"), attempts.c.number == bindparam("key_number"))
    .values({name: bindparam(f"new_{name}") for name in _OUTCOME_COLUMNS})
)
_STORE_PROVIDER_ID = Statement(
    update(attempts)
    .where(attempts.c.message_id == bindparam("key"), attempts.c.number == bindparam("key_number"))
    .values(provider_id=bindparam("new_provider_id"))
)


@dataclass
class MessageBatch:
    """The messages of a transaction, and the changes to write."""

    rows: dict[str, MessageRow] = field(default_factory=dict)
    _stored_values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _new_attempts: list[dict[str, Any]] = field(default_factory=list)
    _ended_attempts: list[dict[str, Any]] = field(default_factory=list)
    _provider_ids: list[dict[str, Any]] = field(default_factory=list)
    _facts: list[dict[str, Any]] = field(default_factory=list)
    _threads_to_store: list[dict[str, Any]] = field(default_factory=list)
    _reported: list[ReportedFact] = field(default_factory=list)
    _prices: list[PriceCorrection] = field(default_factory=list)
    _recorded_prices: list[dict[str, Any]] = field(default_factory=list)

    def read(self, ids: Collection[str]) -> None:
        """Read messages and lock them in the order of their IDs."""
        if ids:
            for values in store.read(_READ_ROWS, ids=list(ids)):
                self.add_row(MessageRow(*values))

    def add_row(self, row: MessageRow) -> MessageRow:
        """Add a row that another statement has read and locked."""
        self.rows[row.id] = row
        self._stored_values[row.id] = _values_of(row)
        return row

    def begin_attempt(
        self,
        row: MessageRow,
        started_at: datetime,
        due_at: datetime,
        template: str = "",
        *,
        account: str,
        sender: str,
    ) -> None:
        """Record an attempt before the provider is called, so that a crash leaves proof of it.

        `started_at` is a time of the database's clock. `template` is the provider's ID of a
        template that is sent instead of the text.
        """
        row.status = Status.SENDING.value
        row.tries += 1
        row.due_at = due_at
        row.changed_at = started_at
        row.code = ""
        self._new_attempts.append(
            {
                "message_id": row.id,
                "number": row.tries,
                "connection_id": row.connection_id,
                "started_at": started_at,
                "template": template,
                "account": account,
                "sender": sender,
            }
        )

    def end_attempt(self, message_id: str, number: int, **values: Any) -> None:
        """Record the outcome of an attempt."""
        self._ended_attempts.append(
            {
                "key": message_id,
                "key_number": number,
                **{f"new_{name}": values.get(name) for name in _OUTCOME_COLUMNS},
            }
        )

    def store_provider_id(self, message_id: str, number: int, provider_id: str) -> None:
        """Record the provider's ID of an attempt."""
        self._provider_ids.append(
            {"key": message_id, "key_number": number, "new_provider_id": provider_id}
        )

    def record_thread(self, row: MessageRow, provider_thread: str) -> None:
        """Record the provider's ID of the thread that a message started."""
        if row.thread and provider_thread:
            self._threads_to_store.append(
                {
                    "connection_id": row.connection_id,
                    "subject": row.thread,
                    "provider_thread": provider_thread,
                    "message_id": row.id,
                }
            )

    def end_message(
        self, row: MessageRow, status: Status, label: str, *, code: str = "", reason: str = ""
    ) -> None:
        """Give a message that is not sent its final status, and record why under a `label`."""
        row.status = status.value
        row.code = code
        row.due_at = None
        row.changed_at = now()
        self.cancel_estimate(row)
        self.record_fact(row, label, status, code=code, reason=reason)

    def record_fact(
        self,
        row: MessageRow,
        provider_status: str,
        status: Status | None = None,
        *,
        code: str = "",
        reason: str = "",
        attempt: int | None = None,
        source: str = "hub",
        callback_id: str | None = None,
        provider_at: datetime | None = None,
    ) -> None:
        """Record a fact about a message. A fact that is stored already is ignored."""
        self._facts.append(
            {
                "id": new_id("sev"),
                "message_id": row.id,
                "attempt": row.tries if attempt is None else attempt,
                "at": now(),
                "status": status and status.value,
                "provider_status": provider_status,
                "code": code,
                "reason": reason,
                "source": source,
                "callback_id": callback_id,
                "provider_at": provider_at,
            }
        )

    def record_event(
        self, row: MessageRow, status: Status, details: Mapping[str, str], handler_status: str = ""
    ) -> None:
        """Record the platform event of a status, if it has one. It is stored once per message."""
        self._reported += status_facts(row, status, details, handler_status)

    def record_other_event(self, fact: ReportedFact) -> None:
        """Record the platform event of feedback or of a call. It is stored once."""
        self._reported.append(fact)

    def record_price(self, row: MessageRow, price: Price | None) -> None:
        """Replace the estimate with the provider's price, unless a price is stored already."""
        if price is None or row.price is not None:
            return
        row.price = price.amount
        self._recorded_prices.append(
            {"key": row.id, "new_price": price.amount, "new_price_currency": price.currency}
        )
        if row.estimate is not None:
            self._prices.append(
                PriceCorrection(
                    row.id, row.connection_id, row.estimate, price.amount, price.currency
                )
            )

    def cancel_estimate(self, row: MessageRow) -> None:
        """Set the estimate to zero for a message that the provider did not accept or send."""
        if row.estimate is not None and row.price is None:
            self._prices.append(
                PriceCorrection(row.id, row.connection_id, row.estimate, Decimal(0), "")
            )
            row.estimate = Decimal(0)

    def changed_rows(self) -> list[MessageRow]:
        """Return the messages that have changed since they were read."""
        return [row for row in self.rows.values() if _values_of(row) != self._stored_values[row.id]]

    def write(self) -> None:
        """Write all changes, with one statement for each kind."""
        changed = self.changed_rows()
        moved = [row for row in changed if row.contact_id != self._stored_values[row.id][0]]
        timed = self._set_timers(changed)
        store.write(
            _UPDATE_ROWS,
            [
                {"key": row.id, **{f"new_{name}": getattr(row, name) for name in CHANGED_COLUMNS}}
                for row in changed
            ],
        )
        store.write(
            _CHANGE_CONTACT, [{"key": row.id, "new_contact_id": row.contact_id} for row in moved]
        )
        store.write(
            _SET_TIMER, [{"key": row.id, "new_escalate_at": row.escalate_at} for row in timed]
        )
        for statement, rows in (
            (_SET_PRICE, self._recorded_prices),
            (_ADD_ATTEMPT, self._new_attempts),
            (_END_ATTEMPT, self._ended_attempts),
            (_STORE_PROVIDER_ID, self._provider_ids),
            (_ADD_FACT, self._facts),
            (_ADD_THREAD, self._threads_to_store),
            (_UPDATE_THREAD, self._threads_to_store),
        ):
            store.write(statement, rows)
        late = [row.id for row in changed if is_late(row, self._stored_values[row.id][1])]
        withdrawals.add_withdrawals(withdrawals.find_withdrawable(late))
        store_events(build_events(self._reported))
        spending.correct_prices(self._prices)
        self._stored_values = {row.id: _values_of(row) for row in self.rows.values()}
        self._new_attempts = []
        self._ended_attempts = []
        self._provider_ids = []
        self._facts = []
        self._reported = []
        self._prices = []
        self._recorded_prices = []
        self._threads_to_store = []

    def _set_timers(self, changed: Collection[MessageRow]) -> list[MessageRow]:
        """Set when the next step follows the messages whose status changed; return those."""
        timed = []
        for row in changed:
            _, before, *_ = self._stored_values[row.id]
            if row.fallback_goal is None or row.status == before:
                continue
            former_time = row.escalate_at
            row.escalate_at = fallback_timers.next_escalation(row, before, row.changed_at)
            if row.escalate_at != former_time:
                timed.append(row)
            if row.status in fallback_timers.LOST:
                store.wake("chores")
        return timed


_values_of = attrgetter("contact_id", *CHANGED_COLUMNS)

_threads = get_table(Thread)
_ADD_ATTEMPT = Statement.insert(attempts)
_ADD_THREAD = Statement.insert(_threads, on_conflict_do_nothing=True)
_UPDATE_THREAD = Statement(  # the thread may have moved to another destination
    update(_threads)
    .where(
        _threads.c.connection_id == bindparam("connection_id"),
        _threads.c.subject == bindparam("subject"),
    )
    .values(provider_thread=bindparam("provider_thread"), message_id=bindparam("message_id"))
)
_ADD_FACT = Statement.insert(status_events, on_conflict_do_nothing=True)
