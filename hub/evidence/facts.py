"""The shape of a fact before it is recorded, and of the entry that it becomes.

An entry contains a salted hash in place of each personal value. See docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub.core.errors import DecryptionError
from hub.db.types import BadTime
from hub.lib import canonical_json, commitments

BY_SIGNPOST = "signpost"
BY_PROVIDER = "provider"
BY_APP = "app"
BY_USER = "user"
BY_RECIPIENT = "recipient"


@dataclass(frozen=True, kw_only=True)
class HashedContent:
    """The salt and the hash of a text, which were stored with its message."""

    salt: bytes | None
    hash: bytes | None


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened to a request, with its personal values in clear.

    `id` is unique in the evidence of a request. Facts of one `subject` are stored in one row.
    """

    request_id: str
    subject: str
    id: str
    at: datetime | None
    kind: str
    by: str
    details: Mapping[str, Any] = field(default_factory=dict)
    private: Mapping[str, Any] = field(default_factory=dict)
    content: HashedContent | None = None
    contact_id: str | None = None
    address_keys: tuple[bytes, ...] = ()
    is_correction: bool = False  # it follows an earlier entry about its subject

    def build(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the entry, and the salts and values of its hashes."""
        entry: dict[str, Any] = {
            "id": self.id,
            "at": timestamp(self.at),
            "kind": self.kind,
            "by": self.by,
            **canonical_json.representable(dict(self.details)),
        }
        values: dict[str, Any] = {}
        for name, value in self.private.items():
            if value in (None, ""):
                continue
            salt = commitments.new_salt()
            hashed = commitments.commit(salt, value).hex()
            entry[name] = {"sha256": hashed}
            values[hashed] = {"salt": salt.hex(), "value": canonical_json.representable(value)}
        if self.content is not None and self.content.hash is not None:
            hashed = self.content.hash.hex()
            entry["content"] = {"sha256": hashed}
            if self.content.salt is not None:
                values[hashed] = {"salt": self.content.salt.hex()}
        return entry, values


def timestamp(at: datetime | None) -> str | None:
    """Return a time as entries contain it: RFC 3339 in UTC, with microseconds."""
    if at is None or isinstance(at, BadTime):
        return None
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def read_or_none(read: Callable[[], Any]) -> Any:
    """Return an encrypted value, or None if it cannot be decrypted."""
    try:
        return read()
    except DecryptionError:
        return None
