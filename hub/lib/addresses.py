"""Parse addresses of people: their kind, their normal form, and other ways to write them."""

from __future__ import annotations

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Address
from hub.lib import phones

MAX_EMAIL_LENGTH = 320  # characters


def parse(text: str) -> tuple[Address, str]:
    """Return the kind and normal form of a phone number in E.164 characters or an email address.

    Raises Refused.
    """
    return _parse(text.strip(), lenient=False)


def parse_typed(text: str) -> tuple[Address, str]:
    """Return the kind and normal form of a phone number or email address as people write it.

    Raises Refused.
    """
    return _parse(text.strip(), lenient=True)


def parse_kind_and_address(text: str, kind: str) -> tuple[Address, str]:
    """Return the kind and normal form of an address whose kind is given.

    An empty kind stands for a phone number or an email address as people write it. Raises Refused.
    """
    try:
        address_kind = Address(kind.strip().lower()) if kind.strip() else None
    except ValueError:
        reason = (
            f"There is no kind of address {quoted(kind[:50])}. Use one of {', '.join(Address)},"
            " or leave it empty for a phone number or email address."
        )
        raise Refused("no_such_kind", reason, field="kind") from None
    if address_kind in (None, Address.PHONE, Address.EMAIL):
        return parse_typed(text)
    if not 0 < len(text.strip()) <= MAX_EMAIL_LENGTH:
        raise Refused(
            "bad_address",
            f"Enter an address of at most {MAX_EMAIL_LENGTH} characters.",
            field="address",
        )
    return Address(address_kind), text.strip()


def _parse(text: str, *, lenient: bool) -> tuple[Address, str]:
    if "@" in text:
        return Address.EMAIL, email(text).lower()
    try:
        return Address.PHONE, phones.parse_typed(text) if lenient else phones.parse_strict(text)
    except ValueError as error:
        raise Refused("bad_address", str(error), field="address") from None


def email(text: str) -> str:
    """Return an email address with its domain in normal form. Raises Refused with the reason."""
    try:
        return _normalize_email(text)
    except EmailNotValidError as error:
        raise Refused(
            "bad_address", f"This is not an email address: {error}", field="address"
        ) from None


@lru_cache(maxsize=4096)
def _normalize_email(text: str) -> str:
    if len(text) > MAX_EMAIL_LENGTH:
        raise EmailNotValidError(f"It has more than {MAX_EMAIL_LENGTH} characters.")
    return validate_email(text, check_deliverability=False).normalized


def normalize(kind: str, address: str) -> str:
    """Return the current normal form of an address that was accepted earlier."""
    if kind != Address.PHONE:
        return address
    try:
        return phones.parse_strict(address)
    except ValueError:
        return address


def written_forms(kind: str, address: str) -> tuple[str, ...]:
    """Return all ways to write an address, the normal form first."""
    normal = normalize(kind, address)
    return phones.written_forms(normal) if kind == Address.PHONE else (normal,)
