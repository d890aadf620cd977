"""Patterns, pauses and addresses of webhook endpoints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.endpoints import retry_schedule
from hub.endpoints.catalog import event_kinds
from hub.endpoints.patterns import matches, parse_patterns


@given(st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True), st.integers(0, 20))
def test_every_beginning_with_a_star_matches(event_type: str, length: int) -> None:
    assert matches(event_type, event_type)
    assert matches(f"other {event_type[:length]}*", event_type)
    assert not matches(f"{event_type}x*", event_type)


@given(st.floats(0, 1e6), st.integers(1, 7))
def test_retry_after_is_between_a_second_and_a_day(retry_after: float, tries: int) -> None:
    pause = retry_schedule.pause_after(tries, retry_after)
    assert pause is not None
    assert pause.total_seconds() == pytest.approx(min(max(retry_after, 1), 86_400))
    assert retry_schedule.pause_after(8, retry_after) is None


@pytest.mark.parametrize("pattern", ["*", "sms_*", "opted_out", "endpoint_disabled"])
def test_known_patterns_are_stored(pattern: str) -> None:
    assert parse_patterns([pattern, f" {pattern} "], event_kinds()) == pattern


@pytest.mark.parametrize("pattern", ["", "SMS_*", "sms_*_x", "sms_delievered", "s*s", "fax_*"])
def test_pattern_that_matches_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(Refused) as problem:
        parse_patterns([pattern], event_kinds())
    assert problem.value.field == "events"
