"""API keys, which authenticate signing apps."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select

from hub.accounts import sources
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Scope
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import read, transaction
from hub.db.types import is_id, now
from hub.lib.crypto import digest
from hub.lib.text import clean_line
from hub.models import ApiKey, Source
from hub.shared import audit

LIVE = "sp_live_"
TEST = "sp_test_"
MAX_NAME_LENGTH = 80
ALL_SCOPES = "*"  # stored form of all scopes, including later ones
MAX_PER_MINUTE = 10_000_000
MAX_LIFETIME = timedelta(days=3660)  # no time zone can make such an expiry overflow
USE_INTERVAL = timedelta(minutes=10)  # between writes of `used_at`


@dataclass(frozen=True)
class KeyPermissions:
    """The scopes, the expiry and the limit of a key. Without an expiry it is valid until
    revoked.
    """

    scopes: Collection[str] = tuple(Scope)
    expires_at: datetime | None = None
    per_minute: int | None = None  # None: HUB_API_PER_MINUTE


@transaction
def create_key(
    name: str, *, test: bool, source: str | None = None, grant: KeyPermissions = KeyPermissions()
) -> str:
    """Create a key of a source, given by slug, and return its text, which cannot be read again.

    Raises Refused with the field, or NotFound.
    """
    clean_name = " ".join(clean_line(name).split())
    if not clean_name or len(clean_name) > MAX_NAME_LENGTH:
        raise Refused(
            "bad_name",
            f"Enter a name of at most {MAX_NAME_LENGTH} characters, such as Contracts (live).",
            field="name",
        )
    key_source = sources.get_source(source or sources.DEFAULT)
    text = (TEST if test else LIVE) + secrets.token_urlsafe(32)
    key = ApiKey(source_id=key_source.id, name=clean_name, digest=digest(text), test=test)
    _apply_permissions(key, grant)
    db.session.add(key)
    db.session.flush()
    audit.record(
        "api_key.created",
        key.id,
        clean_name,
        test=test,
        source=key_source.slug,
        **_activity_detail(key),
    )
    return text


@transaction
def update_key(key_id: str, grant: KeyPermissions) -> None:
    """Change a key's scopes, expiry and limit. Raises Refused with the field."""
    key = get_key(key_id)
    if key.revoked_at is not None:
        raise Conflict("revoked", "This key is revoked. Create another one.")
    former = _activity_detail(key)
    _apply_permissions(key, grant, unchanged=key.expires_at)
    if _activity_detail(key) != former:
        audit.record("api_key.changed", key.id, key.name, **_activity_detail(key))


def parse_expiry(text: str) -> datetime:
    """Parse an expiry: 90d, a date (which is included), or a time with its zone. Raises Refused."""
    reason = f"{quoted(text)} is not a valid time. Enter 90d, 2027-01-31 or 2027-01-31T09:30:00Z."
    error = Refused("bad_expiry", reason, field="expires_at")
    try:
        if match := re.fullmatch(r"(\d{1,5})d", text):
            return now() + timedelta(days=int(match[1]))
        parsed = datetime.fromisoformat(text)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return parsed.replace(tzinfo=UTC) + timedelta(days=1)
        if parsed.tzinfo is None:
            raise error
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise error from None


def _apply_permissions(
    key: ApiKey, grant: KeyPermissions, *, unchanged: datetime | None = None
) -> None:
    unknown = sorted(set(grant.scopes) - set(Scope))
    if unknown:
        reason = f"There is no scope {quoted(unknown[0])}. Choose one of {', '.join(Scope)}."
        raise Refused("unknown_scope", reason, field="scopes")
    if not grant.scopes:
        raise Refused("no_scope", "Choose at least one scope.", field="scopes")
    if grant.per_minute is not None and not 1 <= grant.per_minute <= MAX_PER_MINUTE:
        reason = f"Enter a whole number from 1 to {MAX_PER_MINUTE:,}, or leave it empty."
        raise Refused("bad_limit", reason, field="per_minute")
    expires_at = grant.expires_at
    if expires_at is not None and expires_at != unchanged:
        if expires_at <= now():
            raise Refused("in_the_past", "Enter a time in the future.", field="expires_at")
        if expires_at > now() + MAX_LIFETIME:
            raise Refused("too_late", "Enter a time within the next 10 years.", field="expires_at")
    scopes = set(grant.scopes)
    key.scopes = ALL_SCOPES if scopes == set(Scope) else " ".join(sorted(scopes))
    key.expires_at = expires_at
    key.per_minute = grant.per_minute


def _activity_detail(key: ApiKey) -> dict[str, Any]:
    expires = key.expires_at.isoformat() if key.expires_at else "never"
    return {"scopes": key.scopes, "expires": expires, "per_minute": key.per_minute or "default"}


@lru_cache(maxsize=128)
def parse_scopes(stored: str) -> frozenset[Scope]:
    """Return the scopes in a stored text. Unknown words grant nothing."""
    if stored == ALL_SCOPES:
        return frozenset(Scope)
    return frozenset(Scope(word) for word in stored.split() if word in set(Scope))


@dataclass(frozen=True)
class AuthenticatedKey:
    """A valid key."""

    id: str
    source_id: str
    name: str
    test: bool
    used_at: datetime | None
    scopes: frozenset[Scope] = frozenset(Scope)
    per_minute: int | None = None  # None: the default limit


_BY_DIGEST = Statement(
    select(
        ApiKey.id,
        ApiKey.source_id,
        ApiKey.name,
        ApiKey.test,
        ApiKey.used_at,
        ApiKey.scopes,
        ApiKey.per_minute,
        ApiKey.revoked_at,
        ApiKey.expires_at,
    ).where(ApiKey.digest == bindparam("digest"))
)


def find_key(text: str) -> AuthenticatedKey | None:
    """Return the key with this text, or None if it is unknown, revoked or expired."""
    if not text.startswith((LIVE, TEST)):
        return None
    for row in read(_BY_DIGEST, digest=digest(text)):
        row_id, source_id, name, test, used_at, scopes, per_minute, revoked_at, expires_at = row
        if revoked_at is None and (expires_at is None or expires_at > now()):
            return AuthenticatedKey(
                row_id, source_id, name, test, used_at, parse_scopes(scopes), per_minute
            )
    return None


def has_expired(text: str) -> bool:
    """Return whether this text is a key that was valid until it expired."""
    if not text.startswith((LIVE, TEST)):
        return False
    rows = read(_BY_DIGEST, digest=digest(text))
    return any(revoked is None and expires is not None for *_, revoked, expires in rows)


def authenticate(bearer: str) -> AuthenticatedKey | None:
    """Return the key of a caller and record its use, or None if it is not valid."""
    key = find_key(bearer)
    if key is not None and (key.used_at is None or now() - key.used_at > USE_INTERVAL):
        _record_use(key.id)
        return find_key(bearer)
    return key


def describe_refused(text: str) -> dict[str, str]:
    """Return the label of a refused key for the audit log: its name, or its first characters."""
    row = db.session.scalar(select(ApiKey).where(ApiKey.digest == digest(text)))
    if row is not None:
        state = "revoked" if row.revoked_at else "expired"
        return {"actor_name": "An API caller", "subject": row.id, "title": row.name, "key": state}
    kind = next((prefix for prefix in (LIVE, TEST) if text.startswith(prefix)), "")
    title = f"{text[: len(kind) + 4]}…" if kind else "not in the form of Signpost’s keys"
    return {"actor_name": "An API caller", "title": title}


@transaction
def _record_use(key_id: str) -> None:
    db.session.get_one(ApiKey, key_id).used_at = now()


@transaction
def revoke_key(key_id: str) -> None:
    """Revoke a key. It is refused from now on."""
    key = get_key(key_id)
    if key.revoked_at is None:
        key.revoked_at = now()
        audit.record("api_key.revoked", key.id, key.name)


def get_key(key_id: str) -> ApiKey:
    """Return a key by its ID. Raises NotFound."""
    key = db.session.get(ApiKey, key_id) if is_id("key", key_id) else None
    if key is None:
        raise NotFound("unknown_key", "This API key does not exist.")
    return key


@dataclass(frozen=True)
class ApiKeySummary:
    """A key for display."""

    id: str
    name: str
    test: bool
    source: Source
    scopes: list[str]
    all_scopes: bool
    state: str  # Revoked or Expired; empty for a valid key
    per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None

    @property
    def valid_until(self) -> datetime | None:
        """The last time at which the key is valid: for a date, the end of that day."""
        return self.expires_at - timedelta(microseconds=1) if self.expires_at else None


def summarize(key: ApiKey) -> ApiKeySummary:
    """Return a key for display."""
    is_expired = key.expires_at is not None and key.expires_at <= now()
    state = "Expired" if is_expired else ""
    return ApiKeySummary(
        id=key.id,
        name=key.name,
        test=key.test,
        source=db.session.get_one(Source, key.source_id),
        scopes=sorted(parse_scopes(key.scopes)),
        all_scopes=key.scopes == ALL_SCOPES,
        state="Revoked" if key.revoked_at else state,
        per_minute=key.per_minute,
        created_at=key.created_at,
        expires_at=key.expires_at,
        used_at=key.used_at,
    )


def list_keys() -> list[ApiKey]:
    """Return all keys, valid ones first, then the newest."""
    return list(
        db.session.scalars(
            select(ApiKey).order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
        )
    )
