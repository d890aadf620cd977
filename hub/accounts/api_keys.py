"""API keys: what a signing app proves itself with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from hub import audit
from hub.crypto import digest
from hub.errors import NotFound, Refused
from hub.extensions import db
from hub.models import ApiKey, Source
from hub.models.types import is_id, now
from hub.statements import Statement
from hub.store import read, transaction

LIVE, TEST = "sp_live_", "sp_test_"
LONGEST_NAME = 80
USED_EVERY = timedelta(minutes=10)  # a call must not cost a write of its own


@transaction
def create(name: str, *, test: bool, source: str | None = None) -> str:
    """Make a key of a source, by its slug, and return it; it cannot be read again."""
    words = " ".join(name.split())
    if not words or len(words) > LONGEST_NAME:
        raise Refused("bad_name", f"Give the key a name of at most {LONGEST_NAME} characters: what will use it.", field="name")
    owner = db.session.scalar(select(Source).where(Source.slug == (source or "default")))
    if owner is None:
        raise NotFound("unknown_source", f"There is no source {source!r}.", field="source")
    text = (TEST if test else LIVE) + secrets.token_urlsafe(32)
    key = ApiKey(source_id=owner.id, name=words, digest=digest(text), test=test)
    db.session.add(key)
    db.session.flush()
    audit.record("api_key.created", key.id, words, test=test, source=owner.slug)
    return text


@dataclass(frozen=True)
class Known:
    """A key that opens something."""

    id: str
    source_id: str
    name: str
    test: bool
    used_at: datetime | None


_BY_DIGEST = Statement(select(
    ApiKey.id, ApiKey.source_id, ApiKey.name, ApiKey.test, ApiKey.used_at, ApiKey.revoked_at, ApiKey.expires_at
).where(ApiKey.digest == bindparam("digest")))  # fmt: skip


def find(text: str) -> Known | None:
    """Return the key with this text, or None when it is unknown, revoked or expired."""
    if not text.startswith((LIVE, TEST)):
        return None
    for *known, revoked_at, expires_at in read(_BY_DIGEST, digest=digest(text)):
        if revoked_at is None and (expires_at is None or expires_at > now()):
            return Known(*known)
    return None


def authenticate(bearer: str) -> Known | None:
    """Return the key that a caller shows, and note that it is used; None when it opens nothing."""
    key = find(bearer)
    if key is not None and (key.used_at is None or now() - key.used_at > USED_EVERY):
        _note_use(key.id)
        return find(bearer)
    return key


@transaction
def _note_use(key_id: str) -> None:
    db.session.get_one(ApiKey, key_id).used_at = now()


@transaction
def revoke(key_id: str) -> None:
    """End a key at once; whoever uses it is refused from now on."""
    key = db.session.get(ApiKey, key_id) if is_id("key", key_id) else None
    if key is None:
        raise NotFound("unknown_key", "There is no such API key.")
    if key.revoked_at is None:
        key.revoked_at = now()
        audit.record("api_key.revoked", key.id, key.name)


def all_keys() -> list[ApiKey]:
    """Return every key, those that work first, then the newest."""
    return list(db.session.scalars(select(ApiKey).order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())))
