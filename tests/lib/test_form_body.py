"""Form bodies are parsed as the standard library parses them in its strict form."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.lib.form_body import MAX_FIELDS, parse_form

BODIES = st.text(st.sampled_from("ab=&+%20Cc3bF;é \x00/"), max_size=40)


def expected(body: str) -> list[tuple[str, str]] | None:
    """Return what the standard library makes of a body; None for an error."""
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


def parsed(body: str) -> list[tuple[str, str]] | None:
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
    assert parsed(body) == expected(body)


@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), max_size=8))
def test_encoded_fields_come_back(fields: list[tuple[str, str]]) -> None:
    encodable = [pair for pair in fields if "".join(pair).isprintable()]
    assert parse_form(urlencode(encodable)) == encodable


@pytest.mark.parametrize("more", [0, 1])
def test_the_number_of_fields_is_limited(more: int) -> None:
    body = "&".join(["a=1"] * (MAX_FIELDS + more))
    assert (parsed(body) is None) == bool(more)
