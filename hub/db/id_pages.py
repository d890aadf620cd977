"""Pages of rows by ID: no count, no offset, as fast on the last page as on the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Select

from hub.db.engine import db

T = TypeVar("T")


def read_rows(
    wanted: Select[Any], column: Any, *, before: str = "", after: str = "", limit: int
) -> list[Any]:
    """Read the newest rows before an ID, or, oldest first, those after one.

    `column` is the ID. Read one more than a page has, for `cut`.
    """
    query = wanted.order_by(None).order_by(column if after else column.desc()).limit(limit)
    if after:
        query = query.where(column > after)
    elif before:
        query = query.where(column < before)
    return list(db.session.scalars(query))


def cut(rows: Sequence[T], size: int) -> tuple[list[T], bool]:
    """Return a page of rows, and whether more follow it."""
    return list(rows[:size]), len(rows) > size
