"""Phone numbers: one normal form for each, or the reason why it is none.

The normal form is libphonenumber's E.164, without a trunk prefix after the country code, in the
form of hub.lib.number_forms.TABLE where a country has several.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

from hub.lib.number_forms import spellings, to_normal, to_other

E164 = re.compile(r"\+[0-9]{7,15}")
EXAMPLE = "+15551234567"
TYPED_EXAMPLE = "+1 317 555 7788"

_WHY_IMPOSSIBLE = {
    ValidationResult.INVALID_COUNTRY_CODE: "no country has that code",
    ValidationResult.TOO_SHORT: "it is too short for its country",
    ValidationResult.TOO_LONG: "it is too long for its country",
    ValidationResult.INVALID_LENGTH: "no number in its country has that length",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
}


@lru_cache(maxsize=4096)  # an event and its plan ask for the same numbers
def parse_strict(text: str) -> str:
    """Return the normal form of a number that is written in E.164 characters, outer blanks aside.

    Raises ValueError with the reason and the remedy.
    """
    number = text.strip()
    if not number:
        raise ValueError(f"Enter a phone number, such as {EXAMPLE}.")
    if not E164.fullmatch(number):
        raise ValueError(_why_not(number))
    number, parsed = _normal(number)
    if parsed is None:
        raise ValueError("This is not a phone number: no country has that code.")
    verdict = phonenumbers.is_possible_number_with_reason(parsed)
    if not E164.fullmatch(number):  # too little is left without the trunk prefix
        verdict = ValidationResult.TOO_SHORT
    if verdict != ValidationResult.IS_POSSIBLE:
        raise ValueError(
            f"This is not a phone number: {_WHY_IMPOSSIBLE.get(verdict, 'its length is wrong')}."
        )
    return number


def parse_typed(text: str) -> str:
    """Return the normal form of a number as people write it. Raises ValueError.

    Blanks, brackets, dots and dashes are left out, and 00 stands for +.
    """
    number = _bare(text)
    hint = f"Start with + and the country code, such as {TYPED_EXAMPLE}."
    if not re.fullmatch(r"\+?[0-9]+", number):
        raise ValueError(f"This is not a phone number. {hint}")
    if not number.startswith("+"):
        raise ValueError(f"The country code is missing. {hint}")
    return parse_strict(number)


def parse_typed_sender(text: str | None) -> str | None:
    """Return a number that messages are sent from without blanks and the like; what is no number
    stays as it is.

    A number with two forms keeps the one that was typed: under that one the provider knows it.
    """
    try:
        number = _bare(text or "")
        normal = parse_typed(text or "")
    except ValueError:
        return text and text.strip()
    return number if to_other(normal) else normal


def _bare(text: str) -> str:
    plain = "".join(
        char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf"
    )
    plain = re.sub(r"^tel:", "", plain.strip(), flags=re.IGNORECASE)
    bare = _SEPARATORS.sub("", plain)
    return f"+{bare[2:]}" if bare.startswith("00") else bare


# U+2010 to U+2015 and U+2212 are dashes that word processors put for the plain one
_SEPARATORS = re.compile(r"[\s().\-/\u2010-\u2015\u2212]")


@lru_cache(maxsize=4096)
def written_forms(number: str) -> tuple[str, ...]:
    """Return every known spelling of a number in normal form, the number itself first.

    They are its other form, both with a trunk prefix, and the spellings of `number_forms`. Numbers
    may have been stored in any of them before there was a normal form.
    """
    _, parsed = _normal(number)
    if parsed is None:
        return (number,)
    code = f"+{parsed.country_code}"
    found = [number, *filter(None, [to_other(number)])]
    region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region or "", None)
    prefix = metadata.national_prefix if metadata else None
    written = [f"{code}{prefix}{one.removeprefix(code)}" for one in found] if prefix else []
    written += spellings(number)
    return (
        *found,
        *(
            one
            for one in dict.fromkeys(written)
            if E164.fullmatch(one) and _normal(one)[0] == number
        ),
    )


@lru_cache(maxsize=4096)
def _normal(number: str) -> tuple[str, phonenumbers.PhoneNumber | None]:
    """Return the normal form of E.164 characters and what libphonenumber makes of it; unchanged,
    and None, for what it cannot read.
    """
    # what is under a trunk prefix may have another form, and that one a prefix again
    for _ in range(4):
        normal, parsed = _parse(number)
        if parsed is None or normal == number:
            return number, parsed
        number = normal
    return number, _parse(number)[1]


@lru_cache(maxsize=4096)  # several spellings of a number lead to the same one
def _parse(number: str) -> tuple[str, phonenumbers.PhoneNumber | None]:
    """Return a number without its trunk prefix and in the first of its forms, and its parts."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number, None
    return to_normal(phonenumbers.format_number(parsed, PhoneNumberFormat.E164)), parsed


def _why_not(number: str) -> str:
    hint = f"Start with + and the country code, digits only: {EXAMPLE}."
    if not number.startswith("+"):
        return f"The country code is missing. {hint}" if re.fullmatch(r"[0-9]+", number) else hint
    if re.fullmatch(r"\+[0-9]*", number):
        return f"A phone number has 7 to 15 digits, but this one has {len(number) - 1}. {hint}"
    return f"Remove spaces, brackets, dots and dashes. {hint}"


def is_plausible(number: str) -> bool:
    """Tell whether libphonenumber knows the number's range.

    False is a hint, never a reason to refuse.
    """
    parsed = _parsed(number)
    return parsed is not None and phonenumbers.is_valid_number(parsed)


def region(number: str) -> str:
    """Return the ISO 3166 code of the number's country, or '' when several share the code or it is
    no number.
    """
    if (parsed := _parsed(number)) is None:
        return ""
    found = phonenumbers.region_code_for_number(parsed)
    if found is None:
        regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
        found = regions[0] if len(regions) == 1 else ""
    return "" if found == "001" else found


def display(number: str) -> str:
    """Return the number with its usual spaces, for a person to read."""
    parsed = _parsed(number)
    return (
        number
        if parsed is None
        else phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
    )


def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    return _normal(number)[1]


# ── Countries and zones ───────────────────────────────────────────────────────────────────────────
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)  # ISO 3166


@lru_cache(maxsize=4096)
def country(number: str) -> str:
    """Return the ISO 3166 code of the number's country; of those that share its code the main one
    where the number does not tell.

    '' for what is no number, or lies in no country.
    """
    if (parsed := _parsed(number)) is None:
        return ""
    found = phonenumbers.region_code_for_number(
        parsed
    ) or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return "" if found in ("001", "ZZ") else str(found)


def lies_in(number: str, regions: Collection[str]) -> bool:
    """Tell whether a number lies in one of these countries; some share ranges, as Finland and the
    Åland Islands do.
    """
    if country(number) in regions:
        return True
    if (parsed := _parsed(number)) is None:
        return False
    sharing = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    return any(
        one in regions and phonenumbers.is_valid_number_for_region(parsed, one) for one in sharing
    )


@lru_cache(maxsize=4096)
def time_zones(number: str) -> tuple[str, ...]:
    """Return the time zones that a number may be in; none where the number does not show it."""
    from phonenumbers import timezone  # large, and needed by hubs with quiet hours alone

    if (parsed := _parsed(number)) is None:
        return ()
    # what lies in no range is taken for any number of its country
    found = timezone.time_zones_for_number(parsed)
    if found == (timezone.UNKNOWN_TIMEZONE,):
        found = timezone.time_zones_for_geographical_number(parsed)
    return () if found == (timezone.UNKNOWN_TIMEZONE,) else tuple(found)
