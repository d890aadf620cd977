"""Small records that a simulated provider keeps beside its posts, by kind and name: people,
response addresses, updates.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hub.simulator.file import File

Record = dict[str, Any]
SCHEMA = """
CREATE TABLE IF NOT EXISTS shelf (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL,
    record TEXT NOT NULL, UNIQUE (kind, name));
"""
PUT = (
    "INSERT INTO shelf (kind, name, record) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET"
    " record = excluded.record"
)


class Shelf:
    """Records are JSON objects; any number of threads may change them."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def get(self, kind: str, name: str) -> Record | None:
        rows = self._file.rows("SELECT record FROM shelf WHERE kind = ? AND name = ?", (kind, name))
        return dict(json.loads(rows[0]["record"])) if rows else None

    def put(self, kind: str, name: str, record: Record) -> None:
        with self._file.writing() as db:
            db.execute(PUT, (kind, name, json.dumps(record)))

    def change(self, kind: str, name: str, how: Callable[[Record], Record]) -> Record:
        """Replace a record by what `how` makes of it, as one step, and return that; where there is
        none it is given {}.
        """
        with self._file.writing() as db:
            row = db.execute(
                "SELECT record FROM shelf WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
            record = how(json.loads(row["record"]) if row else {})
            db.execute(PUT, (kind, name, json.dumps(record)))
        return record

    def all(self, kind: str) -> dict[str, Record]:
        """Read the records of a kind by name, the one made first first."""
        rows = self._file.rows(
            "SELECT name, record FROM shelf WHERE kind = ? ORDER BY seq", (kind,)
        )
        return {row["name"]: json.loads(row["record"]) for row in rows}

    def keep_newest(self, kind: str, count: int) -> None:
        """Throw all but the newest `count` records of a kind away."""
        sql = (
            "DELETE FROM shelf WHERE kind = ? AND seq NOT IN (SELECT seq FROM shelf WHERE kind = ?"
            " ORDER BY seq DESC LIMIT ?)"
        )
        with self._file.writing() as db:
            db.execute(sql, (kind, kind, count))

    def number(self, name: str, first: int = 1) -> int:
        """Count up: return a number for this name that is higher than all before."""
        return int(
            self.change("number", name, lambda record: {"at": record.get("at", first - 1) + 1})[
                "at"
            ]
        )
