"""CSV files of people: read line by line, written so that no program takes a cell for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from hub import audit
from hub.errors import Refused
from hub.store import transaction

Line = tuple[int, dict[str, str]]  # its number in the file, from 1; its cells by column

MOST_LINES = 100_000
AT_ONCE = 100  # lines of one transaction: others write in between


@dataclass
class Report:
    """What became of a file: how many lines were kept, or known already, and why others were not, by their number."""

    kept: int = 0
    known: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


def import_lines(
    content: str, keep: Callable[[dict[str, str]], bool], *, needs: Sequence[str], maybe: Sequence[str], action: str, others: bool = False
) -> Report:  # fmt: skip
    """Let `keep` take each line of a CSV file, some at once; it returns False for what is known, and raises Refused.

    `needs` and `maybe` are the columns, `others` lets more of them pass unread. Raises Refused when the file as a whole is none.
    """
    lines = csv.DictReader(io.StringIO(content.lstrip("\ufeff")))
    names = lines.fieldnames or ()
    if not set(needs) <= set(names):
        why = f"The first line has to name the columns: {', '.join(needs)}, and maybe {', '.join(maybe)}."
        raise Refused("missing_column", why, field="file")
    if not others and (unknown := set(names) - {*needs, *maybe}):
        raise Refused("unknown_column", f"There is no column {min(unknown)!r}. There are {', '.join((*needs, *maybe))}.", field="file")
    report, numbered = Report(), _numbered(lines)
    while some := list(islice(numbered, AT_ONCE)):
        part = _keep(some, keep)  # counted once it is stored: a transaction may be run again
        report.kept, report.known, report.refused = report.kept + part.kept, report.known + part.known, report.refused + part.refused
    _tell(action, report)
    return report


def _numbered(lines: csv.DictReader[str]) -> Iterator[Line]:
    for number, line in enumerate(lines, 2):
        if number > MOST_LINES + 1:
            raise Refused("too_many_lines", f"The file has more than {MOST_LINES:,} lines. Import it in parts.", field="file")
        yield number, {name: (text or "").strip() for name, text in line.items() if name is not None}


@transaction
def _keep(lines: Sequence[Line], keep: Callable[[dict[str, str]], bool]) -> Report:
    part = Report()
    for number, line in lines:
        try:
            if keep(line):
                part.kept += 1
            else:
                part.known += 1
        except Refused as refusal:
            part.refused.append((number, f"{refusal.field}: {refusal}" if refusal.field else str(refusal)))
    return part


@transaction
def _tell(action: str, report: Report) -> None:
    audit.record(action, action.partition(".")[0], kept=report.kept, refused=len(report.refused))  # once, not for each line


def csv_line(cells: list[str]) -> str:
    """Write one line. The first cell is an address; any other that begins like a formula is kept from being one."""
    out = io.StringIO()
    safe = [cells[0], *(f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t")) else cell for cell in cells[1:])]
    csv.writer(out).writerow(safe)
    return out.getvalue()
