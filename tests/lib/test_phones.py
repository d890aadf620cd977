"""Phone numbers are E.164, or refused with the reason."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib import phones

EXAMPLES = [
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for region in phonenumbers.SUPPORTED_REGIONS
    if (number := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE))
]


def test_mobile_number_of_every_country_is_accepted() -> None:
    assert len(EXAMPLES) > 200
    for number in EXAMPLES:
        assert phones.parse_strict(number) == number
        assert phones.is_plausible(number)


def test_unassigned_number_is_accepted_as_implausible() -> None:
    assert phones.parse_strict("+15551234567") == "+15551234567"
    assert not phones.is_plausible("+15551234567")


@pytest.mark.parametrize(
    ("number", "because"),
    [
        ("", "Enter a phone number"),
        ("   ", "Enter a phone number"),
        ("5551234567", "The country code is missing"),
        ("(555) 123-4567", "Start with + and the country code, digits only"),
        ("+1 555 123 4567", "Remove spaces"),
        ("+1(555)1234567", "brackets"),
        ("+1-555-123-4567", "dashes"),
        ("+1.555.123.4567", "dots"),
        ("+123456", "this one has 6"),
        ("+1234567890123456", "this one has 16"),
        ("+", "this one has 0"),
        ("+999123456789", "country code does not exist"),
        ("+0123456789", "country code does not exist"),
        ("+1555123456", "too short"),
        ("+155512345678", "too long"),
        ("whatsapp:+15551234567", "digits only"),
        ("+1555123456７", "Remove"),
        ("+15551234567\n+1", "Remove"),
    ],
)
def test_refusal_gives_its_reason(number: str, because: str) -> None:
    with pytest.raises(ValueError, match=re.escape(because)):
        phones.parse_strict(number)


@given(st.text(max_size=20) | st.from_regex(r"\+[0-9]{0,18}", fullmatch=True))
def test_accepted_number_is_e164_and_unchanged(text: str) -> None:
    try:
        cleaned = phones.parse_strict(text)
    except ValueError:
        return
    assert re.fullmatch(r"\+[0-9]{7,15}", cleaned)
    assert phonenumbers.parse(cleaned).country_code == phonenumbers.parse(text).country_code
    assert phones.parse_strict(cleaned) == cleaned
    assert phonenumbers.is_possible_number(phonenumbers.parse(cleaned))


DIGITS = [char for char in map(chr, range(0x30000)) if char.isdecimal()]


@given(st.sampled_from(DIGITS), st.sampled_from(["317-555-1234", "+1 317 555 1234"]))
def test_digits_of_every_alphabet_are_read(any_digit: str, written: str) -> None:
    zero = ord(any_digit) - unicodedata.decimal(any_digit)
    other = "".join(chr(zero + int(char)) if char.isdigit() else char for char in written)
    assert phones.parse_in_region(other, "US") == "+13175551234"
    if written.startswith("+"):
        assert phones.parse_typed(other) == "+13175551234"


@given(st.text(max_size=20))
def test_any_text_is_classified_without_errors(text: str) -> None:
    assert isinstance(phones.is_plausible(text), bool)
    assert re.fullmatch("([A-Z]{2})?", phones.region(text))
    assert isinstance(phones.format_number(text), str)


@pytest.mark.parametrize(
    ("number", "region"),
    [
        ("+442071234567", "GB"),
        ("+13175551234", "US"),
        ("+14165550123", "CA"),
        ("+80012345678", ""),
        ("room", ""),
    ],
)
def test_number_has_the_region_of_its_country(number: str, region: str) -> None:
    assert phones.region(number) == region


def test_number_is_displayed_in_groups() -> None:
    assert phones.format_number("+442071234567") == "+44 20 7123 4567"
    assert phones.format_number("room") == "room"
