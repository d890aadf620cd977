"""Verify Twilio's signature of a request.

The settings of a connection determine the accepted secrets and algorithms. The header with the name
of the algorithm is not signed, so it can only select one that the settings accept.
https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from twilio.request_validator import (
    HMAC_SHA1,
    HMAC_SHA256,
    RequestValidator,
    get_signature_algorithm,
)
from werkzeug.datastructures import MultiDict

from hub.integrations.api import WebhookRequest

SIGNATURE = "x-twilio-signature"
SIGNATURE_SETTINGS = "x-twilio-webhooks-signature-settings"


class SigningKey(NamedTuple):
    """A secret that may sign callbacks, and the digest that it uses."""

    secret: str
    key: bytes
    digest: str


SigningKeys = Mapping[str, tuple[SigningKey, ...]]  # by Twilio's name of the algorithm


def signing_keys(settings: Mapping[str, Any]) -> SigningKeys:
    """Return the keys that may sign callbacks: the SharedKey, or else the Auth Tokens.

    The setting `auth_token_too` accepts both.
    """
    shared_key = str(settings.get("shared_key") or "")
    accepts_tokens = not shared_key or settings.get("auth_token_too")
    tokens = ("auth_token", "secondary_auth_token") if accepts_tokens else ()
    keys = {
        HMAC_SHA1: tuple(
            _signing_key(str(settings[name]), "sha1") for name in tokens if settings.get(name)
        ),
        HMAC_SHA256: (_signing_key(shared_key, "sha256"),) if shared_key else (),
    }
    return {algorithm: entries for algorithm, entries in keys.items() if entries}


def _signing_key(secret: str, digest: str) -> SigningKey:
    return SigningKey(secret, secret.encode(), digest)


def is_signed(keys: SigningKeys, request: WebhookRequest, signature: str) -> bool:
    """Return whether Twilio signed a request with one of these keys.

    The unchanged URL is tried first. Twilio's own validator then tries it with and without its
    port.
    """
    header = request.headers.get(SIGNATURE_SETTINGS)
    algorithm = get_signature_algorithm(header).upper() if header else HMAC_SHA1
    candidates = keys.get(algorithm, ())
    fields = request.fields
    if not candidates or not (fields or _has_signed_body(request)):
        return False
    # sorted by name, then value; a value that is repeated under one name counts once
    text = (request.url + "".join([name + value for name, value in sorted(set(fields))])).encode()
    received = signature.encode()
    for key in candidates:
        # compared as text, because several Base64 texts decode to the same digest
        if hmac.compare_digest(base64.b64encode(hmac.digest(key.key, text, key.digest)), received):
            return True
    return any(
        RequestValidator(key.secret).validate(request.url, MultiDict(fields), signature, algorithm)
        for key in candidates
    )


def _has_signed_body(request: WebhookRequest) -> bool:
    """Return whether there is no body, or the signed URL contains the hash of the body.

    The fields of a form are signed themselves. Any other body is signed only by this hash.
    """
    stated_hash = request.query.get("bodySHA256", "")
    return not request.body or hmac.compare_digest(
        stated_hash.lower().encode(), hashlib.sha256(request.body).hexdigest().encode()
    )
