"""The type of IDs and the type of times: one text form and one database form."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from hub.db.engine import db
from hub.db.types import Id, Time, creation_time, first_id_at, is_id, new_id, now

DIALECTS = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]


def test_ids_sort_by_creation_time() -> None:
    ids = [new_id("msg") for _ in range(2000)]
    assert ids == sorted(set(ids))
    assert abs(creation_time(ids[0]) - now()) < timedelta(seconds=5)


EARLIEST = datetime(1971, 1, 1)  # noqa: DTZ001
LATEST = datetime(2200, 1, 1)  # noqa: DTZ001


@given(st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)))
def test_id_contains_its_time(moment: datetime) -> None:
    smallest = first_id_at("msg", moment)
    assert is_id("msg", smallest)
    assert timedelta(0) <= moment - creation_time(smallest) < timedelta(milliseconds=1)


def test_new_id_is_larger_than_the_smallest_id_of_its_time() -> None:
    before = now()
    assert first_id_at("msg", before) <= new_id("msg")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "msg",
        "msg_",
        "msg_x",
        "req_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
        "msg_019AA5C2-71F8-7B3E-9C40-2D6F8A1BE41C",
        "msg_019aa5c271f87b3e9c402d6f8a1be41c",
        "msg_{019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c}",
        "msg_é",
    ],
)
def test_other_spellings_of_an_id_are_refused(text: str) -> None:
    assert not is_id("msg", text)
    with pytest.raises(ValueError, match="not an ID"):
        Id("msg").process_bind_param(text, DIALECTS[0])


@given(st.uuids())
def test_id_survives_a_round_trip(number: uuid.UUID) -> None:
    for dialect in DIALECTS:
        stored = Id("msg").process_bind_param(f"msg_{number}", dialect)
        assert Id("msg").process_result_value(stored, dialect) == f"msg_{number}"
        assert Id("*").process_result_value(
            Id("*").process_bind_param(f"any_{number}", dialect), dialect
        ) == str(number)


@given(
    st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - the zone is drawn apart
        datetime(3000, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
    )
)
def test_time_is_stored_in_utc_with_microseconds(moment: datetime) -> None:
    for dialect in DIALECTS:
        back = Time().process_result_value(Time().process_bind_param(moment, dialect), dialect)
        assert back == moment
        assert back is not None
        assert back.tzinfo is UTC


@pytest.mark.parametrize("dialect", DIALECTS)
def test_time_without_a_zone_is_refused(dialect: object) -> None:
    without_zone = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="has no time zone"):
        Time().process_bind_param(without_zone, dialect)  # type: ignore[arg-type]


def test_id_is_stored_as_sixteen_bytes(in_app: Flask) -> None:
    kind = Id("msg").load_dialect_impl(db.engine.dialect)
    assert getattr(kind, "length", None) == 16 or isinstance(kind, postgresql.UUID)
