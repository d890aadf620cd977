"""Verify the signature of the Event Webhook: ECDSA over the time and the body as it was received.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import binascii
import time
from base64 import b64decode, b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from hub.integrations.api import BadWebhook, WebhookRequest

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
# SendGrid repeats a request for 24 hours, and does not say whether it signs it again
MAX_AGE = 25 * 3600  # seconds
MAX_AHEAD = 3600  # seconds by which the clock of this machine may be late


@lru_cache(maxsize=64)
def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return the key that SendGrid shows, which is DER in base64. Raises ValueError."""
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except (binascii.Error, UnsupportedAlgorithm) as error:
        raise ValueError("This is not a public key.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("This is not a key for ECDSA.")
    return key


def public_text(secret: str) -> str:
    """Return the public key, as SendGrid shows it, of a private one of 62 hexadecimal digits."""
    key = ec.derive_private_key(int(secret, 16), ec.SECP256R1()).public_key()
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def verify_signature(key: str, request: WebhookRequest) -> None:
    """Raise BadWebhook unless the owner of the key signed a request lately."""
    if not key:
        raise BadWebhook("The connection has no verification key.")
    signed_at = request.headers.get(TIMESTAMP, "")
    try:
        signature = b64decode(request.headers.get(SIGNATURE, ""), validate=True)
        content = signed_at.encode() + request.body
        public_key(key).verify(signature, content, ec.ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        raise BadWebhook("The signature does not match.") from None
    _check_time(signed_at)


def _check_time(signed_at: str) -> None:
    age = time.time() - int(signed_at) if signed_at.isdecimal() else None
    if age is None or not -MAX_AHEAD <= age <= MAX_AGE:
        raise BadWebhook(
            "The signature is too old or from the future. Check the clock of this machine."
        )
