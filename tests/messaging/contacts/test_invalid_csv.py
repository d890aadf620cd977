"""Files that an import refuses, and the line that the error names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.contacts import consents, opt_out_files, suppressions
from hub.models import Contact
from tests.hub_fixtures import ERIC
from tests.messaging.contacts.csv_people import AGAIN, ODD, stored_consents, stored_opt_outs
from tests.messaging.contacts.csv_people import empty_tables as empty_tables

MODULES = pytest.mark.parametrize(
    "import_file", [opt_out_files.import_opt_outs, consents.import_consents]
)


@MODULES
@AGAIN
@given(
    tail=st.binary(max_size=200) | ODD.map(str.encode),
    header=st.sampled_from([b"", b"address,given\n", b"Address;given;why\r"]),
)
def test_any_file_is_imported_or_refused(
    empty_tables: Callable[[], None], import_file: Any, header: bytes, tail: bytes
) -> None:
    try:
        report = import_file(header + tail, test=True)
    except Refused:
        return
    assert all(number > 0 and reason for number, reason in report.refused)


@pytest.mark.parametrize("size", [1_000, 100_000, 140_000])
@pytest.mark.parametrize("column", [*consents.COLUMNS, *opt_out_files.COLUMNS])
def test_oversized_cell_is_refused_with_its_line(hub_demo: Flask, column: str, size: int) -> None:
    for import_file, names in (
        (opt_out_files.import_opt_outs, opt_out_files.COLUMNS),
        (consents.import_consents, consents.COLUMNS),
    ):
        line = dict.fromkeys(names, "") | {"address": ERIC, "given": "yes"} | {column: "9" * size}
        file = f"{','.join(names)}\n{','.join(line[name] for name in names)}\n"
        try:
            report = import_file(file, test=True)
        except Refused as refusal:
            assert "Line 2" in str(refusal) or size < 100_000, str(refusal)  # noqa: PT017
            continue
        assert (
            report.stored + report.duplicates == 0
            or column not in names
            or column in ("reason", "proof")
        ), (import_file, column)
        assert all(number == 2 and len(reason) < 1_000 for number, reason in report.refused)


@MODULES
def test_refused_file_stores_nothing(hub_demo: Flask, import_file: Any) -> None:
    lines = "".join(f"+1317555{n:04d},no,ok\n" for n in range(300))
    with pytest.raises(Refused, match="Line 302"):
        import_file(f'address,given,proof\n{lines}{ERIC},no,"open\n', test=True)
    assert (stored_opt_outs(), stored_consents()) == ([], [])


def test_open_quote_does_not_hide_people(hub_demo: Flask) -> None:
    file = (
        f'address,given,proof\n{ERIC},yes,"asked\n'
        '+13175557701,no,x\n+13175557702,no,x\n+13175557703,no,said "\n'
    )
    with pytest.raises(Refused, match="Line 2: The cell in the column “proof” continues"):
        consents.import_consents(file, test=True)


@pytest.mark.parametrize("last", [f'{ERIC}"', f'"{ERIC}"', '"'])
@pytest.mark.parametrize(
    "swallowed", ["+13175557701", "ann@acme.com", "+1 (317) 555-7702", "+13175557703,sms"]
)
def test_open_quote_does_not_hide_short_lines(hub_demo: Flask, swallowed: str, last: str) -> None:
    with pytest.raises(Refused, match=r"Line (2|4)"):
        opt_out_files.import_opt_outs(
            f'address,channel,why\n{ERIC},sms,"asked\n{swallowed}\n{last}\n', test=True
        )
    with pytest.raises(Refused, match="Line 2"):
        consents.import_consents(
            f'address,given,purpose,proof\n{ERIC},no,,"asked\n{swallowed.split(",")[0]},no\nx"\n',
            test=True,
        )
    assert (stored_opt_outs(), stored_consents()) == ([], [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("cell", ['5" screen', 'he said "a|b"', 'x "or| y', '\u00a0"a|b"', 'a""b'])
def test_quote_inside_a_cell_is_refused(hub_demo: Flask, cell: str, delimiter: str) -> None:
    names = ["address", "purpose", "proof", "given"]
    cells = [ERIC, cell.replace("|", delimiter), "yes", "no"]
    with pytest.raises(Refused, match=r'Line 3: There is a quote inside a cell\..* write ""'):
        consents.import_consents(
            "\n".join([delimiter.join(names), "", delimiter.join(cells)]), test=True
        )
    right = [ERIC, f'"{cells[1].replace(chr(34), chr(34) * 2)}"', ' "yes"', "no"]
    assert (
        consents.import_consents(
            "\n".join([delimiter.join(names), "", delimiter.join(right)]), test=True
        ).stored
        == 1
    )


def test_cell_without_a_column_is_refused(hub_demo: Flask) -> None:
    with pytest.raises(Refused, match="Line 2: It has a value in a column without a name"):
        consents.import_consents(f"address,given,\n{ERIC},yes,sms\n", test=True)
    assert consents.import_consents(f"address,given,,\n{ERIC},yes,,\n", test=True).stored == 1
    assert opt_out_files.import_opt_outs(f",address\n0,{ERIC}\n", test=True).stored == 1, (
        "lists from elsewhere have other columns"
    )


@pytest.mark.parametrize(
    "name", ["Channel", " channel\u00a0", "channel\u200b", "\ufeffchannel", "ｃhannel", '"channel"']
)
def test_column_names_that_look_equal_are_one_column(hub_demo: Flask, name: str) -> None:
    with pytest.raises(Refused, match="“channel” appears twice"):
        opt_out_files.import_opt_outs(f"address,channel,{name}\n{ERIC},sms,whatsapp\n", test=True)
    assert opt_out_files.import_opt_outs(f"address,{name}\n{ERIC},sms\n", test=True).stored == 1
    assert [row[2] for row in stored_opt_outs()] == ["sms"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("+5215512345678,no,", "+525512345678,yes,"),
        ("Ann@Acme.com,yes,", "ann@acme.com,NO,sms"),
        (f"{ERIC},yes,sms", f"{ERIC},0,"),
    ],
)
def test_file_with_conflicting_consents_of_one_person_is_refused(
    hub_demo: Flask, first: str, second: str
) -> None:
    with pytest.raises(Refused, match="Line 4: This line contradicts line 2"):
        consents.import_consents(
            f"address,given,channel\n{first}\n+13175557709,yes,\n{second}\n", test=True
        )
    assert stored_consents() == []
    times = ("2026-01-01", "2026-01-02")
    file = f"address,given,channel,at\n{first},{times[0]}\n{second},{times[1]}\n"
    assert consents.import_consents(file, test=True).stored == 2


def test_consents_for_different_channels_do_not_conflict(hub_demo: Flask) -> None:
    file = f"address,given,channel\n{ERIC},yes,sms\n{ERIC},no,whatsapp\n{ERIC},yes,sms\n"
    assert consents.import_consents(file, test=True).stored == 3


def test_repeated_column_never_records_the_opposite(hub_demo: Flask) -> None:
    with pytest.raises(Refused, match="“given” appears twice"):
        consents.import_consents(f"address,given,Given\n{ERIC},no,yes\n", test=True)


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b",
        "@acme.com",
        "a@acme..com",
        "a b@acme.com",
        "+1",
        "=1+1",
        "12",
        "a@b@acme.com",
    ],
)
def test_address_must_be_a_number_or_a_valid_email_address(hub_demo: Flask, address: str) -> None:
    report = opt_out_files.import_opt_outs(f"address\n{address}\n", test=True)
    assert [number for number, _ in report.refused] == [2]
    assert "address: " in report.refused[0][1]
    with pytest.raises(Refused):
        suppressions.add_opt_out(address, test=True)


@MODULES
def test_numbers_are_read_in_common_notations(hub_demo: Flask, import_file: Any) -> None:
    report = import_file(
        'address;given\n"+1 (317) 555-7788";no\n0049 170 1234567;no\n+5215512345678;no\n', test=True
    )
    assert (report.stored, report.refused) == (3, [])
    db.session.rollback()
    assert set(db.session.scalars(select(Contact.address))) == {
        "+13175557788",
        "+491701234567",
        "+525512345678",
    }


def test_time_in_the_future_or_of_no_calendar_is_refused(hub_demo: Flask) -> None:
    late = (now() + timedelta(days=1)).isoformat()
    file = f"address,since\n{ERIC},{late}\n{ERIC},0001-01-01T00:00:00+14:00\n{ERIC},soon\n"
    assert [number for number, _ in opt_out_files.import_opt_outs(file, test=True).refused] == [
        2,
        3,
        4,
    ]
