"""Verify the signatures of webhooks. A blank secret proves nothing."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

from hub.core.errors import BadWebhook

WRONG = "The signature does not match."


def verify_hmac(
    secret: str, message: bytes | str, given: str, *, algorithm: str = "sha256"
) -> None:
    """Raise BadWebhook unless `given` is the HMAC of a message, in hexadecimal or base64.

    `algorithm` is a name of hashlib. A prefix such as `sha256=` has to be removed before.
    """
    content = message.encode() if isinstance(message, str) else message
    digest = hmac.new(secret.encode(), content, getattr(hashlib, algorithm)).digest()
    is_hexadecimal = hmac.compare_digest(given.lower().encode(), digest.hex().encode())
    is_base64 = hmac.compare_digest(given.encode(), b64encode(digest))
    if not secret or not (is_hexadecimal or is_base64):
        raise BadWebhook(WRONG)


def verify_secret(secret: str, given: str) -> None:
    """Raise BadWebhook unless a webhook carries the secret itself, in a header for instance."""
    if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
        raise BadWebhook("The request does not carry the secret.")
