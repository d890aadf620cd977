"""Pages of lists, with links to newer and older rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from sqlalchemy import Select

from hub.db import id_pages
from hub.db.types import is_id

ROWS = 50


@dataclass(frozen=True)
class Page:
    """The rows of a page, newest first, and the links to the pages before and after it, or None."""

    rows: list[Any]
    newer: str | None
    older: str | None


# takes `before`, `after` and a limit; returns the newest rows before an ID, or the rows after an
# ID with the oldest first
Read = Callable[[str, str, int], list[Any]]


def paginate_query(
    statement: Select[Any], column: Any, prefix: str, active_filters: dict[str, str]
) -> Page:
    """Return the requested page of a statement.

    `column`: the ID. `prefix`: of the IDs. `active_filters`: the filters that the links keep.
    """

    def read(before: str, after: str, limit: int) -> list[Any]:
        return id_pages.read_rows(statement, column, before=before, after=after, limit=limit)

    return paginate(read, prefix, active_filters)


def paginate(read: Read, prefix: str, active_filters: dict[str, str]) -> Page:
    """Return the requested page of a function that reads rows with an `id`."""
    before = request.args.get("before", "")
    after = request.args.get("after", "")
    if is_id(prefix, after):
        rows, has_more = id_pages.cut(read("", after, ROWS + 1), ROWS)
        rows.reverse()
        return Page(
            rows,
            _link(active_filters, after=rows[0].id) if has_more else None,
            _link(active_filters, before=rows[-1].id) if rows else None,
        )
    has_before = is_id(prefix, before)
    rows, has_more = id_pages.cut(read(before if has_before else "", "", ROWS + 1), ROWS)
    return Page(
        rows,
        _link(active_filters, after=rows[0].id) if has_before and rows else None,
        _link(active_filters, before=rows[-1].id) if has_more else None,
    )


def _link(active_filters: dict[str, str], **position: str) -> str:
    parameters: dict[str, Any] = {**active_filters, **position}
    return url_for(request.endpoint or "", **parameters)
