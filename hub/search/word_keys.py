"""The key of the search index, and the hashes of words under it.

The key is created once and stored encrypted, as the key of addresses is (hub/shared/index_key.py).
A new key makes all entries useless, so `hub search rebuild` writes them again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.lib import search_words
from hub.lib.crypto import blind_index
from hub.models import Setting

SETTING = "search_key"


def read_key() -> bytes:
    """Return the key. It is created if there is none."""
    row = db.session.get(Setting, SETTING, populate_existing=True)
    return bytes.fromhex(row.value if row is not None else _create_key())


@transaction
def _create_key() -> str:
    row = db.session.get(Setting, SETTING)  # another process may have been first
    if row is None:
        row = Setting(name=SETTING, value=secrets.token_hex(32))
        db.session.add(row)
        db.session.flush()
    return str(row.value)


@transaction
def replace_key() -> None:
    """Replace the key. Entries under the old key, which need not be readable, are not found now."""
    row = _locked_row() or Setting(name=SETTING)
    row.value = secrets.token_hex(32)
    db.session.add(row)


@transaction
def lock_key() -> bytes:
    """Return the key, locked until the transaction ends: the index has one writer at a time.

    Without the lock, one writer could delete the beginnings of a word that another one adds again.
    """
    row = _locked_row()
    return bytes.fromhex(row.value) if row is not None else read_key()


def _locked_row() -> Setting | None:
    query = select(Setting).where(Setting.name == SETTING).with_for_update()
    return db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def hash_words(key: bytes, words: Iterable[str]) -> dict[str, int]:
    """Return the hash of each word."""
    return {word: _hash(key, "word", word) for word in words}


def hash_prefixes(key: bytes, word: str) -> list[int]:
    """Return the hashes of the beginnings of a word."""
    return [hash_prefix(key, prefix) for prefix in search_words.prefixes(word)]


def hash_prefix(key: bytes, prefix: str) -> int:
    """Return the hash of one beginning of words."""
    return _hash(key, "prefix", prefix)


@lru_cache(maxsize=4096)  # titles and senders repeat the same words
def _hash(key: bytes, kind: str, text: str) -> int:
    """Return 64 bits, which a database stores as a number, of the HMAC of a text."""
    return int.from_bytes(blind_index(key, kind, text)[:8], "big", signed=True)
