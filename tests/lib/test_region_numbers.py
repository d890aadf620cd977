"""Numbers that apps store without a country code, in any of the usual forms."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from hub.lib import phones

REGIONS = ["US", "CA", "GB", "DE", "FR", "PL", "ES", "BR", "AU", "IN", "JP"]
SEPARATORS = ["", " ", "-", ".", "/", "\u00a0", "\u2013"]


@pytest.mark.parametrize("text", ["13175551234", "317-123-1234", "+13175551234"])
def test_forms_of_the_documentation(text: str) -> None:
    number = phones.parse_in_region(text, "US")
    assert number == ("+13171231234" if "123-" in text else "+13175551234")


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, str]:
    """Return a region and a valid number of it in normal form."""
    region = draw(st.sampled_from(REGIONS))
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    digits = list(str(example.national_number))
    for place in range(len(digits) - 4, len(digits)):
        digits[place] = draw(st.sampled_from("0123456789"))
    number = phonenumbers.parse("".join(digits), region)
    assume(phonenumbers.is_valid_number(number))
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return region, phones.parse_strict(text)


@given(numbers(), st.sampled_from(SEPARATORS), st.data())
def test_every_form_has_the_same_result(
    known: tuple[str, str], separator: str, data: st.DataObject
) -> None:
    region, number = known
    parsed = phonenumbers.parse(number)
    forms = [
        number,
        number.removeprefix("+"),
        f"00{number.removeprefix('+')}",
        phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL),
        phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL),
        phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL).removeprefix("+"),
        phonenumbers.format_number(parsed, PhoneNumberFormat.RFC3966),
    ]
    form = data.draw(st.sampled_from(forms))
    written = form.replace(" ", separator) if separator else form.replace(" ", "")
    assert phones.parse_in_region(written, region) == number


@given(st.text(max_size=30), st.sampled_from(REGIONS))
def test_any_text_is_a_number_or_is_refused(text: str, region: str) -> None:
    reason = ""
    try:
        number = phones.parse_in_region(text, region)
        assert phones.parse_strict(number) == number
    except ValueError as error:
        reason = str(error)
    assert not reason or reason.endswith(".")
