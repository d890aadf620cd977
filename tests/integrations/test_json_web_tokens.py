"""Tokens prove who sent a webhook, whatever somebody else makes of them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.core.errors import BadWebhook
from hub.integrations.api import ConfigForm, PrivateKeyField, make_jwt, verify_jwt

SECRET = "a-long-secret-of-the-account-0123456789"
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - must be refused


def pem(key: Any, password: bytes = b"") -> str:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    form = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, form, encryption).decode())


def public_pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


KEYS = {
    "HS256": (SECRET, SECRET),
    "RS256": (pem(RSA), public_pem(RSA)),
    "ES256": (pem(P256), public_pem(P256)),
}
algorithms = st.sampled_from(sorted(KEYS))
claims = st.dictionaries(
    st.sampled_from(["iss", "jti", "application_id", "nested"]),
    st.text(max_size=9) | st.integers(0, 9) | st.lists(st.text(max_size=3), max_size=2),
)


@given(algorithm=algorithms, content=claims)
def test_own_tokens_are_those_of_a_reference(algorithm: str, content: dict[str, Any]) -> None:
    private, public = KEYS[algorithm]
    token = make_jwt(content, private, algorithm=algorithm)
    options: Any = {"verify_aud": False, "verify_iss": False, "verify_jti": False}
    assert jwt.decode(token, public, [algorithm], options=options) == content
    assert verify_jwt(public, f"Bearer {token}", algorithm=algorithm) == content
    if "iss" not in content and "jti" not in content:  # the reference accepts only texts there
        theirs = jwt.encode(content, private, algorithm)
        assert verify_jwt(public, theirs, algorithm=algorithm) == content


@given(algorithm=algorithms, data=st.data())
def test_changed_token_is_refused(algorithm: str, data: st.DataObject) -> None:
    private, public = KEYS[algorithm]
    token = make_jwt({"iss": "Pushfox"}, private, algorithm=algorithm)
    at = data.draw(st.integers(0, len(token) - 1))
    char = data.draw(st.characters().filter(lambda char: char != token[at]))
    with pytest.raises(BadWebhook):
        verify_jwt(public, token[:at] + char + token[at + 1 :], algorithm=algorithm)


@given(token=st.none() | st.integers() | st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
def test_any_other_value_is_refused(token: Any) -> None:
    with pytest.raises(BadWebhook):
        verify_jwt(SECRET, token)


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS512", "RS256", "ES256", None, 5])
def test_token_does_not_choose_the_algorithm(algorithm: Any) -> None:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": algorithm}, {"iss": "Pushfox"})
    ]
    with pytest.raises(BadWebhook):
        verify_jwt(SECRET, ".".join([*parts, ""]))
    with pytest.raises(BadWebhook):
        verify_jwt(SECRET, make_jwt({}, SECRET, algorithm="HS256"), algorithm="RS256")


def test_public_key_is_no_secret() -> None:
    """A public key must not verify tokens that were signed with its text as a secret."""
    public = public_pem(RSA)
    forged = make_jwt({}, public, algorithm="HS256")
    with pytest.raises(BadWebhook):
        verify_jwt(public, forged, algorithm="RS256")


def test_blank_secret_proves_nothing() -> None:
    with pytest.raises(BadWebhook):
        verify_jwt("", make_jwt({}, SECRET, algorithm="HS256"))


@pytest.mark.parametrize(
    ("content", "is_valid"),
    [
        ({"exp": 60}, True),
        ({"exp": -60}, True),
        ({"exp": -3600}, False),
        ({"nbf": 60}, True),
        ({"nbf": 3600}, False),
        ({"iat": -86400}, True),
        ({"iat": 3600}, False),
    ],
)
def test_times_are_checked_with_clocks_apart(content: dict[str, int], is_valid: bool) -> None:
    times = {name: int(time.time()) + seconds for name, seconds in content.items()}
    token = make_jwt(times, SECRET, algorithm="HS256")
    if is_valid:
        assert verify_jwt(SECRET, token) == times
    else:
        with pytest.raises(BadWebhook, match="expired"):
            verify_jwt(SECRET, token)


@pytest.mark.parametrize("value", ["soon", True, None, [], {}, float("nan")])
def test_damaged_expiry_is_refused(value: Any) -> None:
    token = make_jwt({"exp": value}, SECRET, algorithm="HS256")
    if value is None:
        assert verify_jwt(SECRET, token) == {"exp": None}
    else:
        with pytest.raises(BadWebhook):
            verify_jwt(SECRET, token)


@given(body=st.binary(max_size=40), other=st.binary(max_size=40))
def test_body_is_the_signed_one(body: bytes, other: bytes) -> None:
    content = {"payload_hash": hashlib.sha256(body).hexdigest()}
    token = make_jwt(content, SECRET, algorithm="HS256")
    assert verify_jwt(SECRET, token, body=body) == content
    if other != body:
        with pytest.raises(BadWebhook, match="body"):
            verify_jwt(SECRET, token, body=other)
    with pytest.raises(BadWebhook, match="body"):
        verify_jwt(SECRET, make_jwt({}, SECRET, algorithm="HS256"), body=body)


# ── Private keys ──────────────────────────────────────────────────────────────────────────────────
class KeyForm(ConfigForm):
    """Ask for a private key."""

    key = PrivateKeyField(required=True)


def saved_key(text: str) -> KeyForm:
    return KeyForm(MultiDict({"key": text}))


@pytest.mark.parametrize("key", [RSA, P256], ids=["RSA", "P-256"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\\n"),
        lambda text: f"\n  {text}  \n\n",
    ],
    ids=["as it is", "of a browser", "of a JSON file", "with blanks"],
)
def test_private_key_signs_after_it_was_saved(key: Any, change: Any) -> None:
    form = saved_key(change(pem(key)))
    assert form.validate(), form.errors
    assert form.key.data == pem(key)
    algorithm = "RS256" if key is RSA else "ES256"
    token = make_jwt({"a": 1}, form.key.data, algorithm=algorithm)
    assert verify_jwt(public_pem(key), token, algorithm=algorithm) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Enter the private key."),
        ("secret", "Paste the whole private key"),
        (public_pem(RSA), "The text is not a private key."),
        (pem(RSA)[:-80], "The text is not a private key."),
        (pem(RSA, b"password"), "The key is encrypted with a password."),
        (pem(SHORT), "The RSA key is too short."),
        (pem(ed25519.Ed25519PrivateKey.generate()), "This kind of key cannot sign tokens."),
        (pem(ec.generate_private_key(ec.SECP384R1())), "This kind of key cannot sign tokens."),
    ],
    ids=["none", "text", "public", "cut", "password", "short", "Ed25519", "P-384"],
)
def test_key_that_cannot_sign_is_refused_with_the_reason(text: str, problem: str) -> None:
    form = saved_key(text)
    assert not form.validate()
    [error] = form.key.errors
    assert error.startswith(problem)


def test_key_is_never_shown_again() -> None:
    form = saved_key(pem(RSA))
    shown = form.key(placeholder='"><script>')
    assert "PRIVATE KEY" not in shown
    assert "<script>" not in shown
    assert shown.startswith("<textarea ")


@pytest.mark.parametrize("key", ["", "secret", public_pem(RSA), pem(P256)])
def test_wrong_key_is_an_error_without_the_key(key: str) -> None:
    with pytest.raises(ValueError, match="key") as problem:
        make_jwt({}, key)
    assert not key or key not in str(problem.value)
