"""CSV files of people: read strictly, line by line; written so that no program takes a cell for a
formula.

A file that can be read in two ways is refused whole, with the line at fault. What is read are the
ways in which spreadsheets write CSV: UTF-8 with or without a byte order mark, UTF-16, with commas,
semicolons or tabs, and any kind of line ends.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from hub.core.errors import Refused
from hub.db.store import is_retryable, transaction
from hub.lib import addresses
from hub.shared import audit

Line = tuple[int, dict[str, str]]  # its number in the file, from 1; its cells by column

YES = ("yes", "true", "1", "y")
NO = ("no", "false", "0", "n")
MOST_LINES = 100_000
AT_ONCE = 100  # lines of one transaction: others write in between
DELIMITERS = ",;\t"
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# what a spreadsheet may take for a formula: these signs in any width, after blanks, quotes and
# invisible characters, and control characters.
# https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS = "=＝﹦⁼₌+＋﹢⁺₊\\-－﹣−⁻₋@＠﹫"
_BEFORE = "\\s'\"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_FORMULA = re.compile(rf"[{_BEFORE}]*[{_SIGNS}\t\r\n]")
# a program that takes other separators than commas begins a cell after each of these
_INNER = re.compile(rf"([;{_BEFORE}]+)([{_SIGNS}])?")
_SEPARATOR = re.compile("([;\t\r\n])")
_GUARDED = re.compile("([;\t\r\n])'")
_QUOTED = re.compile(r'[",;\t\r\n]|^\s|\s$')


@dataclass
class ImportReport:
    """The outcome of an import: how many lines were stored, or known already, and why others were
    refused, by their number.
    """

    kept: int = 0
    known: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Columns:
    """The columns of a file: those it must have, those it may have, and which of them hold text of
    several lines.

    `others` says that more columns may stand in the file, which are not read. `check` refuses lines
    that contradict each other.
    """

    needs: Sequence[str]
    optional: Sequence[str]
    texts: Collection[str] = ()
    others: bool = False
    check: Callable[[Sequence[Line]], None] = lambda _: None


def import_lines(
    content: str | bytes, keep: Callable[[dict[str, str]], bool], *, columns: Columns, action: str
) -> ImportReport:
    """Let `keep` store each line of a CSV file, some in a transaction; it returns False for what is
    known, and raises Refused.

    Raises Refused, before anything is stored, for a file that cannot be read or can be read in two
    ways.
    """
    found = read_csv(content, columns)
    columns.check(found)
    lines = iter(found)
    report = ImportReport()
    while some := list(islice(lines, AT_ONCE)):
        try:
            part = _keep(some, keep)  # counted once it is stored: a transaction may be run again
        except SQLAlchemyError as problem:
            if is_retryable(problem):
                raise
            why = (
                f"The database failed. Nothing from line {some[0][0]} on was imported. Import those"
                " lines again."
            )
            report.refused.append((some[0][0], why))
            break
        report.kept = report.kept + part.kept
        report.known = report.known + part.known
        report.refused = report.refused + part.refused
    _tell(action, report)
    return report


@transaction
def _keep(lines: Sequence[Line], keep: Callable[[dict[str, str]], bool]) -> ImportReport:
    part = ImportReport()
    for number, line in lines:
        try:
            if keep(line):
                part.kept += 1
            else:
                part.known += 1
        except Refused as refusal:
            part.refused.append(
                (number, f"{refusal.field}: {refusal}" if refusal.field else str(refusal))
            )
    return part


@transaction
def _tell(action: str, report: ImportReport) -> None:
    # once, not for each line
    audit.record(action, action.partition(".")[0], kept=report.kept, refused=len(report.refused))


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def read_csv(content: str | bytes, columns: Columns) -> list[Line]:
    """Return the lines of a CSV file, blank ones left out.

    Raises Refused that names the line and the remedy.
    """
    text = _decoded(content).removeprefix("\ufeff")
    delimiter, skipped = _delimiter(text, columns.needs)
    rows = _rows(text, delimiter)
    header = next((row for row in rows if row[0] > skipped and any(row[1])), (1, []))
    names = _names(header[1], columns)
    empty = dict.fromkeys([*columns.needs, *columns.optional], "")
    found: list[Line] = []
    for number, cells in rows:
        if not any(cells):
            continue
        if len(found) == MOST_LINES:
            raise _bad(
                number,
                f"The file has more than {MOST_LINES:,} lines. Import it in parts.",
                "too_many_lines",
            )
        if not columns.others and any(
            cell and not name for cell, name in zip(cells, names, strict=False)
        ):
            raise _bad(
                number,
                "It has a value in a column without a name. Name the column in the first line.",
            )
        if any(cells[len(names) :]):
            raise _bad(
                number,
                f"It has more cells than the first line, which has {len(names)}. Put cells"
                f" that contain {delimiter!r} in quotes.",
            )
        line = {name: _unguarded(cell) for name, cell in zip(names, cells, strict=False) if name}
        _check_quotes(number, line, names, delimiter, columns)
        found.append((number, empty | line))
    return found


def _decoded(content: str | bytes) -> str:
    if isinstance(content, bytes):
        encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as problem:
            number = content[: problem.start].decode(encoding, "replace").count("\n") + 1
            raise _bad(
                number,
                "It contains bytes that are not text. Save the file as CSV UTF-8.",
                "not_text",
            ) from None
    else:
        text = content
    if "\0" in text:
        number = text[: text.index("\0")].count("\n") + 1
        raise _bad(number, "It contains NUL characters. Save the file as CSV UTF-8.", "not_text")
    return text


def _delimiter(text: str, needs: Sequence[str]) -> tuple[str, int]:
    """Return what stands between cells, and the number of the last line before the names: blank
    ones, and a line `sep=;`.
    """
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if declared := re.fullmatch(r'"?sep=([,;\t])"?[\s,;]*', line, re.IGNORECASE):
            return declared[1], number
        if line.strip(f" \r\n{DELIMITERS}"):
            parts = {
                one: [name.strip(' "\r\n').lower() for name in line.split(one)]
                for one in DELIMITERS
            }
            return (
                next((one for one, names in parts.items() if set(needs) <= set(names)), ","),
                number - 1,
            )
    return ",", 0


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Return the cells of each line and the number of the line that it begins at."""
    raw: list[str] = []  # the lines that a row was read from

    def source() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            raw.append(line)
            yield line

    rows = csv.reader(source(), delimiter=delimiter, strict=True, skipinitialspace=True)
    whole = _whole(delimiter)
    number = 1
    while True:
        raw.clear()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as problem:
            raise _bad(number, _unreadable(str(problem))) from None
        if '"' in (row := "".join(raw)) and not whole.fullmatch(row):
            raise _bad(
                number,
                "There is a quote inside a cell. Put the whole cell in quotes, and write"
                ' "" for each quote in it.',
            )
        yield number, cells
        number = rows.line_num + 1


def _whole(delimiter: str) -> re.Pattern[str]:
    """Return the pattern of a row whose quotes enclose whole cells.

    Others leave in doubt which delimiters count.
    """
    cell = rf'(?>\x20*+"[^"]*+(?:""[^"]*+)*+"|[^"\r\n{delimiter}]*+)'
    return re.compile(rf"{cell}(?:{delimiter}{cell})*+[\r\n]*+")


def _unreadable(problem: str) -> str:
    if "field larger" in problem:
        return (
            f"A cell has more than {csv.field_size_limit():,} characters. Check for a"
            " quote that is not closed."
        )
    if "unexpected end" in problem:
        return 'A quote is not closed. Close it, or write "" for a quote inside a cell.'
    return (
        'Text follows a closing quote. Write "" for a quote inside a cell, and put the whole cell'
        " in quotes."
    )


def _names(cells: Sequence[str], columns: Columns) -> list[str]:
    names = [_name(cell) for cell in cells]
    if not set(columns.needs) <= set(names):
        why = (
            f"The first line must name the columns. Required: {', '.join(columns.needs)}."
            f" Optional: {', '.join(columns.optional)}."
        )
        raise Refused("missing_column", why, field="file")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise Refused(
            "duplicate_column",
            f"The column {twice[0][:50]!r} is named twice. Name each column once.",
            field="file",
        )
    known = {*columns.needs, *columns.optional, ""}
    if not columns.others and (unknown := set(names) - known):
        there = ", ".join((*columns.needs, *columns.optional))
        raise Refused(
            "unknown_column",
            f"The column {min(unknown)[:50]!r} is not known. Use {there}.",
            field="file",
        )
    return names


def _name(cell: str) -> str:
    """Return the name of a column as it looks: two names that look the same are the same."""
    shown = "".join(one for one in cell if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", shown).strip().lower()


def _check_quotes(
    number: int, line: dict[str, str], names: Sequence[str], delimiter: str, columns: Columns
) -> None:
    """Refuse a cell that may hold lines of the file, since a quote before them was not closed: they
    must not vanish in it.
    """
    for name, cell in line.items():
        inner = re.split(r"\r\n|\r|\n", cell)[1:]
        if inner and (
            name not in columns.texts
            or any(_looks_like_a_line(one, names, delimiter, columns.needs) for one in inner)
        ):
            raise _bad(
                number,
                f"The cell in the column {name!r} continues in the next line. Close its"
                " quote, or write it in one line.",
            )


def _looks_like_a_line(
    text: str, names: Sequence[str], delimiter: str, needs: Sequence[str]
) -> bool:
    """Tell whether a text has the cells that each line needs, with an address; the last cells of a
    line may be missing.
    """
    cells = text.split(delimiter)
    if not max(map(names.index, needs)) < len(cells) <= len(names):
        return False
    try:
        addresses.parse_typed(_unguarded(cells[names.index("address")].strip(' "')))
    except Refused:
        return False
    return True


def _bad(number: int, why: str, code: str = "bad_file") -> Refused:
    return Refused(code, f"Line {number}: {why}", field="file")


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────
def csv_line(cells: Sequence[str]) -> str:
    """Write one line.

    An apostrophe before whatever could be a formula makes it text; `read` takes it away again.
    """
    return ",".join(_quoted(_guarded(cell)) for cell in cells) + "\r\n"


def _guarded(cell: str) -> str:
    inner = _before_signs(cell, lambda separators: _SEPARATOR.sub(r"\1'", separators))
    return f"'{inner}" if _FORMULA.match(inner) else inner


def _before_signs(cell: str, change: Callable[[str], str]) -> str:
    """Change the separators inside a cell, and what follows each, that stand right before a
    formula's sign.
    """

    def changed(found: re.Match[str]) -> str:
        if not found[2]:
            return found[0]
        rest, last, blanks = found[1].rpartition(";")
        return rest + change(last + blanks) + found[2]

    return _INNER.sub(changed, cell)


def _quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"' if _QUOTED.search(cell) else cell


def _unguarded(cell: str) -> str:
    inner = cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
    return _before_signs(inner, lambda separators: _GUARDED.sub(r"\1", separators))
