"""Check that a stored row can be read: each column fits its type, and encrypted values open."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, LargeBinary, String

from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import Base, db
from hub.db.store import is_database_failure, is_retryable
from hub.db.types import BadTime, EncryptedJson, Id

_PYTHON_TYPES = ((String, str), (Integer, int), (LargeBinary, bytes))


def read_error(table: str, row_id: str) -> Exception | None:
    """Return the error that reading a row raises, or None if it can be read or does not exist."""
    model = next(
        (mapper.class_ for mapper in Base.registry.mappers if mapper.class_.__tablename__ == table),
        None,
    )
    try:
        row = None if model is None else db.session.get(model, row_id, populate_existing=True)
        if row is not None:
            _check_values(row)
    except Exception as error:
        if is_retryable(error) or is_database_failure(error):
            raise
        return error
    return None


def _check_values(row: Any) -> None:
    """Raise UnreadableRow or a decryption error for the first value that cannot be read."""
    for attribute in type(row).__mapper__.column_attrs:
        column = attribute.columns[0]
        if not _is_readable(getattr(row, attribute.key), column):
            raise UnreadableRow(f"{column.table.name}.{column.name}")
    for name, value in vars(type(row)).items():
        if isinstance(value, EncryptedJson):
            getattr(row, name)


def _is_readable(value: Any, column: Any) -> bool:
    if value is None:
        return bool(column.nullable)
    if isinstance(value, BadTime):
        return False
    if isinstance(column.type, Id):
        return "?" not in value
    return all(
        isinstance(value, python_type)
        for column_type, python_type in _PYTHON_TYPES
        if isinstance(column.type, column_type)
    )
