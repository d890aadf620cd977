"""Typed secrets, sealed in a page that is shown again: nothing typed is lost, and none is echoed.

Without script, a test answers with the whole page anew; the secret that was tested then rides in a
hidden field that only this hub opens, for the same reader, the same integration, and as long as
what the secret belongs to stays the same.
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
LASTS = 3600  # seconds


def values(cls: type[Integration], posted: Mapping[str, str], user_id: str) -> dict[str, str]:
    """Return the settings that were posted, blank secrets filled with those typed before."""
    form = cls.Form()
    found = {field.name: posted[field.name] for field in form if field.name in posted}
    rows = tuple(f"{field.name}-" for field in form if isinstance(field, FieldList))
    found |= {name: value for name, value in posted.items() if name.startswith(rows)}
    for field in form:
        if isinstance(field, SecretField) and not found.get(field.name, "").strip():
            found[field.name] = _open(
                cls, field, found, user_id, posted.get(field.name + SUFFIX, "")
            )
    return found


def keep(cls: type[Integration], form: ConfigForm, typed: Mapping[str, str], user_id: str) -> None:
    """Put the secrets that were typed into the form that is shown again, sealed."""
    for field in form:
        if isinstance(field, SecretField) and typed.get(field.name, "").strip():
            value = [int(time.time()), typed[field.name]]
            sealed = keyring().seal_json(
                form_secret(field.name), _bound(cls, field, typed, user_id), value
            )
            field.kept = base64.urlsafe_b64encode(sealed).decode()


def _open(
    cls: type[Integration], field: SecretField, typed: Mapping[str, str], user_id: str, kept: str
) -> str:
    try:
        value: Any = keyring().open_json(
            form_secret(field.name),
            _bound(cls, field, typed, user_id),
            base64.urlsafe_b64decode(kept.encode("ascii", "ignore")),
        )
    except (DecryptionError, binascii.Error):
        return ""
    made_at, secret = value
    return str(secret) if time.time() - made_at < LASTS else ""


def _bound(
    cls: type[Integration], field: SecretField, typed: Mapping[str, str], user_id: str
) -> str:
    return "\0".join((user_id, cls.name, *(typed.get(name, "").strip() for name in field.bound_to)))
