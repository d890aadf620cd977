"""Store small records of a simulated provider by kind and name, such as people and updates."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hub.simulator.file import File

Record = dict[str, Any]
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL,
    record TEXT NOT NULL, UNIQUE (kind, name));
"""
PUT = (
    "INSERT INTO records (kind, name, record) VALUES (?, ?, ?)"
    " ON CONFLICT (kind, name) DO UPDATE SET record = excluded.record"
)


class RecordStore:
    """A store of JSON objects that any number of threads may change."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def get(self, kind: str, name: str) -> Record | None:
        rows = self._file.rows(
            "SELECT record FROM records WHERE kind = ? AND name = ?", (kind, name)
        )
        return dict(json.loads(rows[0]["record"])) if rows else None

    def put(self, kind: str, name: str, record: Record) -> None:
        with self._file.writing() as db:
            db.execute(PUT, (kind, name, json.dumps(record)))

    def change(self, kind: str, name: str, edit: Callable[[Record], Record]) -> Record:
        """Replace a record with the result of `edit` in one transaction, and return it.

        A missing record is passed to `edit` as {}.
        """
        with self._file.writing() as db:
            row = db.execute(
                "SELECT record FROM records WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
            record = edit(json.loads(row["record"]) if row else {})
            db.execute(PUT, (kind, name, json.dumps(record)))
        return record

    def all(self, kind: str) -> dict[str, Record]:
        """Return the records of a kind by name, oldest first."""
        rows = self._file.rows(
            "SELECT name, record FROM records WHERE kind = ? ORDER BY seq", (kind,)
        )
        return {row["name"]: json.loads(row["record"]) for row in rows}

    def keep_newest(self, kind: str, count: int) -> None:
        """Delete all but the newest `count` records of a kind."""
        sql = (
            "DELETE FROM records WHERE kind = ? AND seq NOT IN"
            " (SELECT seq FROM records WHERE kind = ? ORDER BY seq DESC LIMIT ?)"
        )
        with self._file.writing() as db:
            db.execute(sql, (kind, kind, count))

    def next_number(self, name: str, first: int = 1) -> int:
        """Return a number that is higher than all earlier ones of this name."""
        return int(
            self.change("number", name, lambda record: {"at": record.get("at", first - 1) + 1})[
                "at"
            ]
        )
