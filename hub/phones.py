"""Phone numbers: E.164 or a reason why not."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

import phonenumbers
from phonenumbers import ValidationResult

E164 = re.compile(r"\+[0-9]{7,15}")
EXAMPLE = "+15551234567"

_WHY_IMPOSSIBLE = {
    ValidationResult.INVALID_COUNTRY_CODE: "no country has that code",
    ValidationResult.TOO_SHORT: "it is too short for its country",
    ValidationResult.TOO_LONG: "it is too long for its country",
    ValidationResult.INVALID_LENGTH: "no number of its country has that length",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "it lacks the area code",
}


@lru_cache(maxsize=4096)  # an event and its plan ask for the same numbers
def clean(text: str) -> str:
    """Return a number in E.164 form. Raises ValueError with the reason and the remedy; repairs nothing but outer blanks."""
    number = text.strip()
    if not number:
        raise ValueError(f"Give a phone number, such as {EXAMPLE}.")
    if not E164.fullmatch(number):
        raise ValueError(_why_not(number))
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        raise ValueError("This is not a phone number: no country has that code.") from None
    verdict = phonenumbers.is_possible_number_with_reason(parsed)
    if verdict != ValidationResult.IS_POSSIBLE:
        raise ValueError(f"This is not a phone number: {_WHY_IMPOSSIBLE.get(verdict, 'its length is wrong')}.")
    return number


def _why_not(number: str) -> str:
    hint = f"Start with + and the country code, digits only: {EXAMPLE}."
    if not number.startswith("+"):
        return f"The country code is missing. {hint}" if re.fullmatch(r"[0-9]+", number) else hint
    if re.fullmatch(r"\+[0-9]*", number):
        return f"A number has 7 to 15 digits, this one {len(number) - 1}. {hint}"
    return f"Leave out spaces, brackets, dots and dashes. {hint}"


def plausible(number: str) -> bool:
    """Tell whether libphonenumber knows the number's range. False is a hint, never a reason to refuse."""
    parsed = _parsed(number)
    return parsed is not None and phonenumbers.is_valid_number(parsed)


def region(number: str) -> str:
    """Return the ISO 3166 code of the number's country, or '' when several share the code or it is no number."""
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
    return number if parsed is None else phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None


# ── Countries and zones ─────────────────────────────────────────────────────────────────────────────────────
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)  # ISO 3166


@lru_cache(maxsize=4096)
def country(number: str) -> str:
    """Return the ISO 3166 code of the number's country; of those that share its code the main one where the number does not tell.

    '' for what is no number, or lies in no country.
    """
    if (parsed := _parsed(number)) is None:
        return ""
    found = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return "" if found in ("001", "ZZ") else str(found)


def lies_in(number: str, regions: Collection[str]) -> bool:
    """Tell whether a number lies in one of these countries; some share ranges, as Finland and the Åland Islands do."""
    if country(number) in regions:
        return True
    if (parsed := _parsed(number)) is None:
        return False
    sharing = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    return any(one in regions and phonenumbers.is_valid_number_for_region(parsed, one) for one in sharing)


@lru_cache(maxsize=4096)
def zones(number: str) -> tuple[str, ...]:
    """Return the time zones that a number may be in; none where that cannot be told."""
    from phonenumbers import timezone  # large, and needed by hubs with quiet hours alone

    if (parsed := _parsed(number)) is None:
        return ()
    # what lies in no range is taken for any number of its country
    found = timezone.time_zones_for_number(parsed)
    if found == (timezone.UNKNOWN_TIMEZONE,):
        found = timezone.time_zones_for_geographical_number(parsed)
    return () if found == (timezone.UNKNOWN_TIMEZONE,) else tuple(found)
