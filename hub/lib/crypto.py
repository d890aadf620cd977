"""Sealing: AES-256-GCM under a keyring, bound to the row and field a value belongs to.

A sealed value is  version (1) · length of key id (1) · key id · nonce (12) · ciphertext and tag.
The key of a row is HKDF-SHA256(master key, "table\\0row id"); the associated data is "key
id\\0field": a value copied to another row, table or field does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from hub.core.errors import DecryptionError

SHA256 = hashes.SHA256()
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
VERSION = 1
NONCE = 12


class EncryptedField(NamedTuple):
    """The name that the encryption of a value is bound to: it never changes once values exist."""

    table: str
    name: str


class Keyring:
    """The master keys, newest first: the first one seals, all of them open."""

    def __init__(self, keys: Iterable[tuple[str, bytes]]) -> None:
        self._keys = dict(keys)
        self.newest = next(iter(self._keys))
        # HKDF's first step depends on the master key alone, so it is done once
        self._extracted = {
            key_id: hmac.digest(bytes(32), key, "sha256") for key_id, key in self._keys.items()
        }

    def seal(self, field: EncryptedField, row: str, plain: bytes) -> bytes:
        """Seal `plain` for one field of one row."""
        key_id = self.newest.encode()
        nonce = os.urandom(NONCE)
        cipher = AESGCM(self._row_key(self.newest, field.table, row))
        return (
            bytes((VERSION, len(key_id)))
            + key_id
            + nonce
            + cipher.encrypt(nonce, plain, key_id + b"\0" + field.name.encode())
        )

    def open(self, field: EncryptedField, row: str, sealed: bytes) -> bytes:
        """Open what `seal` made for the same field of the same row.

        Raises Unreadable, which names the key.
        """
        key_id = key_id_of(sealed)
        if key_id not in self._keys:
            raise DecryptionError(
                key_id,
                f"This value was encrypted with the key {key_id!r}, which is not in"
                " HUB_ENCRYPTION_KEYS. Add that key again after the newest one.",
            )
        start = 2 + sealed[1]
        nonce = sealed[start : start + NONCE]
        body = sealed[start + NONCE :]
        try:
            cipher = AESGCM(self._row_key(key_id, field.table, row))
            return cipher.decrypt(nonce, body, key_id.encode() + b"\0" + field.name.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError(
                key_id,
                f"This value cannot be decrypted with the key {key_id!r}. Either"
                " HUB_ENCRYPTION_KEYS has another key with that ID, or the stored value"
                " was changed.",
            ) from None

    def seal_json(self, field: EncryptedField, row: str, value: Any) -> bytes:
        return self.seal(field, row, _encode(value).encode())

    def open_json(self, field: EncryptedField, row: str, sealed: bytes) -> Any:
        """Open what `seal_json` made. Raises Unreadable."""
        try:
            return json.loads(self.open(field, row, sealed))
        except (ValueError, RecursionError):
            raise DecryptionError(
                key_id_of(sealed), "This value can be decrypted, but Signpost did not write it."
            ) from None

    def _row_key(self, key_id: str, table: str, row: str) -> bytes:
        expand = HKDFExpand(SHA256, length=32, info=f"{table}\0{row}".encode())
        return expand.derive(self._extracted[key_id])


def key_id_of(sealed: bytes) -> str:
    """Return the id of the key that sealed a value."""
    if (
        not isinstance(sealed, bytes)
        or len(sealed) < 2
        or sealed[0] != VERSION
        or len(sealed) < 2 + sealed[1] + NONCE + 16
    ):
        raise DecryptionError("?", "This value was not encrypted by Signpost, or it was truncated.")
    return sealed[2 : 2 + sealed[1]].decode(errors="replace")


def digest(token: str) -> bytes:
    """SHA-256 of a random token: safe to store, since nobody can guess the token."""
    return hashlib.sha256(token.encode()).digest()


def blind_index(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 of guessable text (a number, a mail address), so that it can be found but not
    read.
    """
    return hmac.digest(key, "\0".join(parts).encode(), "sha256")
