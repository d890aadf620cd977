"""CSV files: read strictly in every form that spreadsheets write, and refused if ambiguous."""

from __future__ import annotations

import codecs
import csv
import io
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.messaging.contacts.csv_files import Columns, csv_line, read_csv

COLUMNS = Columns(("address",), ("channel", "why"), multiline=("why",), ignores_others=True)
FILE = "address,channel,why\r\n+13175557788,sms,By letter\r\n+491701234567,,\r\n"
LINES = [
    (2, {"address": "+13175557788", "channel": "sms", "why": "By letter"}),
    (3, {"address": "+491701234567", "channel": "", "why": ""}),
]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
ODD = st.text(st.sampled_from("=+-@＝＋－＠'\",;\t\r\n ab"), max_size=12) | TEXT


@pytest.mark.parametrize(
    "content",
    [
        FILE,
        FILE.encode(),
        codecs.BOM_UTF8 + FILE.encode(),
        codecs.BOM_UTF16_LE + FILE.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + FILE.encode("utf-16-be"),
        "\ufeff" + FILE,
        FILE.replace(",", ";"),
        FILE.replace(",", "\t"),
        FILE.replace("\r\n", "\n"),
        FILE.replace("\r\n", "\r"),
        FILE.replace("address,channel", "Address, CHANNEL "),
        FILE.replace("sms,By letter", '"sms", "By letter"'),
        FILE.replace("\r\n", ",,\r\n"),
        FILE.replace("+1", "'+1"),
        FILE.removesuffix("\r\n"),
        FILE.replace("+491701234567,,", "+491701234567"),
    ],
)
def test_file_is_read_in_every_form_that_spreadsheets_write(content: str | bytes) -> None:
    assert read_csv(content, COLUMNS) == LINES


@pytest.mark.parametrize("before", ["\r\n\r\n", "\n", ",,\r\n", "  \r\n"])
def test_blank_lines_are_ignored(before: str) -> None:
    lines = before.count("\n")
    assert read_csv(before + FILE, COLUMNS) == [(number + lines, line) for number, line in LINES]
    assert [line for _, line in read_csv(FILE.replace("\r\n+49", f"\r\n{before}+49"), COLUMNS)] == [
        line for _, line in LINES
    ]


def test_separator_declaration_of_spreadsheets_is_understood() -> None:
    assert [line for _, line in read_csv("sep=;\r\n" + FILE.replace(",", ";"), COLUMNS)] == [
        line for _, line in LINES
    ]


@pytest.mark.parametrize(
    ("content", "because"),
    [
        ('address,why\n+13175557788,"asked\n+13175557789,x\n', "Line 2: A quote is not closed"),
        (
            'address,why\n+13175557788,"asked\n+13175557789,x\n+13175557790,said "\n',
            "Line 2: The cell in the column “why” continues",
        ),
        (
            'address,why\n"+13175557788,asked\n+13175557789,x"\n',
            "Line 2: The cell in the column “address” continues",
        ),
        ('address,why\n+13175557788,"asked" twice\n', "Line 2: Text follows a closing quote"),
        ("address,why\n+13175557788,asked\n+13175557789,a,b\n", "Line 3: It has more cells"),
        ("address;why\n+13175557788;a;b\n", "Line 2: It has more cells"),
        ("address,why,Why\n+13175557788,a,b\n", "“why” appears twice"),
        ("address,address\n+1,+2\n", "“address” appears twice"),
        ("number,why\n+13175557788,a\n", "must name the columns"),
        ("", "must name the columns"),
        ("\n\n", "must name the columns"),
        (b"address\n+13175557788\n\xff\xfe\n", "Line 3: It contains bytes that are not text"),
        (b"address,why\n+13175557788,M\xfcller\n", "Line 2: It contains bytes that are not text"),
        (FILE.encode("utf-16-le"), "Line 1: It contains NUL characters"),
        (codecs.BOM_UTF16_LE + b"a", "Line 1: It contains bytes"),
        ("address\n+1317\0\n", "Line 2: It contains NUL"),
        (f"address,why\n+13175557788,{'x' * 200_000}\n", "Line 2: A cell has more than"),
        (f'address,why\n+13175557788,"{"x" * 200_000}\n', "Line 2: A cell has more than"),
    ],
)
def test_ambiguous_value_is_refused_with_its_line(content: str | bytes, because: str) -> None:
    with pytest.raises(Refused) as refused:
        read_csv(content, COLUMNS)
    assert because in str(refused.value)
    assert refused.value.field == "file"


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"address,why\n" + tail))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        lines = read_csv(content, COLUMNS)
    except Refused:
        return
    assert all("address" in line for _, line in lines)


@given(st.lists(st.lists(ODD, min_size=3, max_size=3), max_size=5))
def test_stored_value_is_read_unchanged(rows: list[list[str]]) -> None:
    columns = Columns(("address", "why", "proof"), (), multiline=("address", "why", "proof"))
    content = csv_line(["address", "why", "proof"]) + "".join(map(csv_line, rows))
    assert [list(line.values()) for _, line in read_csv(content.encode(), columns)] == [
        row for row in rows if any(row)
    ]


INVISIBLE = "\u00ad\u200b\u200d\u200e\u2060\u2066\ufeff"
HOSTILE = st.text(st.sampled_from("=+-@＝＋－＠−;\t\r\n,'\" x" + INVISIBLE), max_size=12)


@given(st.lists(HOSTILE, min_size=2, max_size=2), st.sampled_from(",;\t"))
@example(["x;=1", "x"], ";")
@example(['x;"=1"', "x"], ";")
@example(["x\n=1", "x"], ";")
@example(["\u200b=1", "x"], ",")
@example(["−1", "x"], ",")
def test_no_cell_begins_like_a_formula_with_any_separator(cells: list[str], delimiter: str) -> None:
    written = csv_line(cells)
    for row in csv.reader(io.StringIO(written, newline=""), delimiter=delimiter):
        for cell in row:
            begins = cell.lstrip(' \u00a0\t\r\n"' + INVISIBLE)
            assert not begins.startswith(tuple("=+-@＝＋－＠−")), (written, cell)
    [line] = read_csv("address,why\n" + csv_line(["+13175557788", cells[0]]), COLUMNS)
    assert line[1]["why"] == cells[0]


def test_long_cell_is_written_in_time() -> None:
    begun = time.monotonic()
    csv_line(["\t" * 50_000 + "x", ";" * 50_000 + "x"])
    assert time.monotonic() - begun < 1


@example(" \r")
@example("'\u200b\t=1")
@given(ODD)
def test_no_cell_begins_like_a_formula(cell: str) -> None:
    [[first, _]] = csv.reader(io.StringIO(csv_line([cell, "x"]), newline=""), strict=True)
    assert not first.lstrip(" \u00a0").startswith(tuple("=+-@\t\r\n＝＋－＠"))
    assert first.replace("'", "") == cell.replace("'", "")
