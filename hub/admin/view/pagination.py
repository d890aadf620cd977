"""Lists that page by id: no count, no offset, as fast on the last page as on the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from sqlalchemy import Select

from hub.db.engine import db
from hub.db.types import is_id

ROWS = 50


@dataclass(frozen=True)
class Page:
    """Rows, newest first, and the addresses of the pages beside this one, or None."""

    rows: list[Any]
    newer: str | None
    older: str | None


# the newest rows before an id, or, oldest first, those after one; at most so many
Read = Callable[[str, str, int], list[Any]]


def page(wanted: Select[Any], column: Any, prefix: str, keep: dict[str, str]) -> Page:
    """Read the page that the request asks for.

    `column` is the id; `keep` are the filters that links carry on.
    """

    def read(before: str, after: str, limit: int) -> list[Any]:
        query = wanted.order_by(column if after else column.desc()).limit(limit)
        if after:
            query = query.where(column > after)
        elif before:
            query = query.where(column < before)
        return list(db.session.scalars(query))

    return paged(read, prefix, keep)


def paged(read: Read, prefix: str, keep: dict[str, str]) -> Page:
    """Read the page that the request asks for, by a function that reads rows with an `id`."""
    before = request.args.get("before", "")
    after = request.args.get("after", "")
    if is_id(prefix, after):
        rows = read("", after, ROWS + 1)
        more = len(rows) > ROWS
        rows = rows[:ROWS][::-1]
        return Page(
            rows,
            _link(keep, after=rows[0].id) if more else None,
            _link(keep, before=rows[-1].id) if rows else None,
        )
    began = is_id(prefix, before)
    rows = read(before if began else "", "", ROWS + 1)
    more = len(rows) > ROWS
    rows = rows[:ROWS]
    return Page(
        rows,
        _link(keep, after=rows[0].id) if began and rows else None,
        _link(keep, before=rows[-1].id) if more else None,
    )


def _link(keep: dict[str, str], **more: str) -> str:
    words: dict[str, Any] = {**keep, **more}
    return url_for(request.endpoint or "", **words)
