"""Verify Twilio's signature of a request.

The settings of a connection say which secrets may sign and how. The header in which Twilio names
the algorithm is not signed itself, so it can only agree with them: it never lets in what they do
not name. https://www.twilio.com/docs/usage/webhooks/webhooks-security
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


class Way(NamedTuple):
    """A secret that may sign callbacks, and the digest it signs with."""

    secret: str
    key: bytes
    digest: str


Ways = Mapping[str, tuple[Way, ...]]  # by algorithm, in Twilio's word


def ways(settings: Mapping[str, Any]) -> Ways:
    """Return how callbacks may be signed: by an Auth Token, or with a SharedKey by that alone
    unless the settings say otherwise.
    """
    shared = str(settings.get("shared_key") or "")
    tokens = (
        ()
        if shared and not settings.get("auth_token_too")
        else ("auth_token", "secondary_auth_token")
    )
    found = {
        HMAC_SHA1: tuple(
            _way(str(settings[name]), "sha1") for name in tokens if settings.get(name)
        ),
        HMAC_SHA256: (_way(shared, "sha256"),) if shared else (),
    }
    return {algorithm: known for algorithm, known in found.items() if known}


def _way(secret: str, digest: str) -> Way:
    return Way(secret, secret.encode(), digest)


def signed_by(known: Ways, request: WebhookRequest, signature: str) -> bool:
    """Tell whether Twilio signed a request in one of these ways.

    The address we gave is tried first; Twilio's own validator then tries it with and without its
    port.
    """
    said = request.headers.get(SIGNATURE_SETTINGS)
    algorithm = get_signature_algorithm(said).upper() if said else HMAC_SHA1
    tried = known.get(algorithm, ())
    fields = request.fields
    if not tried or not (fields or _empty_or_hashed(request)):
        return False
    # sorted by name, then value; a value that is repeated under one name counts once
    text = (request.url + "".join([name + value for name, value in sorted(set(fields))])).encode()
    given = signature.encode()
    for way in tried:
        # compared as text: Base64 has spare bits, so that several texts say the same digest
        if hmac.compare_digest(base64.b64encode(hmac.digest(way.key, text, way.digest)), given):
            return True
    return any(
        RequestValidator(way.secret).validate(request.url, MultiDict(fields), signature, algorithm)
        for way in tried
    )


def _empty_or_hashed(request: WebhookRequest) -> bool:
    """Tell whether there is no body, or the signed address holds its hash: a form's fields are
    signed, any other body only so.
    """
    stated = request.query.get("bodySHA256", "")
    return not request.body or hmac.compare_digest(
        stated.lower().encode(), hashlib.sha256(request.body).hexdigest().encode()
    )
