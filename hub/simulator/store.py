"""The storage of the simulated provider: a small SQLite file that outlives a restart.

Without it, a hub that asks after a restart would learn that an accepted message does not exist.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from hub.simulator import scripted_numbers
from hub.simulator.file import File


@dataclass(frozen=True)
class Message:
    """One message as the provider holds it; times are Unix seconds."""

    sid: str
    recipient: str
    sender: str
    service: str
    body: str
    media: int
    segments: int
    status: str
    error: int
    callback: str
    created: float
    starts: float  # when its plan begins: `created`, or the time it is scheduled for
    updated: float
    sent: float | None = None
    reached: int = 0  # how many steps of its plan have come
    told: int = 0  # bit n: the callbacks of step n are through
    redacted: int = 0
    deleted: int = 0
    wiped: int = 0  # its phone was emptied; the provider still has it
    fate: int = 0  # the code with which it will fail, known when it was taken
    content: str = ""  # the template it was made of
    buttons: str = ""  # what its person may press, JSON: [{"title", "id" or "url"}]
    direction: str = "outbound-api"
    answer: str = ""  # what an inbound one met at the hub: an HTTP status, or what went wrong
    seq: int = 0

    @property
    def plan(self) -> tuple[scripted_numbers.Step, ...]:
        return scripted_numbers.steps(
            self.recipient,
            pooled=bool(self.service),
            scheduled=self.starts > self.created,
            fate=self.fate,
        )

    @property
    def whatsapp(self) -> bool:
        return self.recipient.startswith(scripted_numbers.PREFIX)

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def person(self) -> str:
        """The address of whoever holds the phone."""
        return self.sender if self.inbound else self.recipient

    def sent_from(self, number: str) -> str:
        """Return the sender, which is the account's `number` where a Messaging Service chose it."""
        return self.sender or (scripted_numbers.PREFIX + number if self.whatsapp else number)

    @property
    def settled(self) -> bool:
        """True when nothing more will become of it."""
        return self.status in ("delivered", "read", "undelivered", "failed", "canceled", "received")


COLUMNS = [field.name for field in fields(Message)][:-1]
SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    service TEXT NOT NULL, body TEXT NOT NULL, media INTEGER NOT NULL, segments INTEGER NOT NULL,
    status TEXT NOT NULL,
    error INTEGER NOT NULL, callback TEXT NOT NULL, created REAL NOT NULL, starts REAL NOT NULL,
    updated REAL NOT NULL,
    sent REAL, reached INTEGER NOT NULL, told INTEGER NOT NULL, redacted INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    wiped INTEGER NOT NULL, pending INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS by_recipient ON messages (recipient, seq);
CREATE INDEX IF NOT EXISTS by_pending ON messages (seq) WHERE pending;
CREATE TABLE IF NOT EXISTS stumbles (digest BLOB PRIMARY KEY) WITHOUT ROWID;
"""
ADDED = {  # columns that came after the file's first version
    "fate": "INTEGER NOT NULL DEFAULT 0",
    "content": "TEXT NOT NULL DEFAULT ''",
    "buttons": "TEXT NOT NULL DEFAULT ''",
    "direction": "TEXT NOT NULL DEFAULT 'outbound-api'",
    "answer": "TEXT NOT NULL DEFAULT ''",
}
HOLDER = "phone_of(CASE WHEN direction = 'inbound' THEN sender ELSE recipient END)"
PHONE = f"replace({HOLDER}, 'whatsapp:', '')"


class Store(File):
    """Messages, phones, and the account's settings."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.prepare(SCHEMA, "messages", **ADDED)

    # ── messages ──

    def add(self, message: Message) -> None:
        with self.writing() as db:
            marks = ", ".join("?" * len(COLUMNS))
            sql = f"INSERT INTO messages ({', '.join(COLUMNS)}, pending) VALUES ({marks}, ?)"  # noqa: S608
            db.execute(sql, (*astuple(message)[:-1], not message.inbound))

    def get(self, sid: str) -> Message | None:
        rows = self.rows("SELECT * FROM messages WHERE sid = ? AND NOT deleted", (sid,))
        return _message(rows[0]) if rows else None

    def listed(
        self,
        where: Iterable[tuple[str, Any]],
        limit: int,
        skip: int = 0,
        *,
        oldest_first: bool = False,
    ) -> list[Message]:
        """Read messages that meet all conditions, as `("recipient = ?", "+1…")`, newest first."""
        conditions = [("NOT deleted", None), *where]
        sql = " AND ".join(condition for condition, _ in conditions)
        values = [value for condition, value in conditions if "?" in condition]
        order = "ASC" if oldest_first else "DESC"
        rows = self.rows(
            f"SELECT * FROM messages WHERE {sql} ORDER BY seq {order} LIMIT ? OFFSET ?",  # noqa: S608
            (*values, limit, skip),
        )
        return [_message(row) for row in rows]

    def pending(self) -> list[Message]:
        """Read the messages of which something is still to come, after a restart."""
        return [
            _message(row) for row in self.rows("SELECT * FROM messages WHERE pending ORDER BY seq")
        ]

    def reach(self, steps: Iterable[tuple[str, int]]) -> list[tuple[Message, int]]:
        """Let messages take a step of their plan, and return them as they are then; a canceled one
        takes none.
        """
        now = time.time()
        reached = []
        with self.writing() as db:
            for sid, n in steps:
                row = db.execute("SELECT * FROM messages WHERE sid = ?", (sid,)).fetchone()
                if row is None or row["status"] == "canceled":
                    continue
                message = _message(row)
                if message.reached <= n:
                    message = _take(message, n, now)
                    sql = (
                        "UPDATE messages SET status = ?, error = ?, sent = ?, reached = ?, updated"
                        " = ? WHERE sid = ?"
                    )
                    db.execute(
                        sql,
                        (message.status, message.error, message.sent, message.reached, now, sid),
                    )
                reached.append((message, n))
        return reached

    def tell(self, steps: Iterable[tuple[str, int]]) -> None:
        """Note that the callbacks of these steps are through, or given up."""
        with self.writing() as db:
            for sid, n in steps:
                db.execute("UPDATE messages SET told = told | ? WHERE sid = ?", (1 << n, sid))
                row = db.execute("SELECT * FROM messages WHERE sid = ?", (sid,)).fetchone()
                if row is not None and row["told"] == (1 << len(_message(row).plan)) - 1:
                    db.execute("UPDATE messages SET pending = 0 WHERE sid = ?", (sid,))

    def change(self, sid: str, **columns: Any) -> None:
        columns["updated"] = time.time()
        names = ", ".join(f"{name} = ?" for name in columns)
        with self.writing() as db:
            db.execute(f"UPDATE messages SET {names} WHERE sid = ?", (*columns.values(), sid))  # noqa: S608

    def cancel(self, sid: str) -> bool:
        """Take a scheduled message back, unless it is too late."""
        with self.writing() as db:
            sql = (
                "UPDATE messages SET status = 'canceled', pending = 0, updated = ? WHERE sid = ?"
                " AND status = 'scheduled'"
            )
            return db.execute(sql, (time.time(), sid)).rowcount == 1

    # ── phones ──

    def phones(self) -> list[tuple[str, int]]:
        """List the phones that hold messages and how many, the one with the newest first: numbers,
        without a channel.
        """
        newest_first = "NOT wiped GROUP BY phone ORDER BY max(seq) DESC"
        sql = f"SELECT {PHONE} AS phone, count(*) FROM messages WHERE {newest_first}"  # noqa: S608
        return [(row[0], row[1]) for row in self.rows(sql)]

    def on_phone(self, number: str = "", limit: int = -1) -> list[Message]:
        """Read what one address, or all, received: the newest `limit`, newest last."""
        sql = (
            "SELECT * FROM messages WHERE NOT wiped AND direction <> 'inbound' AND (? = '' OR"
            " phone_of(recipient) = phone_of(?)) ORDER BY seq DESC LIMIT ?"
        )
        return [_message(row) for row in reversed(self.rows(sql, (number, number, limit)))]

    def chat(self, address: str, limit: int = -1) -> list[Message]:
        """Read what one address received and wrote: the newest `limit`, newest last."""
        sql = f"SELECT * FROM messages WHERE NOT wiped AND phone_of(?) = {HOLDER}"  # noqa: S608
        return [
            _message(row)
            for row in reversed(self.rows(f"{sql} ORDER BY seq DESC LIMIT ?", (address, limit)))
        ]

    def wipe(self) -> None:
        """Empty all phones and let every number stumble again; the provider's own record stays."""
        with self.writing() as db:
            db.execute("UPDATE messages SET wiped = 1 WHERE NOT wiped")
            db.execute("DELETE FROM stumbles")

    def forget_stumbles(self) -> None:
        """Let every address stumble again."""
        with self.writing() as db:
            db.execute("DELETE FROM stumbles")

    def stumbles(self, recipient: str, body: str) -> bool:
        """Tell whether this text to this number is met for the first time."""
        digest = hashlib.sha256(f"{recipient}\0{body}".encode(errors="surrogatepass")).digest()
        with self.writing() as db:
            return db.execute("INSERT OR IGNORE INTO stumbles VALUES (?)", (digest,)).rowcount == 1


def _message(row: sqlite3.Row) -> Message:
    return Message(**{field.name: row[field.name] for field in fields(Message)})


def _take(message: Message, n: int, now: float) -> Message:
    status = message.plan[n].status or message.status
    sent = message.sent or (now if status in ("sent", "delivered", "read", "undelivered") else None)
    error = (
        message.fate or scripted_numbers.recipient(message.recipient).error
        if status in ("failed", "undelivered")
        else 0
    )
    return replace(message, status=status, sent=sent, error=error, reached=n + 1, updated=now)
