"""Sign and verify JSON Web Tokens (RFC 7519), with which some providers authenticate requests."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from hub.core.errors import BadWebhook

ALGORITHMS = ("HS256", "RS256", "ES256")
MAX_LENGTH = 16_384  # characters of a token
CLOCKS_APART = 300  # seconds between the provider's clock and Signpost's
MIN_RSA_SIZE = 2048  # bits
_INTEGER_SIZE = 32  # bytes of each of the two integers of an ES256 signature
INVALID = "The token of the request is not valid."


def make_jwt(
    claims: Mapping[str, Any],
    key: str,
    *,
    algorithm: str = "RS256",
    headers: Mapping[str, Any] | None = None,
) -> str:
    """Return a signed token. `key` is a private key as PEM text, or the secret for HS256.

    Raises ValueError for a key that does not fit the algorithm. Its text is not in the error.
    """
    header = {"alg": algorithm, "typ": "JWT", **(headers or {})}
    content = f"{_encode_json(header)}.{_encode_json(claims)}"
    return f"{content}.{_encode(_sign(content.encode(), key, algorithm))}"


def verify_jwt(
    key: str, token: Any, *, algorithm: str = "HS256", body: bytes | str | None = None
) -> dict[str, Any]:
    """Return the claims of a token, or raise BadWebhook unless it was signed with the key.

    `key` is the secret for HS256, otherwise a public key as PEM text; a blank one proves nothing.
    `token` may be any value of a webhook, such as its Authorization header with `Bearer`. The
    token's own choice of another algorithm is refused, and so are tokens that have expired or are
    not yet valid. With `body`, the claim `payload_hash` must be its SHA-256 in hexadecimal.
    """
    text = token.removeprefix("Bearer ").strip() if isinstance(token, str) else ""
    parts = text.split(".")
    if not key or len(parts) != 3 or len(text) > MAX_LENGTH:
        raise BadWebhook(INVALID)
    header = _decode_json(parts[0])
    content = f"{parts[0]}.{parts[1]}".encode("utf-8", "surrogatepass")
    if header.get("alg") != algorithm or "crit" in header:
        raise BadWebhook(INVALID)
    if not _is_signed(content, _decode(parts[2]), key, algorithm):
        raise BadWebhook("The signature does not match.")
    claims = _decode_json(parts[1])
    _check_times(claims)
    if body is not None:
        _check_body(claims, body)
    return claims


def _check_times(claims: Mapping[str, Any]) -> None:
    now = time.time()
    ends_at = _time(claims, "exp")
    begins = [at for at in (_time(claims, "nbf"), _time(claims, "iat")) if at is not None]
    is_over = ends_at is not None and ends_at <= now - CLOCKS_APART
    if is_over or max(begins, default=now) > now + CLOCKS_APART:
        raise BadWebhook("The token of the request has expired, or is not valid yet.")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time in seconds, or None for a token without it."""
    at = claims.get(name)
    if at is None:
        return None
    if isinstance(at, int | float) and not isinstance(at, bool) and math.isfinite(at):
        return at
    raise BadWebhook(INVALID)


def _check_body(claims: Mapping[str, Any], body: bytes | str) -> None:
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    given = claims.get("payload_hash")
    expected = hashlib.sha256(content).hexdigest().encode()
    text = given.lower().encode("utf-8", "surrogatepass") if isinstance(given, str) else b""
    if not hmac.compare_digest(text, expected):
        raise BadWebhook("The body is not the one that was signed.")


# ── Signatures ────────────────────────────────────────────────────────────────────────────────────
def _sign(content: bytes, key: str, algorithm: str) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    if algorithm == "HS256" and key:
        return hmac.digest(key.encode(), content, "sha256")
    private = _load_private_key(key)
    if algorithm == "RS256" and isinstance(private, rsa.RSAPrivateKey):
        return private.sign(content, PKCS1v15(), hashes.SHA256())
    if algorithm == "ES256" and _is_p256(private, ec.EllipticCurvePrivateKey):
        signature = private.sign(content, ec.ECDSA(hashes.SHA256()))
        integers = utils.decode_dss_signature(signature)
        return b"".join(integer.to_bytes(_INTEGER_SIZE, "big") for integer in integers)
    raise ValueError(f"The key cannot sign with {algorithm}.")


def _is_signed(content: bytes, signature: bytes, key: str, algorithm: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if algorithm == "HS256":
        return hmac.compare_digest(hmac.digest(key.encode(), content, "sha256"), signature)
    try:
        public: Any = load_pem_public_key(key.encode())
        if algorithm == "RS256" and isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, content, PKCS1v15(), hashes.SHA256())
            return True
        is_long = len(signature) == 2 * _INTEGER_SIZE
        if algorithm == "ES256" and is_long and _is_p256(public, ec.EllipticCurvePublicKey):
            halves = (signature[:_INTEGER_SIZE], signature[_INTEGER_SIZE:])
            integers = [int.from_bytes(half, "big") for half in halves]
            der = utils.encode_dss_signature(*integers)
            public.verify(der, content, ec.ECDSA(hashes.SHA256()))
            return True
    except (ValueError, TypeError, InvalidSignature):
        return False
    return False


def _is_p256(key: Any, kind: type) -> bool:
    return isinstance(key, kind) and getattr(key, "curve", None).__class__.__name__ == "SECP256R1"


def signing_algorithm(text: str) -> str:
    """Return the algorithm of a private key. Raises ValueError, with a sentence without the key."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = _load_private_key(text)
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_SIZE:
            raise ValueError(f"The RSA key is too short. It needs at least {MIN_RSA_SIZE:,} bits.")
        return "RS256"
    if _is_p256(key, ec.EllipticCurvePrivateKey):
        return "ES256"
    raise ValueError("This kind of key cannot sign tokens. Use an RSA key, or one on P-256.")


def _load_private_key(text: str) -> Any:
    """Return the private key of a PEM text. Raises ValueError, whose text contains no key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(text.encode(), None)
    except TypeError:
        raise ValueError("The key is encrypted with a password.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("The text is not a private key.") from None


# ── Encoding ──────────────────────────────────────────────────────────────────────────────────────
def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _encode_json(value: Mapping[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _decode(text: str) -> bytes:
    """Return base64url without padding. Raises BadWebhook for other spellings of the same bytes."""
    try:
        content = urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}")
    except ValueError:
        raise BadWebhook(INVALID) from None
    if _encode(content) != text:
        raise BadWebhook(INVALID)
    return content


def _decode_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(text))
    except (ValueError, RecursionError):
        raise BadWebhook(INVALID) from None
    if not isinstance(value, dict):
        raise BadWebhook(INVALID)
    return value
