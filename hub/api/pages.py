"""Pages of lists in the API: `after` is the `next` value of the page before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.core.errors import Refused
from hub.db import id_pages
from hub.db.types import is_id


def read_page(
    read: Callable[[str, int], list[Any]], prefix: str, after: str | None, size: int
) -> tuple[list[Any], str | None]:
    """Return a page of rows, newest first, and the `next` value if more follow.

    `read` is called with the ID that the rows come before, and how many to read at most.
    Raises Refused if `after` is not an ID with the prefix.
    """
    if after and not is_id(prefix, after):
        raise Refused("bad_cursor", "Send the `next` value of the previous page.", field="after")
    rows, has_more = id_pages.cut(read(after or "", size + 1), size)
    return rows, rows[-1].id if has_more else None
