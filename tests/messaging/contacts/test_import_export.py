"""Exports of opt-outs and consents can be imported again, with the same result; an import never
half understands a file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from hub.core.errors import Refused
from hub.core.vocabulary import Address, Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.lib.text import one_line
from hub.messaging.contacts import consents, opt_out_files, suppressions
from hub.messaging.contacts.contacts import contact_for
from hub.models import Connection, Consent, Contact, Source, Suppression
from tests.hub_fixtures import ERIC

MODULES = pytest.mark.parametrize(
    "import_file", [opt_out_files.import_opt_outs, consents.import_consents]
)
STORABLE = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
ODD = st.text(st.sampled_from("=+-@＝＋－＠'\",;\t\r\n a"), max_size=20) | st.text(
    STORABLE, max_size=20
)
PHONES = st.sampled_from(
    [
        "+13175557788",
        "+525512345678",
        "+491701234567",
        "+390612345678",
        "+2250708091011",
        "+15551234567",
    ]
)
EMAILS = st.sampled_from(
    [
        "o'hara+sign@mail.acme.com",
        "-dash@acme.com",
        "=formula@acme.com",
        "müller@bücher.de",
        "a/b@acme.com",
    ]
)
OTHERS = st.tuples(
    st.sampled_from([Address.CHAT, Address.EXTERNAL]),
    st.sampled_from(["-100123", "4711", "=1+1", "US.13491208655302"]),
)
PEOPLE = (
    PHONES.map(lambda text: (Address.PHONE, text))
    | EMAILS.map(lambda text: (Address.EMAIL, text))
    | OTHERS
)
TIMES = st.datetimes(datetime(2001, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds it
CHANNELS = st.sampled_from(["", *(channel.value for channel in Channel)])
CLOSED = st.fixed_dictionaries(
    {
        "channel": CHANNELS,
        "reason": st.sampled_from(suppressions.REASONS),
        "why": ODD,
        "since": TIMES,
        "sender": st.sampled_from(["", "+13175550100", "whatsapp:+13175550100"]),
        "code": st.sampled_from(["", "21610"]),
        "app": st.booleans(),
    }
)
SAID = st.fixed_dictionaries(
    {
        "channel": CHANNELS,
        "purpose": ODD,
        "given": st.booleans(),
        "source": st.sampled_from(consents.SOURCES),
        "at": TIMES,
        "ip": st.sampled_from(["", "203.0.113.7", "2001:db8::1"]),
        "agent": ODD,
        "proof": ODD,
        "app": st.booleans(),
    }
)
AGAIN = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def emptied(hub_demo: Flask) -> Callable[[], None]:
    @transaction
    def empty() -> None:
        for model in (Consent, Suppression, Contact):
            db.session.execute(delete(model))

    return empty


def closed() -> list[Any]:
    db.session.rollback()
    found = [
        (suppressions.with_addresses([row])[0], row)
        for row in db.session.scalars(select(Suppression))
    ]
    return sorted(
        (
            str(one.kind),
            one.address,
            row.channel,
            row.sender,
            row.reason,
            row.code,
            one_line(row.why),
            row.since,
            str(row.source_id),
        )
        for one, row in found
    )


def said() -> list[Any]:
    db.session.rollback()
    rows = db.session.execute(
        select(Consent, Contact).join(Contact, Contact.id == Consent.contact_id)
    )
    return sorted(
        (
            one.kind,
            one.address,
            row.channel,
            row.purpose,
            row.given,
            row.source,
            row.at,
            row.ip,
            row.agent,
            str(row.proof or ""),
            str(row.source_id),
        )
        for row, one in rows
    )


def app_id(asked: bool) -> str | None:
    return db.session.scalars(select(Source.id)).first() if asked else None


@transaction
def close(person: tuple[Address, str], app: bool, channel: str, sender: str, **more: Any) -> None:
    key = contact_for(*person, test=False).address_key
    same = (
        Suppression.address_key == key,
        Suppression.channel == channel,
        Suppression.sender == sender,
    )
    if not db.session.scalar(select(Suppression.id).where(*same)):
        db.session.add(
            Suppression(
                address_key=key,
                channel=channel,
                sender=sender,
                test=False,
                source_id=app_id(app),
                **more,
            )
        )


@transaction
def say(person: tuple[Address, str], app: bool, proof: str, **more: Any) -> None:
    row = Consent(contact_id=contact_for(*person, test=False).id, source_id=app_id(app), **more)
    row.proof = proof or None
    db.session.add(row)


@AGAIN
@given(rows=st.lists(st.tuples(PEOPLE, CLOSED), max_size=6))
def test_exported_opt_outs_come_back_as_they_were(
    emptied: Callable[[], None], rows: list[Any]
) -> None:
    emptied()
    for person, row in rows:
        close(person, **row)
    before = closed()
    file = "".join(opt_out_files.export_opt_outs(test=False)).encode()
    assert opt_out_files.import_opt_outs(file, test=False).known == len(before), (
        "what is there stays as it is"
    )
    assert closed() == before
    emptied()
    report = opt_out_files.import_opt_outs(file, test=False)
    assert (report.kept, report.refused) == (len(before), [])
    assert closed() == before


def test_an_opt_out_of_a_connection_of_another_hub_holds_for_the_channel(hub_demo: Flask) -> None:
    mine = db.session.scalars(select(Connection.id)).first()
    file = (
        "address,channel,sender\r\n"
        f"+13175550001,chat,{new_id('con')}\r\n"
        f"+13175550002,chat,{mine}\r\n"
        "+13175550003,sms,+15005550006\r\n"
    )
    assert opt_out_files.import_opt_outs(file, test=True).kept == 3
    assert {row.sender for row in db.session.scalars(select(Suppression))} == {
        "",
        mine,
        "+15005550006",
    }


@AGAIN
@given(rows=st.lists(st.tuples(PEOPLE, SAID), max_size=6, unique_by=lambda one: one[1]["at"]))
def test_exported_consents_come_back_as_they_were(
    emptied: Callable[[], None], rows: list[Any]
) -> None:
    emptied()
    for person, row in rows:
        say(person, **row)
    before = said()
    file = "".join(consents.export_consents(test=False)).encode()
    assert consents.import_consents(file, test=False).known == len(before), (
        "the ledger does not grow by what it holds"
    )
    emptied()
    report = consents.import_consents(file, test=False)
    assert (report.kept, report.refused) == (len(before), [])
    assert said() == before


@MODULES
@AGAIN
@given(
    tail=st.binary(max_size=200) | ODD.map(str.encode),
    header=st.sampled_from([b"", b"address,given\n", b"Address;given;why\r"]),
)
def test_no_file_fails_in_another_way_than_with_a_refusal(
    emptied: Callable[[], None], import_file: Any, header: bytes, tail: bytes
) -> None:
    try:
        report = import_file(header + tail, test=True)
    except Refused:
        return
    assert all(number > 0 and why for number, why in report.refused)


@pytest.mark.parametrize("size", [1_000, 100_000, 140_000])
@pytest.mark.parametrize("column", [*consents.COLUMNS, *opt_out_files.COLUMNS])
def test_a_cell_of_any_size_is_refused_with_its_line(
    hub_demo: Flask, column: str, size: int
) -> None:
    for import_file, names in (
        (opt_out_files.import_opt_outs, opt_out_files.COLUMNS),
        (consents.import_consents, consents.COLUMNS),
    ):
        line = dict.fromkeys(names, "") | {"address": ERIC, "given": "yes"} | {column: "9" * size}
        file = f"{','.join(names)}\n{','.join(line[name] for name in names)}\n"
        try:
            report = import_file(file, test=True)
        except Refused as refusal:
            assert "Line 2" in str(refusal) or size < 100_000, str(refusal)  # noqa: PT017 - either way is right
            continue
        assert (
            report.kept + report.known == 0 or column not in names or column in ("reason", "proof")
        ), (import_file, column)
        assert all(number == 2 and len(why) < 1_000 for number, why in report.refused)


@MODULES
def test_a_file_that_is_refused_stores_nothing(hub_demo: Flask, import_file: Any) -> None:
    lines = "".join(f"+1317555{n:04d},no,ok\n" for n in range(300))
    with pytest.raises(Refused, match="Line 302"):
        import_file(f'address,given,proof\n{lines}{ERIC},no,"open\n', test=True)
    assert (closed(), said()) == ([], [])


def test_an_open_quote_never_swallows_people(hub_demo: Flask) -> None:
    file = (
        f'address,given,proof\n{ERIC},yes,"asked\n'
        '+13175557701,no,x\n+13175557702,no,x\n+13175557703,no,said "\n'
    )
    with pytest.raises(Refused, match="Line 2: The cell in the column 'proof' continues"):
        consents.import_consents(file, test=True)


@pytest.mark.parametrize("last", [f'{ERIC}"', f'"{ERIC}"', '"'])
@pytest.mark.parametrize(
    "swallowed", ["+13175557701", "ann@acme.com", "+1 (317) 555-7702", "+13175557703,sms"]
)
def test_an_open_quote_swallows_no_short_lines(hub_demo: Flask, swallowed: str, last: str) -> None:
    with pytest.raises(Refused, match=r"Line (2|4)"):
        opt_out_files.import_opt_outs(
            f'address,channel,why\n{ERIC},sms,"asked\n{swallowed}\n{last}\n', test=True
        )
    with pytest.raises(Refused, match="Line 2"):
        consents.import_consents(
            f'address,given,purpose,proof\n{ERIC},no,,"asked\n{swallowed.split(",")[0]},no\nx"\n',
            test=True,
        )
    assert (closed(), said()) == ([], [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("cell", ['5" screen', 'he said "a|b"', 'x "or| y', '\u00a0"a|b"', 'a""b'])
def test_a_quote_inside_a_cell_is_refused(hub_demo: Flask, cell: str, delimiter: str) -> None:
    names = ["address", "purpose", "proof", "given"]
    cells = [ERIC, cell.replace("|", delimiter), "yes", "no"]
    with pytest.raises(Refused, match=r'Line 3: A quote stands inside a cell\..* write ""'):
        consents.import_consents(
            "\n".join([delimiter.join(names), "", delimiter.join(cells)]), test=True
        )
    right = [ERIC, f'"{cells[1].replace(chr(34), chr(34) * 2)}"', ' "yes"', "no"]
    assert (
        consents.import_consents(
            "\n".join([delimiter.join(names), "", delimiter.join(right)]), test=True
        ).kept
        == 1
    )


def test_a_cell_without_a_column_is_not_left_out(hub_demo: Flask) -> None:
    with pytest.raises(Refused, match="Line 2: It has a value in a column without a name"):
        consents.import_consents(f"address,given,\n{ERIC},yes,sms\n", test=True)
    assert consents.import_consents(f"address,given,,\n{ERIC},yes,,\n", test=True).kept == 1
    assert opt_out_files.import_opt_outs(f",address\n0,{ERIC}\n", test=True).kept == 1, (
        "lists from elsewhere have other columns"
    )


@pytest.mark.parametrize(
    "name", ["Channel", " channel\u00a0", "channel\u200b", "\ufeffchannel", "ｃhannel", '"channel"']
)
def test_names_that_look_the_same_are_one_column(hub_demo: Flask, name: str) -> None:
    with pytest.raises(Refused, match="'channel' is named twice"):
        opt_out_files.import_opt_outs(f"address,channel,{name}\n{ERIC},sms,whatsapp\n", test=True)
    assert opt_out_files.import_opt_outs(f"address,{name}\n{ERIC},sms\n", test=True).kept == 1
    assert [row[2] for row in closed()] == ["sms"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("+5215512345678,no,", "+525512345678,yes,"),
        ("Ann@Acme.com,yes,", "ann@acme.com,NO,sms"),
        (f"{ERIC},yes,sms", f"{ERIC},0,"),
    ],
)
def test_a_file_that_says_yes_and_no_of_one_person_is_refused(
    hub_demo: Flask, first: str, second: str
) -> None:
    with pytest.raises(Refused, match="Line 4: It contradicts line 2 about the same person"):
        consents.import_consents(
            f"address,given,channel\n{first}\n+13175557709,yes,\n{second}\n", test=True
        )
    assert said() == []
    times = ("2026-01-01", "2026-01-02")
    file = f"address,given,channel,at\n{first},{times[0]}\n{second},{times[1]}\n"
    assert consents.import_consents(file, test=True).kept == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"),
        ("2026-01-01", "2025-12-31T18:30:00-05:30"),
    ],
)
def test_yes_and_no_at_the_same_moment_are_refused(
    hub_demo: Flask, first: str, second: str
) -> None:
    file = f"address,given,at\n{ERIC},no,{first}\n{ERIC},yes,{second}\n"
    with pytest.raises(Refused, match="Line 3: It says the opposite of line 2"):
        consents.import_consents(file, test=True)
    assert said() == []


def test_an_exported_yes_and_no_at_the_same_moment_keep_their_order(
    emptied: Callable[[], None],
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for answer in (True, False):
        consents.record_consent(
            consents.ConsentEntry(ERIC, answer, at=at), source=consents.BY_API, test=True
        )
    file = "".join(consents.export_consents(test=True))
    emptied()
    assert consents.import_consents(file, test=True).kept == 2
    in_order = select(Consent.given).order_by(Consent.id)
    assert db.session.scalars(in_order).all() == [True, False]


@pytest.mark.parametrize(
    ("column", "cell", "why"),
    [
        ("given", "yes", "It holds a consent"),
        ("Given", "1", "It holds a consent"),
        ("given", "?", "It holds a consent"),
        ("Lifted_At", "2026-01-01", "was lifted"),
    ],
)
def test_a_file_with_other_lines_opts_nobody_out(
    hub_demo: Flask, column: str, cell: str, why: str
) -> None:
    file = f"address,{column}\n+13175557708,\n{ERIC},{cell}\n"
    with pytest.raises(Refused, match=f"Line 3: .*{why}"):
        opt_out_files.import_opt_outs(file, test=True)
    assert db.session.scalars(select(Suppression)).all() == []


def test_yes_and_no_about_different_channels_agree(hub_demo: Flask) -> None:
    file = f"address,given,channel\n{ERIC},yes,sms\n{ERIC},no,whatsapp\n{ERIC},yes,sms\n"
    assert consents.import_consents(file, test=True).kept == 3


def test_a_column_named_twice_never_records_the_opposite(hub_demo: Flask) -> None:
    with pytest.raises(Refused, match="'given' is named twice"):
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
def test_an_address_is_a_number_or_a_valid_mail_address(hub_demo: Flask, address: str) -> None:
    report = opt_out_files.import_opt_outs(f"address\n{address}\n", test=True)
    assert [number for number, _ in report.refused] == [2]
    assert "address: " in report.refused[0][1]
    with pytest.raises(Refused):
        suppressions.add_opt_out(address, test=True)


@MODULES
def test_numbers_are_read_as_people_type_them(hub_demo: Flask, import_file: Any) -> None:
    report = import_file(
        'address;given\n"+1 (317) 555-7788";no\n0049 170 1234567;no\n+5215512345678;no\n', test=True
    )
    assert (report.kept, report.refused) == (3, [])
    db.session.rollback()
    assert set(db.session.scalars(select(Contact.address))) == {
        "+13175557788",
        "+491701234567",
        "+525512345678",
    }


def test_a_time_in_the_future_or_of_no_calendar_is_refused(hub_demo: Flask) -> None:
    late = (now() + timedelta(days=1)).isoformat()
    file = f"address,since\n{ERIC},{late}\n{ERIC},0001-01-01T00:00:00+14:00\n{ERIC},soon\n"
    assert [number for number, _ in opt_out_files.import_opt_outs(file, test=True).refused] == [
        2,
        3,
        4,
    ]
