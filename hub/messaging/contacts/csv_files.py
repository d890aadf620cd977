"""Read and write CSV files of contacts, without ambiguity and without formulas.

A file that can be read in two ways is rejected as a whole, with the line at fault. Accepted are the
forms that spreadsheets write: UTF-8 with or without a byte order mark, or UTF-16; commas,
semicolons or tabs; any line endings.
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
from hub.core.quotes import quoted
from hub.db.store import is_retryable, transaction
from hub.lib import addresses
from hub.shared import audit

Line = tuple[int, dict[str, str]]  # line number in the file, from 1; cells by column

YES = ("yes", "true", "1", "y")
NO = ("no", "false", "0", "n")
MAX_LINES = 100_000
AT_ONCE = 100  # lines per transaction, so that other writers get their turn
DELIMITERS = ",;\t"
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A spreadsheet may treat a cell as a formula if it begins with one of these signs, in any width,
# after spaces, quotes, invisible characters and control characters.
# https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS = "=＝﹦⁼₌+＋﹢⁺₊\\-－﹣−⁻₋@＠﹫"
_SKIPPED = "\\s'\"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_FORMULA = re.compile(rf"[{_SKIPPED}]*[{_SIGNS}\t\r\n]")
# a program that splits at other separators than commas begins a cell after each of these
_SEPARATED_SIGN = re.compile(rf"([;{_SKIPPED}]+)([{_SIGNS}])?")
_SEPARATOR = re.compile("([;\t\r\n])")
_GUARDED = re.compile("([;\t\r\n])'")
_QUOTED = re.compile(r'[",;\t\r\n]|^\s|\s$')


@dataclass
class ImportReport:
    """The outcome of an import: how many lines were stored, and how many were stored before.

    `refused` holds the number of each rejected line and the reason.
    """

    stored: int = 0
    duplicates: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Columns:
    """The required and optional columns of a file, and those that may hold several lines of text.

    With `ignores_others`, the file may have more columns, which are not read. `check` rejects lines
    that contradict each other.
    """

    required: Sequence[str]
    optional: Sequence[str]
    multiline: Collection[str] = ()
    ignores_others: bool = False
    check: Callable[[Sequence[Line]], None] = lambda _: None


def import_lines(
    content: str | bytes,
    store_line: Callable[[dict[str, str]], bool],
    *,
    columns: Columns,
    action: str,
) -> ImportReport:
    """Store each line of a CSV file with `store_line`, in several transactions.

    `store_line` returns False for a line that was stored before, and raises Refused for an invalid
    line. Raises Refused before anything is stored if the file is unreadable or ambiguous.
    """
    all_lines = read_csv(content, columns)
    columns.check(all_lines)
    lines = iter(all_lines)
    report = ImportReport()
    while batch := list(islice(lines, AT_ONCE)):
        try:
            # each batch has its own report, because its transaction may run again
            part = _store_batch(batch, store_line)
        except SQLAlchemyError as error:
            if is_retryable(error):
                raise
            first_number = batch[0][0]
            reason = (
                f"The database failed. Nothing from line {first_number} on was imported. Import"
                " those lines again."
            )
            report.refused.append((first_number, reason))
            break
        report.stored += part.stored
        report.duplicates += part.duplicates
        report.refused += part.refused
    _record_import(action, report)
    return report


@transaction
def _store_batch(
    lines: Sequence[Line], store_line: Callable[[dict[str, str]], bool]
) -> ImportReport:
    part = ImportReport()
    for number, line in lines:
        try:
            if store_line(line):
                part.stored += 1
            else:
                part.duplicates += 1
        except Refused as refusal:
            part.refused.append(
                (number, f"{refusal.field}: {refusal}" if refusal.field else str(refusal))
            )
    return part


@transaction
def _record_import(action: str, report: ImportReport) -> None:
    # one audit entry per file, not per line
    audit.record(action, action.partition(".")[0], kept=report.stored, refused=len(report.refused))


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def read_csv(content: str | bytes, columns: Columns) -> list[Line]:
    """Return the lines of a CSV file, except blank ones.

    Raises Refused that names the line and the remedy.
    """
    text = _decode(content).removeprefix("\ufeff")
    delimiter, skipped = _find_delimiter(text, columns.required)
    rows = _read_rows(text, delimiter)
    header = next((row for row in rows if row[0] > skipped and any(row[1])), (1, []))
    names = _column_names(header[1], columns)
    empty = dict.fromkeys([*columns.required, *columns.optional], "")
    lines: list[Line] = []
    for number, cells in rows:
        if not any(cells):
            continue
        if len(lines) == MAX_LINES:
            raise _bad_line(
                number,
                f"The file has more than {MAX_LINES:,} lines. Import it in parts.",
                "too_many_lines",
            )
        if not columns.ignores_others and any(
            cell and not name for cell, name in zip(cells, names, strict=False)
        ):
            raise _bad_line(
                number,
                "It has a value in a column without a name. Name the column in the first line.",
            )
        if any(cells[len(names) :]):
            raise _bad_line(
                number,
                f"It has more cells than the first line, which has {len(names)}. Put cells"
                f" that contain {quoted(delimiter)} in quotes.",
            )
        line = {
            name: _unescape_formula(cell) for name, cell in zip(names, cells, strict=False) if name
        }
        _check_quotes(number, line, names, delimiter, columns)
        lines.append((number, empty | line))
    return lines


def _decode(content: str | bytes) -> str:
    if isinstance(content, bytes):
        encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            number = content[: error.start].decode(encoding, "replace").count("\n") + 1
            raise _bad_line(
                number,
                "It contains bytes that are not text. Save the file as CSV UTF-8.",
                "not_text",
            ) from None
    else:
        text = content
    if "\0" in text:
        number = text[: text.index("\0")].count("\n") + 1
        raise _bad_line(
            number, "It contains NUL characters. Save the file as CSV UTF-8.", "not_text"
        )
    return text


def _find_delimiter(text: str, required: Sequence[str]) -> tuple[str, int]:
    """Return the delimiter of cells, and the number of the last line before the column names.

    Blank lines and a line `sep=;` may come before the names.
    """
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if declared := re.fullmatch(r'"?sep=([,;\t])"?[\s,;]*', line, re.IGNORECASE):
            return declared[1], number
        if line.strip(f" \r\n{DELIMITERS}"):
            for delimiter in DELIMITERS:
                names = {name.strip(' "\r\n').lower() for name in line.split(delimiter)}
                if names.issuperset(required):
                    return delimiter, number - 1
            return ",", number - 1
    return ",", 0


def _read_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Return the cells of each row, and the number of the line where the row begins."""
    raw_lines: list[str] = []  # the lines that a row was read from

    def source() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            raw_lines.append(line)
            yield line

    rows = csv.reader(source(), delimiter=delimiter, strict=True, skipinitialspace=True)
    pattern = _row_pattern(delimiter)
    number = 1
    while True:
        raw_lines.clear()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise _bad_line(number, _describe_csv_error(str(error))) from None
        if '"' in (raw_row := "".join(raw_lines)) and not pattern.fullmatch(raw_row):
            raise _bad_line(
                number,
                "There is a quote inside a cell. Put the whole cell in quotes, and write"
                ' "" for each quote in it.',
            )
        yield number, cells
        number = rows.line_num + 1


def _row_pattern(delimiter: str) -> re.Pattern[str]:
    """Return the pattern of a row whose quotes enclose whole cells.

    In other rows it is unclear which delimiters separate cells.
    """
    cell = rf'(?>\x20*+"[^"]*+(?:""[^"]*+)*+"|[^"\r\n{delimiter}]*+)'
    return re.compile(rf"{cell}(?:{delimiter}{cell})*+[\r\n]*+")


def _describe_csv_error(problem: str) -> str:
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


def _column_names(cells: Sequence[str], columns: Columns) -> list[str]:
    names = [_normalize_name(cell) for cell in cells]
    if not set(columns.required) <= set(names):
        problem = (
            f"The first line must name the columns. Required: {', '.join(columns.required)}."
            f" Optional: {', '.join(columns.optional)}."
        )
        raise Refused("missing_column", problem, field="file")
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise Refused(
            "duplicate_column",
            f"The column {quoted(repeated[0][:50])} appears twice. Use each column name once.",
            field="file",
        )
    known = {*columns.required, *columns.optional, ""}
    if not columns.ignores_others and (unknown := set(names) - known):
        raise Refused(
            "unknown_column",
            f"The column {quoted(min(unknown)[:50])} does not exist. Use"
            f" {', '.join((*columns.required, *columns.optional))}.",
            field="file",
        )
    return names


def _normalize_name(cell: str) -> str:
    """Return the normal form of a column's name, in which names that look equal are equal."""
    shown = "".join(char for char in cell if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", shown).strip().lower()


def _check_quotes(
    number: int, line: dict[str, str], names: Sequence[str], delimiter: str, columns: Columns
) -> None:
    """Reject a cell that may have swallowed lines of the file, because its quote was not closed."""
    for name, cell in line.items():
        inner = re.split(r"\r\n|\r|\n", cell)[1:]
        if inner and (
            name not in columns.multiline
            or any(_looks_like_line(text, names, delimiter, columns.required) for text in inner)
        ):
            raise _bad_line(
                number,
                f"The cell in the column {quoted(name)} continues in the next line. Close its"
                " quote, or write it in one line.",
            )


def _looks_like_line(
    text: str, names: Sequence[str], delimiter: str, required: Sequence[str]
) -> bool:
    """Return whether text has the required cells of a line, and an address.

    The last cells of a line may be missing.
    """
    cells = text.split(delimiter)
    if not max(map(names.index, required)) < len(cells) <= len(names):
        return False
    try:
        addresses.parse_typed(_unescape_formula(cells[names.index("address")].strip(' "')))
    except Refused:
        return False
    return True


def _bad_line(number: int, problem: str, code: str = "bad_file") -> Refused:
    return Refused(code, f"Line {number}: {problem}", field="file")


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────
def csv_line(cells: Sequence[str]) -> str:
    """Return one line of a CSV file.

    An apostrophe before a possible formula makes it text; `read_csv` removes it again.
    """
    return ",".join(_quote(_escape_formula(cell)) for cell in cells) + "\r\n"


def _escape_formula(cell: str) -> str:
    inner = _change_before_signs(cell, lambda separators: _SEPARATOR.sub(r"\1'", separators))
    return f"'{inner}" if _FORMULA.match(inner) else inner


def _change_before_signs(cell: str, change: Callable[[str], str]) -> str:
    """Apply `change` to the separators, and the spaces after them, before a formula's sign."""

    def replacement(match: re.Match[str]) -> str:
        separators, sign = match.groups()
        if not sign:
            return separators
        rest, last, blanks = separators.rpartition(";")
        return rest + change(last + blanks) + sign

    return _SEPARATED_SIGN.sub(replacement, cell)


def _quote(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"' if _QUOTED.search(cell) else cell


def _unescape_formula(cell: str) -> str:
    inner = cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
    return _change_before_signs(inner, lambda separators: _GUARDED.sub(r"\1", separators))
