"""The SQLite file of the simulator, behind one connection and one lock."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.core.vocabulary import Address
from hub.lib import addresses

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
)


def parse_phone(address: str) -> str:
    """Return the normal form of a phone address, with the prefix of its channel."""
    prefix, plus, digits = address.rpartition("+")
    return prefix + addresses.normalize(Address.PHONE, plus + digits) if plus else address


class File:
    """A SQLite file for any number of threads. `version` rises with every write."""

    def __init__(self, path: Path) -> None:
        path.touch(
            mode=0o600
        )  # created before SQLite does, so that the files next to it get its mode
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._db.create_function("phone_of", 1, parse_phone, deterministic=True)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
        # starts above all versions of earlier runs, so that open pages reload
        self.version = time.time_ns() // 1_000_000

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def prepare(self, schema: str, table: str = "", **columns: str) -> None:
        """Create missing tables, and columns that an older file lacks in `table`."""
        with self._lock:
            self._db.executescript(schema)
            existing = {
                row["name"]
                for row in self._db.execute("SELECT name FROM pragma_table_info(?)", (table,))
            }
            for name, kind in columns.items():
                if name not in existing:
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a write transaction: all of it or nothing is stored."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            self.version += 1

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def setting(self, name: str, default: Any) -> Any:
        rows = self.rows("SELECT value FROM account WHERE name = ?", (name,))
        return json.loads(rows[0]["value"]) if rows else default

    def set(self, name: str, value: Any) -> None:
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO account VALUES (?, ?)", (name, json.dumps(value)))
