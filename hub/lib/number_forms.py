"""The phone numbers that carriers and WhatsApp write in more than one way.

docs/phone-numbers.md explains each row. Every row has one normal form, which libphonenumber knows
as a mobile number, and another form of the same number. Patterns match the digits after the country
code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class NumberForm:
    """Two forms of a country's mobile numbers, and the patterns that convert between them."""

    region: str  # ISO 3166
    code: str  # the country code
    other: str  # pattern of the other form
    to_normal: str  # replacement that makes the normal form
    normal: str  # pattern of normal forms that have another form
    to_other: str  # replacement that makes the other form
    examples: tuple[str, str]  # the normal form, the other form


TABLE = (
    # Until August 2019 mobile numbers were dialled +52 1 from abroad. Carriers dropped the 1;
    # WhatsApp keeps it. https://support.gupshup.io/hc/en-us/articles/4407840924953
    NumberForm(
        "MX",
        "52",
        r"1([2-9]\d{9})",
        r"\1",
        r"([2-9]\d{9})",
        r"1\1",
        ("+525512345678", "+5215512345678"),
    ),
    # A 9 after +54 marks a mobile number. SMS gateways and people leave it out; area code and
    # number are unique without it. https://en.wikipedia.org/wiki/Telephone_numbers_in_Argentina
    NumberForm(
        "AR",
        "54",
        r"([1-3]\d{9})",
        r"9\1",
        r"9([1-3]\d{9})",
        r"\1",
        ("+5491123456789", "+541123456789"),
    ),
    # From 2012 to 2016 a 9 was put before all mobile numbers, which had eight digits and began with
    # 6 to 9. WhatsApp keeps the old form of accounts outside the area codes 11 to 28. Trunked radio
    # (7…, eight digits) was switched off in 2018.
    # https://support.gupshup.io/hc/en-us/articles/4407840924953
    NumberForm(
        "BR",
        "55",
        r"([1-9][1-9])([6-9]\d{7})",
        r"\g<1>9\g<2>",
        r"([1-9][1-9])9([6-9]\d{7})",
        r"\1\2",
        ("+5531987654321", "+553187654321"),
    ),
    # On January 31, 2021 numbers grew from eight to ten digits: each operator's prefix was put
    # before them. The second digit shows the operator of a mobile number. WhatsApp keeps
    # the old form of older accounts. https://github.com/devlikeapro/waha/issues/1894 and the
    # regulator's notice, https://www.artci.ci
    NumberForm(
        "CI",
        "225",
        r"([0457][0-3]\d{6})",
        r"01\1",
        r"01([0457][0-3]\d{6})",
        r"\1",
        ("+2250141234567", "+22541234567"),
    ),
    NumberForm(
        "CI",
        "225",
        r"([04-9][4-6]\d{6})",
        r"05\1",
        r"05([04-9][4-6]\d{6})",
        r"\1",
        ("+2250545123456", "+22545123456"),
    ),
    NumberForm(
        "CI",
        "225",
        r"([04-9][7-9]\d{6})",
        r"07\1",
        r"07([04-9][7-9]\d{6})",
        r"\1",
        ("+2250708091011", "+22508091011"),
    ),
    # On November 30, 2024 the prefix 01 was put before all numbers of eight digits. WhatsApp keeps
    # the old form of older accounts. https://www.itu.int/oth/T0202.aspx?parent=T0202 (Benin),
    # https://github.com/ChristoPy/countries-phone-masks/issues/25
    NumberForm(
        "BJ",
        "229",
        r"([24-69]\d{7})",
        r"01\1",
        r"01([24-69]\d{7})",
        r"\1",
        ("+2290190123456", "+22990123456"),
    ),
)


# Other spellings that libphonenumber reads as the normal form: the country code, a pattern of the
# digits after it, and the replacement that makes the spelling. `phones.written_forms` adds the
# trunk prefix of a country's metadata.
SPELLINGS = (
    ("370", r"(.+)", r"8\1"),  # Lithuania's trunk prefix before 2023
    ("375", r"(.+)", r"0\1"),  # Belarus: the trunk prefix is 8 and, behind a second dial tone, 0
    ("375", r"(.+)", r"80\1"),
    ("241", r"(.+)", r"0\1"),  # Gabon: the 0 of the national form
    ("55", r"(.+)", r"90\1"),  # Brazil: collect calls
    # Colombia: the operator of a long-distance call
    *(("57", r"(.+)", rf"0{operator}\1") for operator in "3579"),
    # Argentina: within the country, 15 after the area code (2 to 4 digits) marks a mobile number
    *(
        ("54", rf"9(\d{{{length}}})(\d+)", rf"{trunk}\g<1>15\2")
        for length in (2, 3, 4)
        for trunk in ("", "0")
    ),
)


def to_normal(number: str) -> str:
    """Return the normal form of a number in E.164 characters. Other numbers are returned
    unchanged.
    """
    return _convert(_TO_NORMAL, number)


def to_other(number: str) -> str:
    """Return the other form of a number in normal form, or '' if there is none."""
    other = _convert(_TO_OTHER, number)
    return "" if other == number else other


def spellings(number: str) -> list[str]:
    """Return other spellings of a number in normal form. Some may belong to another number."""
    digits = number.removeprefix("+")
    numbers = []
    for code, pattern, replacement in SPELLINGS:
        if digits.startswith(code) and (
            match := re.fullmatch(pattern, digits.removeprefix(code), re.ASCII)
        ):
            numbers.append(f"+{code}{match.expand(replacement)}")
    return numbers


def _convert(rules: dict[str, list[tuple[re.Pattern[str], str]]], number: str) -> str:
    for length in (3, 4):  # of + and the country code
        for pattern, replacement in rules.get(number[:length], ()):
            if match := pattern.fullmatch(number[length:]):
                return number[:length] + match.expand(replacement)
    return number


_TO_NORMAL: dict[str, list[tuple[re.Pattern[str], str]]] = {}
_TO_OTHER: dict[str, list[tuple[re.Pattern[str], str]]] = {}
for _row in TABLE:
    _TO_NORMAL.setdefault(f"+{_row.code}", []).append(
        (re.compile(_row.other, re.ASCII), _row.to_normal)
    )
    _TO_OTHER.setdefault(f"+{_row.code}", []).append(
        (re.compile(_row.normal, re.ASCII), _row.to_other)
    )
