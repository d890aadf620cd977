"""The settings of a sign-in with OAuth 2.0, as Microsoft 365 and Google Workspace offer it.

Each function returns a new field, so that the form shows the fields in the order of its class.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wtforms import StringField
from wtforms.validators import Length, Regexp, StopValidation, ValidationError

from hub.integrations.api import SecretField, make_jwt

PASSWORD = "password"  # noqa: S105 - a choice, no password
MICROSOFT = "microsoft"
GOOGLE = "google"
MAX_KEY_FILE_LENGTH = 20_000  # characters


def tenant_field() -> StringField:
    """Return the field for the directory at Microsoft."""
    return StringField(
        "Directory (tenant) ID",
        [
            _needed_for(MICROSOFT, "directory ID"),
            Regexp(
                r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}\Z",
                message="Enter the ID of the directory, or its domain.",
            ),
        ],
        filters=[_strip],
        description="Shown on the overview of the app registration in Microsoft Entra.",
        render_kw={"legend": "Microsoft 365", "optional": "OAuth 2.0 only", "mono": True},
    )


def client_id_field() -> StringField:
    """Return the field for the app registration at Microsoft."""
    return StringField(
        "Application (client) ID",
        [_needed_for(MICROSOFT, "application ID"), Length(max=200)],
        filters=[_strip],
        description=(
            "The app registration needs the application permission `SMTP.SendAsApp`, and"
            " `IMAP.AccessAsApp` to read a mailbox, both with admin consent. Its service principal"
            " needs access to the mailbox in Exchange."
        ),
        render_kw={"mono": True},
    )


def client_secret_field() -> SecretField:
    """Return the field for the secret of the app registration."""
    return SecretField(
        "Client secret",
        [_needed_for(MICROSOFT, "client secret"), Length(max=1000)],
        bound_to=("tenant", "client_id"),
        description="The value of the secret, not its ID. Stored encrypted and never shown again.",
    )


def service_account_field() -> SecretField:
    """Return the field for the key file of a service account at Google."""
    return SecretField(
        "Service account key",
        [_needed_for(GOOGLE, "key of the service account"), _validate_service_account],
        description=(
            "The whole key file, which is JSON. The account needs domain-wide delegation for the"
            " scope `https://mail.google.com/`. Stored encrypted and never shown again."
        ),
        render_kw={"legend": "Google Workspace", "optional": "OAuth 2.0 only"},
    )


def service_account(text: str) -> dict[str, Any]:
    """Return the content of a service account's key file. Raises ValueError."""
    try:
        key = json.loads(text[:MAX_KEY_FILE_LENGTH])
    except (ValueError, RecursionError):
        key = None
    names = ("client_email", "private_key")
    if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in names):
        raise ValueError("Paste the whole key file of the service account, which is JSON.")
    return key


def _validate_service_account(form: Any, field: Any) -> None:
    del form
    try:
        key = service_account(field.data)
    except ValueError as error:
        raise ValidationError(str(error)) from None
    try:
        make_jwt({}, key["private_key"])
    except ValueError:
        raise ValidationError(
            "The private key in the key file is not complete. Paste the whole file again."
        ) from None


def _needed_for(choice: str, noun: str) -> Callable[[Any, Any], None]:
    """Return a validator: the field is needed for one kind of sign-in, otherwise optional."""

    def check(form: Any, field: Any) -> None:
        if not field.data:
            is_needed = form.sign_in.data == choice
            raise StopValidation(f"Enter the {noun}." if is_needed else "")

    return check


def _strip(text: str | None) -> str | None:
    return text.strip() if text else text
