"""Column types: ids, times and sealed values."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import uuid_utils
from flask import current_app
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.orm import MappedColumn, mapped_column

from hub.lib.crypto import EncryptedField, Keyring

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def now() -> datetime:
    """Return the time in UTC, aware, to the microsecond."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Make a fresh id, such as `msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c`: a UUIDv7, so ids sort by
    time.
    """
    return f"{prefix}_{uuid_utils.uuid7()}"


class BadTime(datetime):
    """A stored time that cannot be read.

    It stands at 1970, so that nothing overflows, and is written back as it was.

    What comes of one, such as the same time in another zone, is one too. Pages show it as
    unreadable.
    """

    stored: Any = None

    @classmethod
    def of(cls, stored: Any) -> BadTime:
        """Return what stands for a value of the driver's."""
        found = cls(1970, 1, 1, tzinfo=UTC)
        found.stored = stored
        return found


def id_at(prefix: str, when: datetime) -> str:
    """Return the smallest id made at `when`: rows since then are those with a larger one."""
    milliseconds = max(int(when.timestamp() * 1000), 0)
    return f"{prefix}_{uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62))}"


def time_of(public_id: str) -> datetime:
    """Return when an id was made, to the millisecond; BadTime for a text that is not one."""
    try:
        return _time_of(public_id)
    except (ValueError, OverflowError):
        return BadTime.of(None)


def _time_of(public_id: str) -> datetime:
    return datetime.fromtimestamp((uuid.UUID(public_id.partition("_")[2]).int >> 80) / 1000, UTC)


def is_id(prefix: str, text: str) -> bool:
    """Tell whether `text` has the form of an id of this kind."""
    kind, _, rest = text.partition("_")
    try:
        return kind == prefix and str(uuid.UUID(rest)) == rest
    except ValueError:
        return False


class Stored(LargeBinary):
    """Bytes as SQLite holds them: whatever else stands in their place comes as it is, and can be
    asked for.
    """

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


class Id(TypeDecorator[str]):
    """An id: `prefix_uuid` in Python and outside, 16 bytes in the database.

    `Id("*")` takes an id of any kind and gives back its UUID alone. A stored value of another form
    is read as `prefix_?…`, which no address or field accepts, and which finds its row again.
    """

    impl = LargeBinary(16)
    cache_ok = True

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid(as_uuid=True))
        return dialect.type_descriptor(Stored(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        kind, _, rest = value.rpartition("_")
        if rest.startswith(_ODD):
            return _odd_bytes(rest)
        if _UUID.fullmatch(rest) is None or (self.prefix != "*" and kind != self.prefix):
            raise ValueError(f"{value!r} is not an id of the form {self.prefix}_…")
        return (
            uuid.UUID(rest)
            if dialect.name == "postgresql"
            else bytes.fromhex(rest.replace("-", ""))
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if isinstance(value, uuid.UUID):
            text = value.hex
        elif isinstance(value, bytes) and len(value) == 16:
            text = value.hex()
        else:
            return _odd_id(self.prefix, value)
        number = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        return number if self.prefix == "*" else f"{self.prefix}_{number}"


_ODD = "?"


def _odd_id(prefix: str, value: Any) -> str:
    if isinstance(value, bytes):
        number = f"{_ODD}b{value.hex()}"
    else:
        number = f"{_ODD}{'t' if isinstance(value, str) else 'n'}{str(value).encode().hex()}"
    return number if prefix == "*" else f"{prefix}_{number}"


def _odd_bytes(number: str) -> Any:
    """Return the stored value that `_odd_id` made a number of."""
    try:
        raw = bytes.fromhex(number[2:])
        if number[1:2] == "n":
            return int(raw) if raw.lstrip(b"-").isdigit() else float(raw)
        return raw if number[1:2] == "b" else raw.decode()
    except ValueError:
        raise ValueError(f"{number!r} is not an id") from None


class Time(TypeDecorator[datetime]):
    """An aware time in UTC: timestamptz on PostgreSQL, microseconds since 1970 on SQLite.

    Refuses a naive one.

    A stored value that is no time, or so far away that arithmetic with it could overflow, is read
    as BadTime; hot paths, whose decisions rest on it, read strictly and get an error instead.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(
            DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger()
        )

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if isinstance(value, BadTime) and value.stored is not None:
            return value.stored
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not stored; use models.types.now()")
        return (
            value if dialect.name == "postgresql" else (value - _EPOCH) // timedelta(microseconds=1)
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        try:
            return self.read_strictly(value, dialect)
        except (TypeError, ValueError, OverflowError):
            return BadTime.of(value.stored if isinstance(value, BadTime) else value)

    def read_strictly(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return a stored time. Raises ValueError or TypeError where it cannot be read."""
        if value is None:
            return None
        if not isinstance(value, datetime):
            if not _FIRST <= value < _LAST:
                raise ValueError("the stored time is out of range")
            return _EPOCH + timedelta(microseconds=value)
        if isinstance(value, BadTime) or value.tzinfo is None or not 1900 <= value.year <= 3000:
            raise ValueError("the stored time is out of range")
        return value.astimezone(UTC)


class Details(TypeDecorator[dict[str, Any]]):
    """A JSON object for display. A damaged value is read as {"details": "cannot be read"}."""

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        convert = self.impl_instance.dialect_impl(dialect).result_processor(dialect, coltype)

        def read(value: Any) -> dict[str, Any]:
            try:
                found = convert(value) if convert else value
            except (TypeError, ValueError):
                found = None
            return found if isinstance(found, dict) else {"details": "cannot be read"}

        return read


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# stored times from the first, up to but without the last, can be read
FIRST_TIME = datetime(1900, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(3001, 1, 1, tzinfo=UTC)
_FIRST = (FIRST_TIME - _EPOCH) // timedelta(microseconds=1)
_LAST = (LAST_TIME - _EPOCH) // timedelta(microseconds=1)


def primary_key(prefix: str) -> MappedColumn[str]:
    """Declare the primary key `prefix_…`, made by us."""
    return mapped_column(Id(prefix), primary_key=True, default=partial(new_id, prefix))


def foreign_key(prefix: str, target: str, **options: Any) -> MappedColumn[Any]:
    """Declare a foreign key to `target`, such as "messages.id"."""
    return mapped_column(Id(prefix), ForeignKey(target), **options)


def partial_index(name: str | None, *columns: str, where: Any, **options: Any) -> Index:
    """Declare an index of some rows.

    The index of PostgreSQL has the same condition, in the migrations. `postgresql_where` would load
    SQLAlchemy's dialect of PostgreSQL into every process, also on SQLite: 2.2 MB each.
    """
    return Index(name, *columns, sqlite_where=where, **options)


def keyring() -> Keyring:
    """Return the application's keyring."""
    ring: Keyring = current_app.extensions["hub.keyring"]
    return ring


class EncryptedJson:
    """A JSON value that is stored sealed in the column of the same name with a leading underscore.

    Reading raises Unreadable where the value does not open.
    """

    def __init__(self, field: EncryptedField) -> None:
        self.field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self.column = f"_{name}"

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        stored = getattr(row, self.column)
        return None if stored is None else keyring().open_json(self.field, seal_id(row), stored)

    def __set__(self, row: Any, value: Any) -> None:
        stored = None if value is None else keyring().seal_json(self.field, seal_id(row), value)
        setattr(row, self.column, stored)


def seal_id(row: Any) -> str:
    """Return what binds a row's sealed values to it: its UUID, or the text key of a table without
    one.

    A new row's id is made here, since a value is sealed before the row is flushed.
    """
    name = getattr(type(row), "__seal_by__", "id")
    column = type(row).__mapper__.columns.get(name)
    if column is None or not isinstance(column.type, Id):
        return str(getattr(row, name))
    if getattr(row, name) is None:
        setattr(row, name, new_id(column.type.prefix))
    return str(getattr(row, name)).rpartition("_")[2]
