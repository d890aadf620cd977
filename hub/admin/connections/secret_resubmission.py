"""Carry typed secrets in a form that is shown again, without showing them.

Without JavaScript, a test returns the whole page. A hidden field then contains the encrypted
secret. It is valid for one hour, for the same user and integration, and only while the settings
that the secret is bound to stay the same.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from typing import Any

from wtforms import FieldList

from hub.core.errors import DecryptionError
from hub.db.encrypted_fields import form_secret
from hub.db.types import keyring
from hub.integrations.base import ConfigForm, Integration, SecretField

SUFFIX = "-kept"
LIFETIME = 3600  # seconds


def restore_secrets(
    integration_class: type[Integration], posted: Mapping[str, str], user_id: str
) -> dict[str, str]:
    """Return the posted settings, with blank secrets replaced by those typed before."""
    form = integration_class.Form()
    settings = {field.name: posted[field.name] for field in form if field.name in posted}
    list_prefixes = tuple(f"{field.name}-" for field in form if isinstance(field, FieldList))
    settings |= {name: value for name, value in posted.items() if name.startswith(list_prefixes)}
    for field in form:
        if isinstance(field, SecretField) and not settings.get(field.name, "").strip():
            encrypted = posted.get(field.name + SUFFIX, "")
            context = _encryption_context(integration_class, field, settings, user_id)
            settings[field.name] = decrypt_secret(field.name, encrypted, context)
    return settings


def encrypt_entered_secrets(
    integration_class: type[Integration], form: ConfigForm, typed: Mapping[str, str], user_id: str
) -> None:
    """Add the typed secrets to a form that is shown again, encrypted."""
    for field in form:
        if isinstance(field, SecretField) and (secret := typed.get(field.name, "")).strip():
            context = _encryption_context(integration_class, field, typed, user_id)
            field.kept = encrypt_secret(field.name, secret, context)


def encrypt_secret(name: str, secret: str, context: str) -> str:
    """Return the value of the hidden field of a secret. `context`: what the secret is bound to."""
    value = [int(time.time()), secret]
    encrypted = keyring().seal_json(form_secret(name), context, value)
    return base64.urlsafe_b64encode(encrypted).decode()


def decrypt_secret(name: str, encrypted: str, context: str) -> str:
    """Return the secret in a hidden field, or '' if it is expired, damaged or bound to another
    context.
    """
    try:
        value: Any = keyring().open_json(
            form_secret(name),
            context,
            base64.urlsafe_b64decode(encrypted.encode("ascii", "ignore")),
        )
    except (DecryptionError, binascii.Error):
        return ""
    sealed_at, secret = value
    return str(secret) if time.time() - sealed_at < LIFETIME else ""


def _encryption_context(
    integration_class: type[Integration], field: SecretField, typed: Mapping[str, str], user_id: str
) -> str:
    return "\0".join(
        (user_id, integration_class.name, *(typed.get(name, "").strip() for name in field.bound_to))
    )
