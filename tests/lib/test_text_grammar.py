"""The grammar of message texts: values, optional parts, plural forms, and errors."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib.text_grammar import (
    MAX_LENGTH,
    GrammarError,
    MissingValue,
    ParsedText,
    StandIn,
    check_forms,
    fill,
    normalize_name,
    parse,
)

BRACKETS = ("((", "))", "[[", "]]")
plain = st.text(st.characters(exclude_characters="()[]"), max_size=60)
names = st.from_regex(r"[a-z]{1,8}( [a-z]{1,8})?", fullmatch=True)
values = st.text(max_size=20) | st.integers(0, 10_000)


def filled(source: str, locale: str = "en", **given_values: str | int) -> str:
    return fill(parse(source), given_values, locale)


def parse_or_error(source: str) -> ParsedText | GrammarError:
    try:
        return parse(source)
    except GrammarError as error:
        return error


@given(plain)
def test_text_without_brackets_is_unchanged(source: str) -> None:
    assert filled(source) == source.strip()


@given(st.text(st.sampled_from("()[]a #|:"), max_size=80) | st.text(max_size=80))
def test_any_text_is_parsed_or_refused_with_a_position(source: str) -> None:
    parsed = parse_or_error(source)
    if isinstance(parsed, GrammarError):
        assert 0 <= parsed.position <= len(source)
        assert str(parsed).endswith(".")
        return
    result = fill(parsed, dict.fromkeys(parsed.names, 3), "en")
    if not parsed.names:
        assert result == source.strip()


@given(plain, names, plain, values)
def test_value_takes_the_place_of_its_name(
    before: str, name: str, after: str, value: str | int
) -> None:
    source = f"{before}(({name})){after}"
    shown = f"{value:,}" if isinstance(value, int) else value
    rest = after[1:] if shown.endswith(".") and after.startswith(".") else after
    expected = f"{before}{shown}{rest}".strip()
    assert fill(parse(source), {normalize_name(name): value}, "en") == expected


@given(st.text(max_size=40))
def test_value_is_never_read_as_grammar(value: str) -> None:
    assert filled("x((a))x", a=value) == f"x{value}x"


@given(plain, names)
def test_missing_value_sends_nothing(text: str, name: str) -> None:
    with pytest.raises(MissingValue) as missing:
        filled(f"{text}(({name}))")
    assert missing.value.name == normalize_name(name)


@given(names, values | st.none())
def test_optional_part_is_left_out_without_its_value(name: str, value: str | int | None) -> None:
    given_values = {} if value is None else {normalize_name(name): value}
    result = fill(parse(f"a[[b(({name}))c]]d"), given_values, "en")
    assert (result == "ad") == (value is None or value == 0)


def test_names_ignore_case_spaces_and_hyphens() -> None:
    for written in ("download link", "Download_Link", " download-link ", "DOWNLOAD  LINK"):
        assert filled(f"(({written}))", download_link="x") == "x"


@pytest.mark.parametrize(
    ("source", "locale", "expected"),
    [
        ("((a)) signed it.", "en", "Somebody signed it."),
        ("Signed by ((a)).", "en", "Signed by somebody."),
        ("Done. ((a)) signed.", "en", "Done. Somebody signed."),
        ("Hello Ann,\n\n((a)) signed.", "en", "Hello Ann,\n\nSomebody signed."),
        ("Dzień dobry,\n\n((a)) signed.", "pl", "Dzień dobry,\n\nsomebody signed."),
        ('"Yes!" ((a)) signed.', "en", '"Yes!" Somebody signed.'),
        ("Signed[[ by ((a))]].", "en", "Signed."),
    ],
)
def test_stand_in_fits_its_place_and_shows_no_optional_part(
    source: str, locale: str, expected: str
) -> None:
    assert filled(source, locale, a=StandIn("Somebody", "somebody")) == expected


@pytest.mark.parametrize("value", ["Acme Inc.", "Smith Jr.\u2069", "Acme"])
def test_full_stop_after_a_value_is_not_repeated(value: str) -> None:
    shown = value.rstrip(".\u2069")
    assert filled("From ((a)).", a=value).replace("\u2069", "") == f"From {shown}."
    assert filled("From ((a))[[. By ((b))]]", a=value, b="B").replace("\u2069", "") == (
        f"From {shown}. By B"
    )


def test_single_and_further_brackets_are_text() -> None:
    assert filled("(a) [b] (((t))) [[[((t))]]]", t="T") == "(a) [b] (T) [T]"


@pytest.mark.parametrize(
    ("locale", "number", "expected"),
    [
        ("en", 1, "One more signature is needed to complete the document."),
        ("en", 2, "2 more signatures are needed to complete the document."),
        ("en", 1234, "1,234 more signatures are needed to complete the document."),
    ],
)
def test_plural_form_is_chosen_by_the_number(locale: str, number: int, expected: str) -> None:
    source = (
        "((missing: One more signature is needed | # more signatures are needed)) to complete the"
        " document."
    )
    assert filled(source, locale, missing=number) == expected


def test_polish_has_three_forms() -> None:
    source = "((n: # podpis|# podpisy|# podpisów))"
    shown = [filled(source, "pl", n=number) for number in (1, 2, 5, 12, 22, 0)]
    assert shown == [
        "1 podpis",
        "2 podpisy",
        "5 podpisów",
        "12 podpisów",
        "22 podpisy",
        "0 podpisów",
    ]


def test_number_that_is_text_is_missing() -> None:
    with pytest.raises(MissingValue):
        filled("((n: a|b))", n="many")


@pytest.mark.parametrize(
    ("source", "position", "words"),
    [
        ("ab ((title", 3, "Write “))” after its name"),
        ("((a ((b))", 0, "Write “))” after its name"),
        ("a title))", 7, "Write “((” before the name"),
        ("a [[b ((c))", 2, "Write “]]” after it"),
        ("a ((c))]]", 7, "Write “[[” before the optional part"),
        ("[[a [[((b))]]]]", 4, "Write “]]” before this"),
        ("[[always]]", 0, "Add a value to it"),
        ("(( ))", 0, "Enter one, such as"),
        ("((a|b))", 0, "Use letters, digits and spaces"),
        ("((1st))", 0, "Use letters, digits and spaces"),
        ("((n: one||other))", 0, "Write a text before and after each “|”"),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH, "Shorten it to 10,000"),
    ],
)
def test_error_has_its_position_and_a_remedy(source: str, position: int, words: str) -> None:
    with pytest.raises(GrammarError) as error:
        parse(source)
    assert error.value.position == position
    assert words in str(error.value)


def test_number_needs_each_form_of_the_language() -> None:
    parsed = parse("((missing: one|other))")
    check_forms(parsed, "en")
    with pytest.raises(GrammarError, match=r"needs 3.*form 2: 2, 3, 4") as error:
        check_forms(parsed, "pl")
    assert error.value.name == "missing"


@pytest.mark.parametrize("piece", [*BRACKETS, "((a))", "[[((a))]]", "((a:x|y))", "|", "((("])
def test_longest_text_is_parsed_at_once(piece: str) -> None:
    source = (piece * MAX_LENGTH)[:MAX_LENGTH]
    started = time.process_time()
    parse_or_error(source)
    assert time.process_time() - started < 0.5
