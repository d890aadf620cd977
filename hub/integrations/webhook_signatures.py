"""Verify the signatures of webhooks. A blank secret proves nothing."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from hub.core.errors import BadWebhook

WRONG = "The signature does not match."


def verify_hmac(
    secret: str, message: bytes | str, given: Any, *, algorithm: str = "sha256"
) -> None:
    """Raise BadWebhook unless `given` is the HMAC of a message, in hexadecimal or base64.

    `given` may be any value of a webhook. `algorithm` is a name of hashlib. A prefix such as
    `sha256=` has to be removed before.
    """
    digest = hmac.digest(_to_bytes(secret), _to_bytes(message), algorithm)
    text = given if isinstance(given, str) else ""
    is_hexadecimal = hmac.compare_digest(_to_bytes(text.lower()), digest.hex().encode())
    is_base64 = hmac.compare_digest(_to_bytes(text), b64encode(digest))
    if not secret or not (is_hexadecimal or is_base64):
        raise BadWebhook(WRONG)


def verify_secret(secret: str, given: Any) -> None:
    """Raise BadWebhook unless a webhook carries the secret itself, in a header for instance.

    `given` may be any value of a webhook.
    """
    text = given if isinstance(given, str) else ""
    if not secret or not hmac.compare_digest(_to_bytes(text), _to_bytes(secret)):
        raise BadWebhook("The request does not carry the secret.")


def join_fields(fields: Mapping[str, Any], *, without: str = "", replaced: str = "") -> str:
    """Return fields as `&name=value`, in the order of their names, as some providers sign them.

    `without` is the field of the signature. Characters of `replaced` become `_` in values. Raises
    BadWebhook for a name with `&` or `=`, because other fields could result in the same text.
    """
    signed = ""
    for name, value in sorted(fields.items()):
        if "&" in name or "=" in name:
            raise BadWebhook("The name of a field contains & or =.")
        if name != without:
            text = "".join("_" if char in replaced else char for char in str(value))
            signed += f"&{name}={text}"
    return signed


def _to_bytes(text: bytes | str) -> bytes:
    """Return a text in UTF-8. JSON may contain half of a surrogate pair, which UTF-8 has not."""
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
