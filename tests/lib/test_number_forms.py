"""Phone numbers with two forms: each has one normal form, and each form leads to the other."""

from __future__ import annotations

import re
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from hub.lib import phones
from hub.lib.number_forms import TABLE, NumberForm, to_normal, to_other

PAGE = Path(__file__).parents[2] / "docs" / "phone-numbers.md"
ROWS = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.examples[0])
DIGITS = st.from_regex(r"\+[0-9]{7,15}", fullmatch=True)


@ROWS
def test_both_examples_of_a_row_are_one_number(row: NumberForm) -> None:
    normal, alternative = row.examples
    assert phones.parse_strict(normal) == normal == phones.parse_strict(alternative)
    assert to_other(normal) == alternative
    assert to_normal(alternative) == normal


@ROWS
def test_libphonenumber_accepts_the_normal_form(row: NumberForm) -> None:
    assert phonenumbers.is_valid_number_for_region(phonenumbers.parse(row.examples[0]), row.region)
    assert phones.region(row.examples[1]) == row.region


@ROWS
@given(data=st.data())
def test_every_number_of_the_other_form_can_be_converted_back(
    row: NumberForm, data: st.DataObject
) -> None:
    alternative = f"+{row.code}" + data.draw(
        st.from_regex(re.compile(row.other, re.ASCII), fullmatch=True)
    )
    normal = phones.parse_strict(alternative)
    assert to_normal(alternative) == normal != alternative
    assert alternative in phones.written_forms(normal)
    assert phones.parse_strict(normal) == normal


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("+4901701234567", "+491701234567"),
        ("+4407911123456", "+447911123456"),
        ("+330612345678", "+33612345678"),
        ("+610412345678", "+61412345678"),
        ("+113175559001", "+13175559001"),
        ("+390612345678", "+390612345678"),
        ("+310612345678", "+31612345678"),
        ("+460701234567", "+46701234567"),
        ("+62081234567890", "+6281234567890"),
        ("+789123456789", "+79123456789"),
        ("+78123456789", "+78123456789"),
        ("+3606301234567", "+36301234567"),
        ("+54111523456789", "+5491123456789"),
        ("+5401123456789", "+5491123456789"),
        ("+551132654321", "+551132654321"),
        ("+558001234567", "+558001234567"),
        ("+15551234567", "+15551234567"),
    ],
)
def test_trunk_prefix_is_removed_where_the_country_has_one(written: str, normal: str) -> None:
    assert phones.parse_strict(written) == normal


PREFIXES = [f"{n}" for n in range(10)] + [f"{n:02}" for n in range(100)]


def test_every_trunk_prefix_that_is_removed_is_one_of_the_forms() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            if (example := phonenumbers.example_number_for_type(region, kind)) is None:
                continue
            number = phones.parse_strict(
                phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            )
            code = f"+{example.country_code}"
            single = [
                prefix
                for prefix in PREFIXES
                if _leads_to(number, f"{code}{prefix}{number.removeprefix(code)}")
            ]
            forms = phones.written_forms(number)
            # people do not write one prefix behind another, such as 00 in Germany
            expected = [
                prefix for prefix in single if len(prefix) == 1 or not {*prefix} <= {*single}
            ]
            missing = [
                prefix
                for prefix in expected
                if f"{code}{prefix}{number.removeprefix(code)}" not in forms
            ]
            assert not missing, (region, number)


def _leads_to(number: str, written: str) -> bool:
    try:
        return phones.parse_strict(written) == number
    except ValueError:
        return False


@pytest.mark.parametrize(
    "written",
    [
        "+370861234567",
        "+37580291234567",
        "+3750291234567",
        "+241066123456",
        "+54111523456789",
        "+540111523456789",
        "+54351155123456",
        "+540351155123456",
        "+54290115412345",
        "+55903132345678",
        "+57056012345678",
    ],
)
def test_previously_stored_number_is_one_of_the_forms(written: str) -> None:
    """Numbers were stored as entered before there was a normal form."""
    number = phones.parse_strict(written)
    assert number != written
    assert written in phones.written_forms(number)


@given(DIGITS)
def test_normal_form_is_stable_and_reached_from_each_form(number: str) -> None:
    try:
        normal = phones.parse_strict(number)
    except ValueError:
        return
    assert phones.parse_strict(normal) == normal
    assert phones.written_forms(normal)[0] == normal
    for form in phones.written_forms(normal):
        assert phones.parse_strict(form) == normal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1 (317) 555-7788", "+13175557788"),
        ("0049 170 1234567", "+491701234567"),
        ("+49 (0)170 1234567", "+491701234567"),
        ("tel:+1-317-555-7788", "+13175557788"),
        ("＋１３１７５５５７７８８", "+13175557788"),
        ("+44 7911‑123456", "+447911123456"),
        ("\u202a+1 317.555.7788\u202c", "+13175557788"),
        ("+52 1 55 1234 5678", "+525512345678"),
        (" +33 6 12 34 56 78 ", "+33612345678"),
    ],
)
def test_pages_accept_common_notations(text: str, number: str) -> None:
    assert phones.parse_typed(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "317 555 7788",
        "+1 317 555 7788 x12",
        "call me",
        "",
        "+1 317 555 7788, +1 317 555 7789",
        "+",
        "00",
    ],
)
def test_ambiguous_input_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=r"country code|Enter a phone number|7 to 15 digits"):
        phones.parse_typed(text)


def test_documentation_shows_the_table_of_number_forms() -> None:
    rows = re.findall(r"^\| [^|]+ \| `(\+\d+)` \| `(\+\d+)` \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [row.examples for row in TABLE]
