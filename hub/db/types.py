"""Column types: IDs, times and encrypted values."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
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
    """Return the current time in UTC."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Return a new ID, such as `msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c`: a UUIDv7, so IDs sort by
    time.
    """
    return f"{prefix}_{uuid_utils.uuid7()}"


class BadTime(datetime):
    """A stored time that cannot be read.

    Its value is 1970, so that arithmetic does not overflow. It is written back unchanged. A time
    that is derived from it, such as in another time zone, is also a BadTime. Pages show it as
    unreadable.
    """

    stored: Any = None

    @classmethod
    def from_stored(cls, stored: Any) -> BadTime:
        """Return a BadTime for a value of the driver."""
        bad_time = cls(1970, 1, 1, tzinfo=UTC)
        bad_time.stored = stored
        return bad_time


def first_id_at(prefix: str, at: datetime) -> str:
    """Return the smallest ID that can be created at a time: later rows have larger ones."""
    milliseconds = max(int(at.timestamp() * 1000), 0)
    return f"{prefix}_{uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62))}"


def creation_time(public_id: str) -> datetime:
    """Return the creation time of an ID in milliseconds, or BadTime for an invalid one."""
    try:
        return _uuid_time(public_id)
    except (ValueError, OverflowError):
        return BadTime.from_stored(None)


def _uuid_time(public_id: str) -> datetime:
    return datetime.fromtimestamp((uuid.UUID(public_id.partition("_")[2]).int >> 80) / 1000, UTC)


def is_id(prefix: str, text: str) -> bool:
    """Return whether text has the form of an ID of this kind."""
    text_prefix, _, uuid_text = text.partition("_")
    try:
        return text_prefix == prefix and str(uuid.UUID(uuid_text)) == uuid_text
    except ValueError:
        return False


class RawBytes(LargeBinary):
    """Bytes as SQLite stores them. Other stored values are returned unchanged and can be searched
    for.
    """

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


_INVALID_MARK = "?"


class Id(TypeDecorator[str]):
    """An ID: `prefix_uuid` in Python and outside, 16 bytes in the database.

    `Id("*")` accepts IDs of any kind and returns only the UUID. A stored value of another form is
    read as `prefix_?…`, which no URL or field accepts, but which finds its row again.
    """

    impl = LargeBinary(16)
    cache_ok = True

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Uuid(as_uuid=True))
        return dialect.type_descriptor(RawBytes(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if _INVALID_MARK in value:
            text = value.rpartition("_")[2]
            if text.startswith(_INVALID_MARK):
                return _decode_invalid_id(text)
        uuid_bytes = _uuid_bytes(self.prefix, value)
        return uuid.UUID(bytes=uuid_bytes) if dialect.name == "postgresql" else uuid_bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if isinstance(value, uuid.UUID):
            digits = value.hex
        elif isinstance(value, bytes) and len(value) == 16:
            digits = value.hex()
        else:
            return _encode_invalid_id(self.prefix, value)
        uuid_text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        return uuid_text if self.prefix == "*" else f"{self.prefix}_{uuid_text}"


# the rows of an event refer to each other by the same few IDs
@lru_cache(maxsize=1024)
def _uuid_bytes(prefix: str, value: str) -> bytes:
    text_prefix, _, uuid_text = value.rpartition("_")
    if _UUID.fullmatch(uuid_text) is None or (prefix != "*" and text_prefix != prefix):
        raise ValueError(f"{value!r} is not an ID of the form {prefix}_…")
    return bytes.fromhex(uuid_text.replace("-", ""))


def _encode_invalid_id(prefix: str, value: Any) -> str:
    if isinstance(value, bytes):
        encoded = f"{_INVALID_MARK}b{value.hex()}"
    else:
        encoded = (
            f"{_INVALID_MARK}{'t' if isinstance(value, str) else 'n'}{str(value).encode().hex()}"
        )
    return encoded if prefix == "*" else f"{prefix}_{encoded}"


def _decode_invalid_id(encoded: str) -> Any:
    """Return the stored value that `_encode_invalid_id` encoded."""
    try:
        raw = bytes.fromhex(encoded[2:])
        if encoded[1:2] == "n":
            return int(raw) if raw.lstrip(b"-").isdigit() else float(raw)
        return raw if encoded[1:2] == "b" else raw.decode()
    except ValueError:
        raise ValueError(f"{encoded!r} is not an ID") from None


class Time(TypeDecorator[datetime]):
    """A time in UTC: timestamptz on PostgreSQL, microseconds since 1970 on SQLite.

    It refuses times without a zone. A stored value that is not a time, or so far away that
    arithmetic could overflow, is read as BadTime. Hot paths, whose decisions depend on it, read
    strictly and get an error instead.
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
            raise ValueError("datetime has no time zone; use hub.db.types.now()")
        return value if dialect.name == "postgresql" else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        try:
            return self.read_strictly(value, dialect)
        except (TypeError, ValueError, OverflowError):
            return BadTime.from_stored(value.stored if isinstance(value, BadTime) else value)

    def read_strictly(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return a stored time. Raises ValueError or TypeError if it cannot be read."""
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
                details = convert(value) if convert else value
            except (TypeError, ValueError):
                details = None
            return details if isinstance(details, dict) else {"details": "cannot be read"}

        return read


class OptionalDetails(Details):
    """A JSON object or NULL. A damaged value is read as {"details": "cannot be read"}."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        read = super().result_processor(dialect, coltype)
        return lambda value: None if value is None else read(value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# stored times from the first up to, but excluding, the last can be read
FIRST_TIME = datetime(1900, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(3001, 1, 1, tzinfo=UTC)
_FIRST = (FIRST_TIME - _EPOCH) // timedelta(microseconds=1)
_LAST = (LAST_TIME - _EPOCH) // timedelta(microseconds=1)


def primary_key(prefix: str) -> MappedColumn[str]:
    """Declare a primary key `prefix_…` that Signpost generates."""
    return mapped_column(Id(prefix), primary_key=True, default=partial(new_id, prefix))


def foreign_key(prefix: str, target: str, **options: Any) -> MappedColumn[Any]:
    """Declare a foreign key to `target`, such as "messages.id"."""
    return mapped_column(Id(prefix), ForeignKey(target), **options)


def partial_index(name: str | None, *columns: str, where: Any, **options: Any) -> Index:
    """Declare a partial index.

    The index of PostgreSQL has the same condition, in the migrations. `postgresql_where` would load
    SQLAlchemy's dialect of PostgreSQL into every process, also on SQLite: 2.2 MB each.
    """
    return Index(name, *columns, sqlite_where=where, **options)


def keyring() -> Keyring:
    """Return the application's keyring."""
    ring: Keyring = current_app.extensions["hub.keyring"]
    return ring


class EncryptedJson:
    """A JSON value that is stored encrypted in the column of the same name with a leading
    underscore.

    Reading raises DecryptionError if the value cannot be decrypted.
    """

    def __init__(self, field: EncryptedField) -> None:
        self.field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self.column = f"_{name}"

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        if row is None:
            return self
        stored = getattr(row, self.column)
        return (
            None
            if stored is None
            else keyring().open_json(self.field, encryption_row_id(row), stored)
        )

    def __set__(self, row: Any, value: Any) -> None:
        stored = (
            None
            if value is None
            else keyring().seal_json(self.field, encryption_row_id(row), value)
        )
        setattr(row, self.column, stored)


def encryption_row_id(row: Any) -> str:
    """Return the ID that a row's encrypted values are bound to: its UUID, or its text key.

    The ID of a new row is created here, because values are encrypted before the row is flushed.
    """
    name = getattr(type(row), "__seal_by__", "id")
    column = type(row).__mapper__.columns.get(name)
    if column is None or not isinstance(column.type, Id):
        return str(getattr(row, name))
    if getattr(row, name) is None:
        setattr(row, name, new_id(column.type.prefix))
    return str(getattr(row, name)).rpartition("_")[2]
