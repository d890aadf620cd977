"""Record refused attempts: failed sign-ins, lock-outs, refused API keys, forbidden pages.

One row per kind, address, subject and minute counts the attempts. A process adds at most
MAX_ROWS_PER_MINUTE of them. Other addresses share one row, so that an attack is visible but
cannot fill the database.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.attributes import flag_modified

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import AuditEntry

log = structlog.get_logger(__name__)

KIND = "security"
MAX_ROWS_PER_MINUTE = 60
IMMEDIATE_WRITES = 10  # after these, a row is written once a second
OTHER_ADDRESSES = "other addresses"


@dataclass
class _Row:
    """One row of the current minute: unwritten attempts, all attempts, and the time of the last
    write.
    """

    pending: int = 0
    total: int = 0
    written_at: float = float("-inf")


@dataclass
class _Minute:
    """The rows of one minute, in this process."""

    number: int = 0
    rows: dict[tuple[str, str, str], _Row] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def find_network(address: str) -> str:
    """Return the network of one visitor: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def record(
    action: str,
    address: str,
    *,
    actor_name: str = "Unknown visitor",
    subject: str = "",
    title: str = "",
    **detail: Any,
) -> None:
    """Record a refused attempt without raising errors. `detail`, of the first attempt, has no
    secrets.
    """
    current_time = now()
    key = (f"{KIND}.{action}", find_network(address), subject)
    count, key = _count_attempt(key, int(current_time.timestamp()) // 60)
    if not count:
        return
    if key[1] == OTHER_ADDRESSES:
        actor_name = "Unknown visitors"
        title = ""
        detail = {}
    try:
        _write_row(key, current_time, count, {"who": actor_name, "title": title, "detail": detail})
    except SQLAlchemyError as error:  # the refusal must not fail because of it
        log.warning("security_log.write_failed", action=action, problem=type(error).__name__)


def _count_attempt(key: tuple[str, str, str], minute: int) -> tuple[int, tuple[str, str, str]]:
    """Count an attempt; return how many attempts to write now, and the key of their row."""
    current: _Minute = current_app.extensions.setdefault("hub.security_log", _Minute())
    with current.lock:
        if current.number != minute:
            current.number = minute
            current.rows = {}
        if key not in current.rows and len(current.rows) >= MAX_ROWS_PER_MINUTE:
            key = (key[0], OTHER_ADDRESSES, "")
        row = current.rows.setdefault(key, _Row())
        row.pending += 1
        row.total += 1
        if row.total > IMMEDIATE_WRITES and time.monotonic() - row.written_at < 1:
            return 0, key
        pending = row.pending
        row.pending = 0
        row.written_at = time.monotonic()
        return pending, key


@transaction
def _write_row(key: tuple[str, str, str], at: datetime, count: int, entry: dict[str, Any]) -> None:
    """Add attempts to the row of this minute, which has the same ID in every process."""
    action, address, subject = key
    row_id = _row_id(key, at)
    row = db.session.get(AuditEntry, row_id, with_for_update=True, populate_existing=True)
    if row is None:
        detail = {"address": address, "count": count, **entry["detail"]}
        row = AuditEntry(
            id=row_id, action=action, subject=subject, actor=entry["who"], title=entry["title"]
        )
        row.at = at
        row.detail = detail
        db.session.add(row)
    else:
        row.detail["count"] = row.detail.get("count", 0) + count
        flag_modified(row, "detail")


def _row_id(key: tuple[str, str, str], at: datetime) -> str:
    """Return the row's UUIDv7, made of its minute and a digest of its key."""
    milliseconds = int(at.timestamp()) // 60 * 60_000
    digest = int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest(), "big")
    number = (milliseconds << 80) | (7 << 76) | (2 << 62) | (digest >> 2)
    return f"aud_{UUID(int=number)}"
