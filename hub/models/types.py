"""Column types: ids, times and sealed values."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import uuid_utils
from flask import current_app
from sqlalchemy import BigInteger, DateTime, Dialect, ForeignKey, Index, LargeBinary, TypeDecorator, Uuid
from sqlalchemy.orm import MappedColumn, mapped_column

from hub.crypto import Keyring

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def now() -> datetime:
    """Return the time in UTC, aware, to the microsecond."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Make a fresh id, such as `msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c`: a UUIDv7, so ids sort by time."""
    return f"{prefix}_{uuid_utils.uuid7()}"


def id_at(prefix: str, when: datetime) -> str:
    """Return the smallest id made at `when`: rows since then are those with a larger one."""
    milliseconds = int(when.timestamp() * 1000)
    return f"{prefix}_{uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62))}"


def time_of(public_id: str) -> datetime:
    """Return when an id was made, to the millisecond."""
    return datetime.fromtimestamp((uuid.UUID(public_id.partition("_")[2]).int >> 80) / 1000, UTC)


def is_id(prefix: str, text: str) -> bool:
    """Tell whether `text` has the form of an id of this kind."""
    kind, _, rest = text.partition("_")
    try:
        return kind == prefix and str(uuid.UUID(rest)) == rest
    except ValueError:
        return False


class Id(TypeDecorator[str]):
    """An id: `prefix_uuid` in Python and outside, 16 bytes in the database.

    `Id("*")` takes an id of any kind and gives back its UUID alone.
    """

    impl = LargeBinary(16)
    cache_ok = True

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid(as_uuid=True))
        return dialect.type_descriptor(LargeBinary(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        kind, _, rest = value.rpartition("_")
        if _UUID.fullmatch(rest) is None or (self.prefix != "*" and kind != self.prefix):
            raise ValueError(f"{value!r} is not an id of the form {self.prefix}_…")
        return uuid.UUID(rest) if dialect.name == "postgresql" else bytes.fromhex(rest.replace("-", ""))

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        text = value.hex if isinstance(value, uuid.UUID) else bytes(value).hex()
        number = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        return number if self.prefix == "*" else f"{self.prefix}_{number}"


class Time(TypeDecorator[datetime]):
    """An aware time in UTC: timestamptz on PostgreSQL, microseconds since 1970 on SQLite. Refuses a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not stored; use models.types.now()")
        return value if dialect.name == "postgresql" else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else _EPOCH + timedelta(microseconds=value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def raw(column: Any, value: Any, dialect: Dialect) -> Any:
    """Return a value as the driver takes it for a column: for statements that go around SQLAlchemy."""
    kind = column.type
    return kind.process_bind_param(value, dialect) if isinstance(kind, TypeDecorator) else value


def key(prefix: str) -> MappedColumn[str]:
    """Declare the primary key `prefix_…`, made by us."""
    return mapped_column(Id(prefix), primary_key=True, default=partial(new_id, prefix))


def ref(prefix: str, target: str, **options: Any) -> MappedColumn[Any]:
    """Declare a foreign key to `target`, such as "messages.id"."""
    return mapped_column(Id(prefix), ForeignKey(target), **options)


def some(name: str | None, *columns: str, where: Any, **options: Any) -> Index:
    """Declare an index of some rows. PostgreSQL's has the same condition, in the migrations.

    To say so here as well would load SQLAlchemy's dialect for it into every process, which takes 2 MB.
    """
    return Index(name, *columns, sqlite_where=where, **options)


def keyring() -> Keyring:
    """Return the application's keyring."""
    ring: Keyring = current_app.extensions["hub.keyring"]
    return ring


class sealed:
    """A JSON value that is stored sealed in the column of the same name with a leading underscore.

    Reading raises Unreadable where the value does not open.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.field, self.column = name, f"_{name}"

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        stored = getattr(row, self.column)
        return None if stored is None else keyring().open_json(row.__tablename__, seal_id(row), self.field, stored)

    def __set__(self, row: Any, value: Any) -> None:
        stored = None if value is None else keyring().seal_json(row.__tablename__, seal_id(row), self.field, value)
        setattr(row, self.column, stored)


def seal_id(row: Any) -> str:
    """Return what binds a row's sealed values to it: its UUID, or the text key of a table without one.

    A new row's id is made here, since a value is sealed before the row is flushed.
    """
    name = getattr(type(row), "__seal_by__", "id")
    column = type(row).__mapper__.columns.get(name)
    if column is None or not isinstance(column.type, Id):
        return str(getattr(row, name))
    if getattr(row, name) is None:
        setattr(row, name, new_id(column.type.prefix))
    return str(getattr(row, name)).rpartition("_")[2]
