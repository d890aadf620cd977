"""The simulator's messages, in a SQLite file that survives a restart.

Otherwise a hub that asks after a restart would learn that an accepted message does not exist.
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
    """One message as the provider stores it. Times are Unix seconds."""

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
    starts_at: float  # of its plan: `created`, or the scheduled time
    updated: float
    sent: float | None = None
    steps_taken: int = 0  # number of steps of its plan that it has taken
    completed_steps: int = 0  # bit n: the callbacks of step n are posted, or given up
    redacted: int = 0
    deleted: int = 0
    hidden: int = 0  # its phone was cleared; the API still returns it
    failure_code: int = 0  # error code with which it will fail
    content: str = ""  # SID of its template
    buttons: str = ""  # JSON: [{"title", "id" or "url"}]
    direction: str = "outbound-api"
    answer: str = ""  # of the hub to an inbound message: an HTTP status, or the failure
    seq: int = 0

    @property
    def plan(self) -> tuple[scripted_numbers.Step, ...]:
        return scripted_numbers.steps(
            self.recipient,
            pooled=bool(self.service),
            scheduled=self.starts_at > self.created,
            failure_code=self.failure_code,
        )

    @property
    def whatsapp(self) -> bool:
        return self.recipient.startswith(scripted_numbers.PREFIX)

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def person(self) -> str:
        """The address of the phone's owner."""
        return self.sender if self.inbound else self.recipient

    def sent_from(self, number: str) -> str:
        """Return the sender. If a Messaging Service chose it, that is the account's `number`."""
        return self.sender or (scripted_numbers.PREFIX + number if self.whatsapp else number)

    @property
    def is_final(self) -> bool:
        """True if the status no longer changes."""
        return self.status in ("delivered", "read", "undelivered", "failed", "canceled", "received")


COLUMNS = [field.name for field in fields(Message)][:-1]
SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sid TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    service TEXT NOT NULL, body TEXT NOT NULL, media INTEGER NOT NULL, segments INTEGER NOT NULL,
    status TEXT NOT NULL,
    error INTEGER NOT NULL, callback TEXT NOT NULL, created REAL NOT NULL, starts_at REAL NOT NULL,
    updated REAL NOT NULL,
    sent REAL, steps_taken INTEGER NOT NULL, completed_steps INTEGER NOT NULL,
    redacted INTEGER NOT NULL, deleted INTEGER NOT NULL,
    hidden INTEGER NOT NULL, pending INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS by_recipient ON messages (recipient, seq);
CREATE INDEX IF NOT EXISTS by_pending ON messages (seq) WHERE pending;
CREATE TABLE IF NOT EXISTS attempts (digest BLOB PRIMARY KEY) WITHOUT ROWID;
"""
ADDED = {  # columns that older files lack
    "failure_code": "INTEGER NOT NULL DEFAULT 0",
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
            columns = ", ".join((*COLUMNS, "pending"))
            placeholders = ", ".join("?" * (len(COLUMNS) + 1))
            sql = f"INSERT INTO messages ({columns}) VALUES ({placeholders})"  # noqa: S608
            db.execute(sql, (*astuple(message)[:-1], not message.inbound))

    def get(self, sid: str) -> Message | None:
        rows = self.rows("SELECT * FROM messages WHERE sid = ? AND NOT deleted", (sid,))
        return _message(rows[0]) if rows else None

    def list_messages(
        self,
        conditions: Iterable[tuple[str, Any]],
        limit: int,
        skip: int = 0,
        *,
        oldest_first: bool = False,
    ) -> list[Message]:
        """Return messages that meet all conditions, such as `("recipient = ?", "+1…")`, newest
        first.
        """
        all_conditions = [("NOT deleted", None), *conditions]
        sql = " AND ".join(condition for condition, _ in all_conditions)
        values = [value for condition, value in all_conditions if "?" in condition]
        order = "ASC" if oldest_first else "DESC"
        query = f"SELECT * FROM messages WHERE {sql} ORDER BY seq {order}"  # noqa: S608
        rows = self.rows(f"{query} LIMIT ? OFFSET ?", (*values, limit, skip))
        return [_message(row) for row in rows]

    def pending(self) -> list[Message]:
        """Return the messages that have steps left."""
        return [
            _message(row) for row in self.rows("SELECT * FROM messages WHERE pending ORDER BY seq")
        ]

    def take_steps(self, steps: Iterable[tuple[str, int]]) -> list[tuple[Message, int]]:
        """Move messages to steps of their plans, and return their new versions.

        Canceled messages stay as they are.
        """
        now = time.time()
        moved = []
        with self.writing() as db:
            for sid, step_index in steps:
                row = db.execute("SELECT * FROM messages WHERE sid = ?", (sid,)).fetchone()
                if row is None or row["status"] == "canceled":
                    continue
                message = _message(row)
                if message.steps_taken <= step_index:
                    message = _take_step(message, step_index, now)
                    sql = (
                        "UPDATE messages SET status = ?, error = ?, sent = ?, steps_taken = ?,"
                        " updated = ? WHERE sid = ?"
                    )
                    db.execute(
                        sql,
                        (
                            message.status,
                            message.error,
                            message.sent,
                            message.steps_taken,
                            now,
                            sid,
                        ),
                    )
                moved.append((message, step_index))
        return moved

    def complete_steps(self, steps: Iterable[tuple[str, int]]) -> None:
        """Record that the callbacks of these steps are posted, or given up."""
        with self.writing() as db:
            for sid, step_index in steps:
                db.execute(
                    "UPDATE messages SET completed_steps = completed_steps | ? WHERE sid = ?",
                    (1 << step_index, sid),
                )
                row = db.execute("SELECT * FROM messages WHERE sid = ?", (sid,)).fetchone()
                if row is not None and row["completed_steps"] == (1 << len(_message(row).plan)) - 1:
                    db.execute("UPDATE messages SET pending = 0 WHERE sid = ?", (sid,))

    def change(self, sid: str, **columns: Any) -> None:
        columns["updated"] = time.time()
        assignments = ", ".join(f"{name} = ?" for name in columns)
        sql = f"UPDATE messages SET {assignments} WHERE sid = ?"  # noqa: S608
        with self.writing() as db:
            db.execute(sql, (*columns.values(), sid))

    def cancel(self, sid: str) -> bool:
        """Cancel a scheduled message; return False if it is too late."""
        with self.writing() as db:
            sql = (
                "UPDATE messages SET status = 'canceled', pending = 0, updated = ? WHERE sid = ?"
                " AND status = 'scheduled'"
            )
            return db.execute(sql, (time.time(), sid)).rowcount == 1

    # ── phones ──

    def phones(self) -> list[tuple[str, int]]:
        """Return the numbers that have messages, with their count, the most recently used first."""
        newest_first = "NOT hidden GROUP BY phone ORDER BY max(seq) DESC"
        sql = f"SELECT {PHONE} AS phone, count(*) FROM messages WHERE {newest_first}"  # noqa: S608
        return [(row[0], row[1]) for row in self.rows(sql)]

    def on_phone(self, number: str = "", limit: int = -1) -> list[Message]:
        """Return the newest messages that one address, or all, received, oldest first."""
        sql = (
            "SELECT * FROM messages WHERE NOT hidden AND direction <> 'inbound' AND (? = '' OR"
            " phone_of(recipient) = phone_of(?)) ORDER BY seq DESC LIMIT ?"
        )
        return [_message(row) for row in reversed(self.rows(sql, (number, number, limit)))]

    def chat(self, address: str, limit: int = -1) -> list[Message]:
        """Return the newest messages that one address received or wrote, oldest first."""
        sql = f"SELECT * FROM messages WHERE NOT hidden AND phone_of(?) = {HOLDER}"  # noqa: S608
        return [
            _message(row)
            for row in reversed(self.rows(f"{sql} ORDER BY seq DESC LIMIT ?", (address, limit)))
        ]

    def hide_all(self) -> None:
        """Clear all phones, and let scripted numbers fail once again. The API still returns
        messages.
        """
        with self.writing() as db:
            db.execute("UPDATE messages SET hidden = 1 WHERE NOT hidden")
            db.execute("DELETE FROM attempts")

    def forget_attempts(self) -> None:
        """Let every address that fails once do so again."""
        with self.writing() as db:
            db.execute("DELETE FROM attempts")

    def is_first_attempt(self, recipient: str, body: str) -> bool:
        """Return whether this text is sent to this recipient for the first time."""
        digest = hashlib.sha256(f"{recipient}\0{body}".encode(errors="surrogatepass")).digest()
        with self.writing() as db:
            return db.execute("INSERT OR IGNORE INTO attempts VALUES (?)", (digest,)).rowcount == 1


def _message(row: sqlite3.Row) -> Message:
    return Message(**{field.name: row[field.name] for field in fields(Message)})


def _take_step(message: Message, step_index: int, now: float) -> Message:
    status = message.plan[step_index].status or message.status
    sent = message.sent or (now if status in ("sent", "delivered", "read", "undelivered") else None)
    error = (
        message.failure_code or scripted_numbers.recipient(message.recipient).error
        if status in ("failed", "undelivered")
        else 0
    )
    return replace(
        message, status=status, sent=sent, error=error, steps_taken=step_index + 1, updated=now
    )
