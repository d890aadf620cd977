"""CSV files of people: read line by line, written so that no program takes a cell for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from hub import audit
from hub.errors import Refused
from hub.store import transaction

T = TypeVar("T")
Line = tuple[int, dict[str, str]]  # its number in the file, from 1; its cells by column

MOST_LINES = 100_000
AT_ONCE = 100  # lines of one transaction: others write in between


def numbered(lines: csv.DictReader[str]) -> Iterator[Line]:
    """Yield the lines below the first, trimmed. Raises Refused when there are too many."""
    for number, line in enumerate(lines, 2):
        if number > MOST_LINES + 1:
            raise Refused("too_many_lines", f"The file has more than {MOST_LINES:,} lines. Import it in parts.", field="file")
        yield number, {name: (text or "").strip() for name, text in line.items() if name is not None}


def reader(content: str) -> csv.DictReader[str]:
    """Read a CSV file whose first line names the columns."""
    return csv.DictReader(io.StringIO(content.lstrip("\ufeff")))


def batched(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists of AT_ONCE."""
    left = iter(items)
    while some := list(islice(left, AT_ONCE)):
        yield some


@transaction
def audit_import(action: str, kept: int, refused: int) -> None:
    """Note that a file was imported, once, not each of its lines."""
    audit.record(action, action.partition(".")[0], kept=kept, refused=refused)


def csv_line(cells: list[str]) -> str:
    """Write one line. The first cell is an address; any other that begins like a formula is kept from being one."""
    out = io.StringIO()
    safe = [cells[0], *(f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t")) else cell for cell in cells[1:])]
    csv.writer(out).writerow(safe)
    return out.getvalue()
