"""Encrypt values with AES-256-GCM, bound to the row and the field that they belong to.

An encrypted value consists of version (1 byte), length of the key ID (1), key ID, nonce (12),
ciphertext and tag. The key of a row is HKDF-SHA256(master key, "table\\0row id"). The associated
data is "key id\\0field", so that a value cannot be decrypted in another row, table or field.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

from hub.core.errors import DecryptionError
from hub.core.quotes import quoted

SHA256 = hashes.SHA256()
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
VERSION = 1
NONCE = 12


class EncryptedField(NamedTuple):
    """The table and field that encryption is bound to. It never changes once values exist."""

    table: str
    name: str


class Keyring:
    """The master keys, newest first. The newest encrypts, and all of them decrypt."""

    def __init__(self, keys: Iterable[tuple[str, bytes]]) -> None:
        self._keys = dict(keys)
        self.newest = next(iter(self._keys))
        self._newest_id = self.newest.encode()
        self._header = bytes((VERSION, len(self._newest_id))) + self._newest_id
        # HKDF's first step depends only on the master key, so it is done once
        self._extracted = {
            key_id: hmac.digest(bytes(32), key, "sha256") for key_id, key in self._keys.items()
        }

    def seal(self, field: EncryptedField, row_id: str, plaintext: bytes) -> bytes:
        """Encrypt `plaintext` for one field of one row."""
        nonce = os.urandom(NONCE)
        cipher = AESGCM(self._row_key(self.newest, field.table, row_id))
        associated_data = self._newest_id + b"\0" + field.name.encode()
        return self._header + nonce + cipher.encrypt(nonce, plaintext, associated_data)

    def open(self, field: EncryptedField, row_id: str, encrypted: bytes) -> bytes:
        """Decrypt a value of the same field and row. Raises DecryptionError with the key's ID."""
        key_id = read_key_id(encrypted)
        if key_id not in self._keys:
            raise DecryptionError(
                key_id,
                f"This value was encrypted with the key {quoted(key_id)}, which is not in"
                " HUB_ENCRYPTION_KEYS. Add that key again after the newest one.",
            )
        start = 2 + encrypted[1]
        nonce = encrypted[start : start + NONCE]
        body = encrypted[start + NONCE :]
        try:
            cipher = AESGCM(self._row_key(key_id, field.table, row_id))
            return cipher.decrypt(nonce, body, key_id.encode() + b"\0" + field.name.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError(
                key_id,
                f"This value cannot be decrypted with the key {quoted(key_id)}. Either"
                " HUB_ENCRYPTION_KEYS has another key with that ID, or the stored value"
                " was changed.",
            ) from None

    def seal_json(self, field: EncryptedField, row_id: str, value: Any) -> bytes:
        return self.seal(field, row_id, _encode(value).encode())

    def open_json(self, field: EncryptedField, row_id: str, encrypted: bytes) -> Any:
        """Decrypt a value of `seal_json`. Raises DecryptionError."""
        try:
            return json.loads(self.open(field, row_id, encrypted))
        except (ValueError, RecursionError):
            raise DecryptionError(
                read_key_id(encrypted),
                "This value can be decrypted, but Signpost did not write it.",
            ) from None

    def _row_key(self, key_id: str, table: str, row_id: str) -> bytes:
        return _derive(self._extracted[key_id], table, row_id)


@lru_cache(maxsize=64)  # several fields of a row are encrypted together
def _derive(extracted: bytes, table: str, row_id: str) -> bytes:
    # a key of 32 bytes is the first block of HKDF's second step (RFC 5869, section 2.3)
    return _hmac_sha256(extracted, f"{table}\0{row_id}".encode() + b"\x01")


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    state = _keyed_state(key).copy()
    state.update(message)
    return state.finalize()


@lru_cache(maxsize=64)
def _keyed_state(key: bytes) -> HMAC:
    """Return the state of HMAC-SHA256 with a key. A copy of it takes a quarter of a new one."""
    return HMAC(key, SHA256)


def read_key_id(encrypted: bytes) -> str:
    """Return the ID of the key that encrypted a value. Raises DecryptionError."""
    if (
        not isinstance(encrypted, bytes)
        or len(encrypted) < 2
        or encrypted[0] != VERSION
        or len(encrypted) < 2 + encrypted[1] + NONCE + 16
    ):
        raise DecryptionError("?", "This value was not encrypted by Signpost, or it was truncated.")
    return encrypted[2 : 2 + encrypted[1]].decode(errors="replace")


def digest(token: str) -> bytes:
    """Return the SHA-256 hash of a random token, which is safe to store."""
    return hashlib.sha256(token.encode()).digest()


def blind_index(key: bytes, *parts: str) -> bytes:
    """Return the HMAC-SHA256 of guessable texts, to find them without storing them in clear."""
    return _hmac_sha256(key, "\0".join(parts).encode())
