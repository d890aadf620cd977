"""Insert rows with the database driver, so that values are written unchanged."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from sqlalchemy import Table
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from hub.db.engine import db
from hub.db.types import keyring
from hub.lib.crypto import EncryptedField


class Tables:
    """A writer of rows with the database driver."""

    def __init__(self, app: Flask) -> None:
        self.ring = keyring()
        self.postgres = db.engine.dialect.name == "postgresql"
        self.raw: Any = db.engine.raw_connection()
        if not self.postgres:
            # the rows are made durable at the end, all at once
            self.raw.driver_connection.execute("PRAGMA synchronous=OFF")
            self.raw.driver_connection.execute("PRAGMA cache_size=-800000")

    def id(self, number: int) -> Any:
        return uuid.UUID(int=number) if self.postgres else number.to_bytes(16)

    def known(self, public_id: str) -> Any:
        return self.id(uuid.UUID(public_id.partition("_")[2]).int)

    def time(self, milliseconds: int) -> Any:
        return (
            datetime.fromtimestamp(milliseconds / 1000, UTC)
            if self.postgres
            else milliseconds * 1000
        )

    def seal(self, field: EncryptedField, number: int, value: Any) -> bytes:
        return self.ring.seal_json(field, str(uuid.UUID(int=number)), value)

    def insert(self, model: Any, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows; columns without a value get their default."""
        table: Table = model.__table__
        constant = {
            name: value for name, value in _column_defaults(table).items() if name not in columns
        }
        names = (*columns, *constant)
        tail = tuple(constant.values())
        listed = ", ".join(f'"{name}"' for name in names)
        cursor = self.raw.driver_connection.cursor()
        if self.postgres:
            with cursor.copy(f"COPY {table.name} ({listed}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row((*row, *tail))
        else:
            cursor.execute("BEGIN IMMEDIATE")
            marks = ", ".join("?" * len(names))
            cursor.executemany(
                f"INSERT INTO {table.name} ({listed}) VALUES ({marks})",
                ((*row, *tail) for row in rows),
            )
        self.raw.driver_connection.commit()

    def finish(self) -> None:
        """Make the rows durable and update the statistics of the database."""
        if self.postgres:
            self.raw.driver_connection.autocommit = True
            self.raw.driver_connection.execute("VACUUM ANALYZE")
        else:
            self.raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            os.sync()
        self.raw.close()


def _column_defaults(table: Table) -> dict[str, Any]:
    """Return the defaults of columns that require a value."""
    defaults: dict[str, Any] = {}
    for column in table.columns:
        if not column.nullable and isinstance(column.default, ScalarElementColumnDefault):
            defaults[column.name] = column.default.arg
    return defaults


def generate_ids(count: int, began: int, spread: int) -> Iterator[tuple[int, int]]:
    """Yield increasing pairs of a UUIDv7 as a number and its milliseconds, over a period."""
    salt = random.getrandbits(30)
    for n in range(count):
        moment = began + n * spread // count
        yield (moment << 80) | (7 << 76) | (2 << 62) | (salt << 32) | n, moment
