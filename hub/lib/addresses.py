"""Addresses of people: what kind each is, its normal form, and every form in which it may have been
written.
"""

from __future__ import annotations

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from hub.core.errors import Refused
from hub.core.vocabulary import Address
from hub.lib import phones

LONGEST_EMAIL = 320  # characters


def parse(text: str) -> tuple[Address, str]:
    """Return the kind and the normal form of a phone number in E.164 characters or a mail address.

    Raises Refused.
    """
    return _read(text.strip(), typed=False)


def parse_typed(text: str) -> tuple[Address, str]:
    """Return the kind and the normal form of a phone number or mail address as a person writes it.

    Raises Refused.
    """
    return _read(text.strip(), typed=True)


def of_kind(text: str, kind: str) -> tuple[Address, str]:
    """Return the kind and the normal form of an address whose kind is named, or '' for what `typed`
    accepts. Raises Refused.
    """
    try:
        named = Address(kind.strip().lower()) if kind.strip() else None
    except ValueError:
        why = (
            f"There is no kind of address {kind[:50]!r}. Use one of {', '.join(Address)},"
            " or leave it empty for a phone number or email address."
        )
        raise Refused("no_such_kind", why, field="kind") from None
    if named in (None, Address.PHONE, Address.EMAIL):
        return parse_typed(text)
    if not 0 < len(text.strip()) <= LONGEST_EMAIL:
        raise Refused(
            "bad_address",
            f"Enter an address of at most {LONGEST_EMAIL} characters.",
            field="address",
        )
    return Address(named), text.strip()


def _read(text: str, *, typed: bool) -> tuple[Address, str]:
    if "@" in text:
        return Address.EMAIL, email(text).lower()
    try:
        return Address.PHONE, phones.parse_typed(text) if typed else phones.parse_strict(text)
    except ValueError as problem:
        raise Refused("bad_address", str(problem), field="address") from None


def email(text: str) -> str:
    """Return a mail address as its domain is written. Raises Refused that says why it is none."""
    try:
        return _email(text)
    except EmailNotValidError as problem:
        raise Refused(
            "bad_address", f"This is not an email address: {problem}", field="address"
        ) from None


@lru_cache(maxsize=4096)
def _email(text: str) -> str:
    if len(text) > LONGEST_EMAIL:
        raise EmailNotValidError(f"It has more than {LONGEST_EMAIL} characters.")
    return validate_email(text, check_deliverability=False).normalized


def normalize(kind: str, address: str) -> str:
    """Return the current normal form of an address that was accepted before."""
    if kind != Address.PHONE:
        return address
    try:
        return phones.parse_strict(address)
    except ValueError:
        return address


def written_forms(kind: str, address: str) -> tuple[str, ...]:
    """Return every form in which an address may have been written: the normal one first."""
    found = normalize(kind, address)
    return phones.written_forms(found) if kind == Address.PHONE else (found,)
