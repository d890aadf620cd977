"""Forms are parsed as the standard library does in its strict mode."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.lib.form_body import MAX_FIELDS, parse_form

BODIES = st.text(st.sampled_from("ab=&+%20Cc3bF;é \x00/"), max_size=40)


def expected(body: str) -> list[tuple[str, str]] | None:
    """Return the result of the standard library for a body, or None for an error."""
    try:
        return parse_qsl(
            body,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        return None


def parse(body: str) -> list[tuple[str, str]] | None:
    try:
        return parse_form(body)
    except ValueError:
        return None


@given(BODIES)
@example("")
@example("&")
@example("a=1&")
@example("a=%C3%BC&b=%ff")
@example("a==b&=c&d=")
@example("a=1;b=2")
def test_any_body_is_parsed_as_the_standard_library_does(body: str) -> None:
    assert parse(body) == expected(body)


@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), max_size=8))
def test_encoded_fields_survive_a_round_trip(fields: list[tuple[str, str]]) -> None:
    encodable = [pair for pair in fields if "".join(pair).isprintable()]
    assert parse_form(urlencode(encodable)) == encodable


@pytest.mark.parametrize("extra_fields", [0, 1])
def test_number_of_fields_is_limited(extra_fields: int) -> None:
    body = "&".join(["a=1"] * (MAX_FIELDS + extra_fields))
    assert (parse(body) is None) == bool(extra_fields)
