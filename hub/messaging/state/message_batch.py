"""Messages in the hands of one transaction: read together, changed in memory, written together.

Sending and settling touch many messages at once. A ledger reads them with one statement and writes
each kind of change with one more, however many there are. Rows are read for update, in the order of
their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Protocol

from sqlalchemy import bindparam, select, update

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Status
from hub.db import store
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import PLATFORM_EVENT_PAYLOAD
from hub.db.store import list_param
from hub.db.types import keyring, new_id, now
from hub.integrations.base import Price
from hub.messaging.policy import spending
from hub.messaging.policy.spending import PricedMessage
from hub.models import Attempt, Connection, Message, PlatformEvent, StatusEvent, Thread

# events that are reported to the signing app; the name begins with the integration's event prefix
TOLD = (Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED, Status.UNDELIVERED)
# statuses that are not final are polled when no callback comes
ASK_AFTER = timedelta(minutes=15)

messages = table_of(Message)
attempts = table_of(Attempt)
status_events = table_of(StatusEvent)
platform_events = table_of(PlatformEvent)


class MessageStanding(Protocol):
    """A status that facts raise: that of a batch's row, or of a message."""

    status: str
    code: str
    due_at: datetime | None
    changed_at: datetime


def raise_status(
    row: MessageStanding, status: Status, *, code: str = "", asks: bool = True
) -> bool:
    """Raise a status if the new one ranks higher; an equal rank keeps the first.

    `asks`: the provider can be asked for the next.
    """
    if status.rank <= Status.read(row.status).rank:
        return False
    moment = now()
    row.status = status.value
    row.code = code
    row.changed_at = moment
    row.due_at = moment + ASK_AFTER if asks and not status.final else None
    return True


@dataclass(slots=True)
class MessageRow:
    """A message, as far as sending and settling change it."""

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


COLUMNS = [messages.c[name] for name in MessageRow.__slots__]
CHANGING = (
    "status",
    "code",
    "tries",
    "due_at",
    "provider_id",
    "segments",
    "estimate",
    "price",
    "changed_at",
)
_READ = Statement(
    select(*COLUMNS)
    .where(messages.c.id.in_(list_param("ids")))
    .order_by(messages.c.id)
    .with_for_update()
)
_UPDATE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in CHANGING})
)
# apart, since it is rare: SQLite writes the index of a column that is named, changed or not, and
# contacts lie all over theirs
_MOVE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("key"))
    .values(contact_id=bindparam("new_contact_id"))
)
_OUTCOME = (
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
_END = Statement(
    update(attempts)
    .where(attempts.c.message_id == bindparam("key"), attempts.c.number == bindparam("key_n"))
    .values({name: bindparam(f"new_{name}") for name in _OUTCOME})
)
_ADOPT = Statement(
    update(attempts)
    .where(attempts.c.message_id == bindparam("key"), attempts.c.number == bindparam("key_n"))
    .values(provider_id=bindparam("new_provider_id"))
)


@dataclass
class MessageBatch:
    """The messages of a transaction and what is to be written of them."""

    rows: dict[str, MessageRow] = field(default_factory=dict)
    _before: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _begun: list[dict[str, Any]] = field(default_factory=list)
    _ended: list[dict[str, Any]] = field(default_factory=list)
    _adopted: list[dict[str, Any]] = field(default_factory=list)
    _facts: list[dict[str, Any]] = field(default_factory=list)
    _opened: list[dict[str, Any]] = field(default_factory=list)
    _told: list[tuple[MessageRow, Status, Mapping[str, str]]] = field(default_factory=list)
    _priced: list[PricedMessage] = field(default_factory=list)

    def read(self, ids: Collection[str]) -> None:
        """Read messages, locked, in the order of their ids."""
        if ids:
            for found in store.read(_READ, ids=list(ids)):
                self.hold(MessageRow(*found))

    def hold(self, row: MessageRow) -> MessageRow:
        """Take in a row that was read, locked, by a statement of its own."""
        self.rows[row.id] = row
        self._before[row.id] = _changing(row)
        return row

    # changes
    def begin(
        self,
        row: MessageRow,
        moment: datetime,
        due_at: datetime,
        template: str = "",
        *,
        account: str,
        sender: str,
    ) -> None:
        """Write that a call begins, and as whom: the attempt's row is what proves that it may have
        been made.

        `moment` is when, by the database's clock; `template` the provider's id of what goes instead
        of the text.
        """
        row.status = Status.SENDING.value
        row.tries = row.tries + 1
        row.due_at = due_at
        row.changed_at = moment
        row.code = ""
        self._begun.append(
            {
                "message_id": row.id,
                "number": row.tries,
                "connection_id": row.connection_id,
                "started_at": moment,
                "template": template,
                "account": account,
                "sender": sender,
            }
        )

    def end_attempt(self, message_id: str, n: int, **what: Any) -> None:
        """Write the outcome of a call."""
        self._ended.append(
            {"key": message_id, "key_n": n, **{f"new_{name}": what.get(name) for name in _OUTCOME}}
        )

    def adopt(self, message_id: str, n: int, provider_id: str) -> None:
        """Write the provider's id on an attempt."""
        self._adopted.append({"key": message_id, "key_n": n, "new_provider_id": provider_id})

    def opened(self, row: MessageRow, provider_thread: str) -> None:
        """Write what the provider calls the conversation that a message began."""
        if row.thread and provider_thread:
            self._opened.append(
                {
                    "connection_id": row.connection_id,
                    "subject": row.thread,
                    "provider_thread": provider_thread,
                    "message_id": row.id,
                }
            )

    def end(
        self, row: MessageRow, status: Status, word: str, *, code: str = "", why: str = ""
    ) -> None:
        """End a message that is not sent, and say so."""
        row.status = status.value
        row.code = code
        row.due_at = None
        row.changed_at = now()
        self.free_of_charge(row)
        self.note(row, word, status, code=code, why=why)

    def note(
        self,
        row: MessageRow,
        word: str,
        status: Status | None = None,
        *,
        code: str = "",
        why: str = "",
        attempt: int | None = None,
        source: str = "hub",
        callback_id: str | None = None,
        provider_at: datetime | None = None,
    ) -> None:
        """Keep a fact, once however often it comes."""
        self._facts.append(
            {
                "id": new_id("sev"),
                "message_id": row.id,
                "attempt": row.tries if attempt is None else attempt,
                "at": now(),
                "status": status and status.value,
                "provider_status": word,
                "code": code,
                "reason": why,
                "source": source,
                "callback_id": callback_id,
                "provider_at": provider_at,
            }
        )

    def tell(self, row: MessageRow, status: Status, details: Mapping[str, str]) -> None:
        """Write the platform event of a fact, once however often the fact comes."""
        if status in TOLD:
            self._told.append((row, status, details))

    def priced(self, row: MessageRow, price: Price | None) -> None:
        """Keep the provider's price, once, in the place of our estimate."""
        if price is None or row.price is not None:
            return
        row.price = price.amount
        if row.estimate is not None:
            self._priced.append(
                PricedMessage(row.id, row.connection_id, row.estimate, price.amount, price.currency)
            )

    def free_of_charge(self, row: MessageRow) -> None:
        """Take back the estimate of a message that its provider did not take, or did not send."""
        if row.estimate is not None and row.price is None:
            self._priced.append(
                PricedMessage(row.id, row.connection_id, row.estimate, Decimal(0), "")
            )
            row.estimate = Decimal(0)

    # writing
    def changed(self) -> list[MessageRow]:
        """Return the messages that are no longer as they were read."""
        return [row for row in self.rows.values() if _changing(row) != self._before[row.id]]

    def write(self) -> None:
        """Write every change, a statement for each kind."""
        changed = self.changed()
        moved = [row for row in changed if row.contact_id != self._before[row.id][0]]
        store.write(
            _UPDATE,
            [
                {"key": row.id, **{f"new_{name}": getattr(row, name) for name in CHANGING}}
                for row in changed
            ],
        )
        store.write(_MOVE, [{"key": row.id, "new_contact_id": row.contact_id} for row in moved])
        for statement, rows in (
            (_BEGIN, self._begun),
            (_END, self._ended),
            (_ADOPT, self._adopted),
            (_NOTE, self._facts),
            (_OPEN, self._opened),
            (_OPEN_ANEW, self._opened),
            (_TELL, self._events()),
        ):
            store.write(statement, rows)
        spending.correct_price(self._priced)
        self._before = {row.id: _changing(row) for row in self.rows.values()}
        self._begun = []
        self._ended = []
        self._adopted = []
        self._facts = []
        self._told = []
        self._priced = []
        self._opened = []

    def _events(self) -> list[dict[str, Any]]:
        prefixes = _prefixes({row.connection_id for row, _, _ in self._told})
        return [
            _event(row, status, details, prefixes[row.connection_id])
            for row, status, details in self._told
        ]


_changing = attrgetter("contact_id", *CHANGING)


def _event(
    row: MessageRow, status: Status, details: Mapping[str, str], prefix: str
) -> dict[str, Any]:
    event_id = new_id("pev")
    return {
        "id": event_id,
        "cause": f"{row.id}:{status.value}",
        "type": f"{prefix}_{status.value}",
        "message_id": row.id,
        "request_id": row.request_id,
        "source_id": row.source_id,
        "at": now(),
        "payload": (
            keyring().seal_json(PLATFORM_EVENT_PAYLOAD, event_id.partition("_")[2], dict(details))
        ),
    }


_threads = table_of(Thread)
_BEGIN = Statement.insert(attempts)
_OPEN = Statement.insert(_threads, on_conflict_do_nothing=True)
_OPEN_ANEW = Statement(  # the place may be another one than before
    update(_threads)
    .where(
        _threads.c.connection_id == bindparam("connection_id"),
        _threads.c.subject == bindparam("subject"),
    )
    .values(provider_thread=bindparam("provider_thread"), message_id=bindparam("message_id"))
)
_NOTE = Statement.insert(status_events, on_conflict_do_nothing=True)
_TELL = Statement.insert(platform_events, on_conflict_do_nothing=True)


def _prefixes(connection_ids: Collection[str]) -> dict[str, str]:
    found = store.read(_CONNECTIONS, ids=list(connection_ids)) if connection_ids else []
    return {connection_id: _prefix(name, channel) for connection_id, name, channel in found}


_CONNECTIONS = Statement(
    select(Connection.id, Connection.integration, Connection.channel).where(
        Connection.id.in_(list_param("ids"))
    )
)


def _prefix(name: str, channel: str) -> str:
    try:
        return integrations.get(name).event_prefix
    except NotFound:
        return channel  # the package is gone; its messages are still reported
