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
        return id_pages.read_rows(wanted, column, before=before, after=after, limit=limit)

    return paged(read, prefix, keep)


def paged(read: Read, prefix: str, keep: dict[str, str]) -> Page:
    """Read the page that the request asks for, by a function that reads rows with an `id`."""
    before = request.args.get("before", "")
    after = request.args.get("after", "")
    if is_id(prefix, after):
        rows, more = id_pages.cut(read("", after, ROWS + 1), ROWS)
        rows.reverse()
        return Page(
            rows,
            _link(keep, after=rows[0].id) if more else None,
            _link(keep, before=rows[-1].id) if rows else None,
        )
    began = is_id(prefix, before)
    rows, more = id_pages.cut(read(before if began else "", "", ROWS + 1), ROWS)
    return Page(
        rows,
        _link(keep, after=rows[0].id) if began and rows else None,
        _link(keep, before=rows[-1].id) if more else None,
    )


def _link(keep: dict[str, str], **more: str) -> str:
    words: dict[str, Any] = {**keep, **more}
    return url_for(request.endpoint or "", **words)
