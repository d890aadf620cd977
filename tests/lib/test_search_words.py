"""Words of a search: one form for case, accents and scripts, whatever the text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.lib import search_words
from hub.lib.address_parts import (
    MAX_BYTES,
    MAX_PARTS,
    MIN_ENDING,
    address_parts,
    number_endings,
    query_endings,
    query_parts,
)
from hub.lib.search_words import fold, index_words, matched_terms, query_terms
from tests.effort import examples


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Zoë Müller", "zoe mull"),
        ("Łukasz Wyśniewski-Okonkwo", "lukasz okonk"),
        ("Søren Ångström", "soren angst"),
        ("Straße 7", "STRASSE"),
        ("O’Brien", "obrien"),
        ("O'Brien", "brien"),
        ("Αθήνα", "αθηνα"),
        ("Ёлкин", "елк"),
        ("İSTANBUL", "istan"),
        ("مُحَمَّد", "محمد"),
        ("שָׁלוֹם", "שלום"),
        ("王小明", "小明"),
        ("王小明", "王"),
        ("김철수", "철수"),
        ("ﾊﾝｺ", "ハンコ"),
        ("ガス会社", "会社"),
        ("สัญญาเช่า", "เช่า"),
        ("Ａｃｍｅ株式会社", "acme 株式"),
        ("अनुबंध", "अनु"),
        ("عقد ٢٠٢٦", "2026"),
        ("Contract 2026/11-42", "11 42"),
    ],
)
def test_text_is_found_however_it_is_written(text: str, query: str) -> None:
    terms = query_terms(query)
    assert terms
    assert matched_terms(terms, text) == set(terms)


@pytest.mark.parametrize(
    ("text", "query"), [("Employment", "ployment"), ("Eric", "erica"), ("ガス", "カス")]
)
def test_different_text_is_not_found(text: str, query: str) -> None:
    assert matched_terms(query_terms(query), text) == set()


ANY_TEXT = st.text(max_size=80) | st.text(st.characters(), max_size=40)


@settings(max_examples=examples(300))
@given(ANY_TEXT)
@example("\ud800a\udfff")
@example("'" * 300 + "a'b")
@example("\u0300" * 500)
def test_every_word_of_a_text_finds_it(text: str) -> None:
    words = index_words(text)
    assert len(words) <= search_words.MAX_WORDS
    assert all(0 < len(word) <= search_words.MAX_WORD for word in words)
    for word in words:
        terms = query_terms(word)
        assert terms, word
        assert matched_terms(terms, text) == set(terms)


@settings(max_examples=examples(300))
@given(ANY_TEXT)
def test_case_and_composition_make_no_difference(text: str) -> None:
    words = index_words(text)
    for form in ("NFC", "NFD", "NFKC"):
        assert index_words(unicodedata.normalize(form, fold(text))) == index_words(fold(text))
    assert index_words(fold(text)) == words


@settings(max_examples=examples(200))
@given(ANY_TEXT)
def test_query_terms_are_bounded_and_have_no_spaces(text: str) -> None:
    terms = query_terms(text)
    assert all(0 < len(term) <= search_words.MAX_PREFIX for term in terms)
    assert not any(char.isspace() for term in terms for char in term)


@settings(max_examples=examples(200))
@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.data())
def test_any_three_digits_of_a_number_find_it(number: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(1, len(number) - 3))
    end = data.draw(st.integers(start + 3, len(number)))
    queries = query_parts(number[start:end])
    parts = address_parts("phone", number)
    assert any(part.startswith(query) for part in parts for query in queries)


@settings(max_examples=examples(200))
@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.data())
def test_last_digits_of_a_number_find_it_and_others_do_not(
    number: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(number) - MIN_ENDING))
    separators = data.draw(st.lists(st.sampled_from(["", " ", "-", "."]), min_size=16, max_size=16))
    written = "".join(map("".join, zip(number[start:], separators, strict=False)))
    endings = number_endings(number)
    assert set(query_endings(written)) & set(endings)
    other = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not set(query_endings(other)) & set(endings)


@settings(max_examples=examples(200))
@given(ANY_TEXT)
def test_no_text_has_the_endings_of_a_number(text: str) -> None:
    assert not any(word.startswith(search_words.WHOLE) for word in index_words(text))
    assert all(query.isascii() and query.isdigit() for query in query_endings(text))


@settings(max_examples=examples(200))
@given(ANY_TEXT, st.sampled_from(["phone", "email", "chat", "external", ""]))
def test_parts_of_any_address_are_bounded(text: str, kind: str) -> None:
    parts = address_parts(kind, text)
    assert len(parts) <= MAX_PARTS
    assert all(len(part) <= MAX_BYTES for part in parts)
    assert all(len(part) <= MAX_BYTES for part in query_parts(text))
