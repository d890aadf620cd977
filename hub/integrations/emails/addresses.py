"""Email addresses as they are stored, and as a mail server needs them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from email_validator import EmailNotValidError, validate_email
from wtforms.validators import ValidationError

MAX_ADDRESS_LENGTH = 320  # characters


@lru_cache(maxsize=4096)
def clean_email(address: str) -> str:
    """Return the normal form of an email address. Raises ValueError with the reason."""
    text = address.strip()
    if len(text) > MAX_ADDRESS_LENGTH:
        raise ValueError(f"An email address has at most {MAX_ADDRESS_LENGTH} characters.")
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise ValueError(f"This is not an email address: {error}") from None


@lru_cache(maxsize=4096)
def wire_form(address: str) -> str:
    """Return an address as a mail server needs it, with the domain in ASCII (IDNA 2008).

    An address that is not ASCII before the @ stays as it is: it needs a server with SMTPUTF8.
    Raises ValueError.
    """
    parsed = validate_email(clean_email(address), check_deliverability=False)
    return parsed.ascii_email or f"{parsed.local_part}@{parsed.ascii_domain or parsed.domain}"


def domain_of(address: str) -> str:
    """Return the domain of an address in ASCII."""
    return wire_form(address).rpartition("@")[2]


def validate_address(form: Any, field: Any) -> None:
    """Validate a setting with an email address. Raises ValidationError."""
    del form
    try:
        clean_email(field.data)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_ascii_address(form: Any, field: Any) -> None:
    """Validate an address that is part of every email. Raises ValidationError."""
    validate_address(form, field)
    if not wire_form(field.data).isascii():
        raise ValidationError(
            "Enter an address with ASCII letters before the @: many mail servers accept no others."
        )
