"""Parse phone numbers: return the normal form, or the reason why text is not a phone number.

The normal form is libphonenumber's E.164, without a trunk prefix after the country code. For
countries with several forms it is the one of hub.lib.number_forms.TABLE.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache, lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

from hub.lib.number_forms import spellings, to_normal, to_other

E164 = re.compile(r"\+[0-9]{7,15}")
EXAMPLE = "+15551234567"
TYPED_EXAMPLE = "+1 317 555 7788"
REGIONS: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)  # ISO 3166 codes

_IMPOSSIBLE_REASONS = {
    ValidationResult.INVALID_COUNTRY_CODE: "no country has that code",
    ValidationResult.TOO_SHORT: "it is too short for its country",
    ValidationResult.TOO_LONG: "it is too long for its country",
    ValidationResult.INVALID_LENGTH: "no number in its country has that length",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
}


@lru_cache(maxsize=4096)  # an event and its plan parse the same numbers
def parse_strict(text: str) -> str:
    """Return the normal form of a number in E.164 characters, ignoring spaces around it.

    Raises ValueError with the reason and a remedy.
    """
    number = text.strip()
    if not number:
        raise ValueError(f"Enter a phone number, such as {EXAMPLE}.")
    if not E164.fullmatch(number):
        raise ValueError(_format_error(number))
    number, parsed = _normalize(number)
    if parsed is None:
        raise ValueError("This is not a phone number: the country code does not exist.")
    result = phonenumbers.is_possible_number_with_reason(parsed)
    if not E164.fullmatch(number):  # too short without the trunk prefix
        result = ValidationResult.TOO_SHORT
    if result != ValidationResult.IS_POSSIBLE:
        raise ValueError(
            f"This is not a phone number: {_IMPOSSIBLE_REASONS.get(result, 'its length is wrong')}."
        )
    return number


def parse_typed(text: str) -> str:
    """Return the normal form of a number as people write it. Raises ValueError.

    Blanks, brackets, dots and dashes are removed, and 00 stands for +. The digits may be those of
    any alphabet.
    """
    number = _strip_separators(text)
    hint = f"Start with + and the country code, such as {TYPED_EXAMPLE}."
    if not re.fullmatch(r"\+?[0-9]+", number):
        raise ValueError(f"This is not a phone number. {hint}")
    if not number.startswith("+"):
        raise ValueError(f"The country code is missing. {hint}")
    return parse_strict(number)


def parse_in_region(text: str, region: str) -> str:
    """Return the normal form of a number that may lack the country code, as apps store it.

    A number without + or 00 is one of the region, with or without the country code. Raises
    ValueError.
    """
    number = _strip_separators(text)
    if not re.fullmatch(r"\+?[0-9]{1,20}", number):
        raise ValueError("This is not a phone number: it contains other characters than digits.")
    if number.startswith("+"):
        return parse_strict(number)
    try:
        parsed = phonenumbers.parse(number, region)
        code = str(phonenumbers.country_code_for_region(region))
        # people write national numbers with their trunk prefix, so the code is the likelier one
        if number.startswith(code):
            international = phonenumbers.parse(f"+{number}")
            parsed = international if phonenumbers.is_valid_number(international) else parsed
    except phonenumbers.NumberParseException:
        raise ValueError("This is not a phone number: it is too short or too long.") from None
    return parse_strict(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))


def parse_typed_sender(text: str | None) -> str | None:
    """Return the number of a sender without separators. Other strings are returned unchanged.

    A number with two forms keeps the entered form, because the provider knows it by that form.
    """
    try:
        number = _strip_separators(text or "")
        normal = parse_typed(text or "")
    except ValueError:
        return text and text.strip()
    return number if to_other(normal) else normal


def _strip_separators(text: str) -> str:
    cleaned = "".join(
        str(unicodedata.decimal(char, char))  # digits of every alphabet
        for char in unicodedata.normalize("NFKC", text)
        if unicodedata.category(char) != "Cf"
    )
    cleaned = re.sub(r"^tel:", "", cleaned.strip(), flags=re.IGNORECASE)
    number = _SEPARATORS.sub("", cleaned)
    return f"+{number[2:]}" if number.startswith("00") else number


# U+2010 to U+2015 and U+2212 are dashes that word processors insert
_SEPARATORS = re.compile(r"[\s().\-/\u2010-\u2015\u2212]")


def is_premium(number: str) -> bool:
    """Return whether a number in normal form costs its caller more than an ordinary call."""
    _, parsed = _normalize(number)
    if parsed is None:
        return False
    types = phonenumbers.PhoneNumberType
    return phonenumbers.number_type(parsed) in (types.PREMIUM_RATE, types.SHARED_COST)


@lru_cache(maxsize=4096)
def written_forms(number: str) -> tuple[str, ...]:
    """Return all spellings of a number in normal form, the number itself first.

    They are its other form, both forms with a trunk prefix, and the spellings of `number_forms`.
    Numbers may have been stored in any of them by older versions.
    """
    _, parsed = _normalize(number)
    if parsed is None:
        return (number,)
    code = f"+{parsed.country_code}"
    forms = [number, *filter(None, [to_other(number)])]
    prefix = _trunk_prefix(parsed.country_code or 0)
    spelled = [f"{code}{prefix}{form.removeprefix(code)}" for form in forms] if prefix else []
    spelled += spellings(number)
    return (
        *forms,
        *(
            form
            for form in dict.fromkeys(spelled)
            if E164.fullmatch(form) and _normalize(form)[0] == number
        ),
    )


@cache
def _trunk_prefix(country_code: int) -> str | None:
    """Return the digits before national numbers of a country code, such as 0, if it has any."""
    region = phonenumbers.region_code_for_country_code(country_code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region or "", None)
    return metadata.national_prefix if metadata else None


@lru_cache(maxsize=4096)
def _normalize(number: str) -> tuple[str, phonenumbers.PhoneNumber | None]:
    """Return the normal form of a number in E.164 characters, and libphonenumber's object.

    A number that libphonenumber cannot read is returned unchanged, with None.
    """
    # without its trunk prefix a number may have another form, which may have a prefix again
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


def _format_error(number: str) -> str:
    """Return the reason why text is not in E.164 characters, with a remedy."""
    hint = f"Start with + and the country code, digits only: {EXAMPLE}."
    if not number.startswith("+"):
        return f"The country code is missing. {hint}" if re.fullmatch(r"[0-9]+", number) else hint
    if re.fullmatch(r"\+[0-9]*", number):
        return f"A phone number has 7 to 15 digits, but this one has {len(number) - 1}. {hint}"
    return f"Remove spaces, brackets, dots and dashes. {hint}"


def is_plausible(number: str) -> bool:
    """Return whether libphonenumber knows the number's range. False is only a hint."""
    parsed = _parse_cached(number)
    return parsed is not None and phonenumbers.is_valid_number(parsed)


def region(number: str) -> str:
    """Return the ISO 3166 code of the number's country.

    It is '' if several countries share the code, or if the text is not a number.
    """
    if (parsed := _parse_cached(number)) is None:
        return ""
    code = phonenumbers.region_code_for_number(parsed)
    if code is None:
        regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
        code = regions[0] if len(regions) == 1 else ""
    return "" if code == "001" else code


def format_number(number: str) -> str:
    """Return the number with its usual spaces."""
    parsed = _parse_cached(number)
    return (
        number
        if parsed is None
        else phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
    )


def _parse_cached(number: str) -> phonenumbers.PhoneNumber | None:
    return _normalize(number)[1]


# ── Countries and zones ───────────────────────────────────────────────────────────────────────────
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)  # ISO 3166


@lru_cache(maxsize=4096)
def country(number: str) -> str:
    """Return the ISO 3166 code of the number's country, or the main one of those that share its
    code.

    It is '' for a number of no country and for other strings.
    """
    if (parsed := _parse_cached(number)) is None:
        return ""
    code = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )
    return "" if code in ("001", "ZZ") else str(code)


def calling_code(number: str) -> str:
    """Return the calling code of a number, such as +33, or '' for other strings."""
    parsed = _parse_cached(number)
    return f"+{parsed.country_code}" if parsed is not None and parsed.country_code else ""


def is_in_country(number: str, regions: Collection[str]) -> bool:
    """Return whether a number belongs to one of these countries.

    Some countries share ranges, such as Finland and the Åland Islands.
    """
    if country(number) in regions:
        return True
    if (parsed := _parse_cached(number)) is None:
        return False
    candidates = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    return any(
        candidate in regions and phonenumbers.is_valid_number_for_region(parsed, candidate)
        for candidate in candidates
    )


@lru_cache(maxsize=4096)
def time_zones(number: str) -> tuple[str, ...]:
    """Return the time zones that a number may be in, or none if they are unknown."""
    from phonenumbers import timezone  # a large module, only needed with quiet hours

    if (parsed := _parse_cached(number)) is None:
        return ()
    # a number in no known range is treated as any number of its country
    zones = timezone.time_zones_for_number(parsed)
    if zones == (timezone.UNKNOWN_TIMEZONE,):
        zones = timezone.time_zones_for_geographical_number(parsed)
    return () if zones == (timezone.UNKNOWN_TIMEZONE,) else tuple(zones)
