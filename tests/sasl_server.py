"""The server's part of SASL sign-ins: PLAIN (RFC 4616) and SCRAM (RFC 5802, RFC 7677)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
ITERATIONS = 4096


class SignInFailed(Exception):
    """The user or the password is wrong. The message is that of a Kafka broker."""


@dataclass
class Credentials:
    """The only user of a server."""

    user: str = "signpost"
    password: str = "correct horse"


class SignIn:
    """A sign-in of one client."""

    def __init__(self, mechanism: str, credentials: Credentials) -> None:
        self.mechanism = mechanism
        self.is_done = False
        self._credentials = credentials
        self._tokens: list[bytes] = []
        self._steps = self._answers()

    def answer(self, token: bytes) -> bytes:
        """Return the answer to a token of the client. Raises SignInFailed."""
        self._tokens.append(token)
        return next(self._steps)

    def _answers(self) -> Iterator[bytes]:
        if self.mechanism == "PLAIN":
            last = _check_plain(self._credentials, self._tokens[0])
        else:
            scram = _Scram(self.mechanism, self._credentials, self._tokens)
            yield scram.challenge()
            last = scram.check_proof()
        self.is_done = True
        yield last


def _check_plain(credentials: Credentials, token: bytes) -> bytes:
    _, user, password = token.decode().split("\0")
    if (user, password) != (credentials.user, credentials.password):
        raise SignInFailed("Authentication failed: Invalid username or password")
    return b""


class _Scram:
    """The two steps of SCRAM. `tokens` grows with each token of the client."""

    def __init__(self, mechanism: str, credentials: Credentials, tokens: list[bytes]) -> None:
        self.mechanism = mechanism
        self.algorithm = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        self.credentials = credentials
        self.tokens = tokens
        self.salt = secrets.token_bytes(16)
        self.nonce = _read_fields(self._first)["r"] + secrets.token_hex(12)

    @property
    def _first(self) -> bytes:
        return self.tokens[0].removeprefix(b"n,,")

    def challenge(self) -> bytes:
        """Return the nonce, the salt and the number of iterations."""
        return f"r={self.nonce},s={b64encode(self.salt).decode()},i={ITERATIONS}".encode()

    def check_proof(self) -> bytes:
        """Return our own proof if that of the client is right. Raises SignInFailed."""
        last, _, proof = self.tokens[1].rpartition(b",p=")
        password = self.credentials.password.encode()
        salted = hashlib.pbkdf2_hmac(self.algorithm, password, self.salt, ITERATIONS)
        signed = b",".join((self._first, self.challenge(), last))
        key = self._sign(salted, b"Client Key")
        signature = self._sign(hashlib.new(self.algorithm, key).digest(), signed)
        expected = bytes(left ^ right for left, right in zip(key, signature, strict=True))
        name = _read_fields(self._first)["n"].replace("=2C", ",").replace("=3D", "=")
        is_user = name == self.credentials.user and _read_fields(last)["r"] == self.nonce
        if not is_user or not hmac.compare_digest(b64decode(proof), expected):
            raise SignInFailed(
                "Authentication failed during authentication due to invalid credentials with SASL"
                f" mechanism {self.mechanism}"
            )
        return b"v=" + b64encode(self._sign(self._sign(salted, b"Server Key"), signed))

    def _sign(self, key: bytes, content: bytes) -> bytes:
        return hmac.digest(key, content, self.algorithm)


def _read_fields(text: bytes) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.decode().split(","))
