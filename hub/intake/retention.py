"""Apply retention: delete texts, webhooks and records of messages after their time.

Removed in small batches, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import delete, select

from hub.core.config import Config
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import id_at, now
from hub.intake import purge
from hub.lib import times
from hub.messaging.inbox.inbound import received_content
from hub.models import AuditEntry, MessageBody, PlatformEvent, ProviderCallback, UserSession
from hub.shared import clock_check, security_log

log = structlog.get_logger(__name__)

AT_ONCE = 500  # rows of one transaction: sending and settling write in between
BATCHES = 20  # of each kind in one run; the next goes on


def apply_retention() -> int:
    """Remove what has been kept for long enough; return how many rows."""
    if not clock_check.is_right():
        return 0
    config: Config = current_app.extensions["hub.config"]
    said = now() - times.days(config.body_days)
    came = now() - times.days(config.receipt_days)
    removed = {
        "bodies": _remove(MessageBody.owner_id, id_at("msg", said), _words),
        "receipts": _remove(ProviderCallback.id, id_at("rcp", came), _webhooks),
        "sign_ins": _sign_ins(),
        "refusals": _refusals(now() - times.days(config.metadata_days)),
    }
    removed |= purge.delete_old_rows(now() - times.days(config.metadata_days))
    if any(removed.values()):
        log.info("retention.removed", **removed)
    return sum(removed.values())


def _remove(column: Any, before: str, remove: Callable[[list[str]], None]) -> int:
    """Remove the oldest rows, some at once; ids sort by time, so they stand at the beginning of the
    primary key.
    """
    removed = 0
    for _ in range(BATCHES):
        ids = list(
            db.session.scalars(
                select(column).where(column < before).order_by(column).limit(AT_ONCE)
            )
        )
        db.session.rollback()
        if ids:
            remove(ids)
        removed += len(ids)
        if len(ids) < AT_ONCE:
            break
    return removed


@transaction
def _sign_ins() -> int:
    """Remove sign-ins that have ended."""
    ended = delete(UserSession).where(UserSession.expires_at < now())
    gone = db.session.execute(ended.execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]


@transaction
def _refusals(before: datetime) -> int:
    """Remove refused attempts from the activity; changes stay."""
    refused = (
        AuditEntry.action.startswith(f"{security_log.KIND}."),
        AuditEntry.id < id_at("aud", before),
    )
    old = select(AuditEntry.id).where(*refused).order_by(AuditEntry.id).limit(AT_ONCE)
    ids = list(db.session.scalars(old))
    db.session.execute(
        delete(AuditEntry)
        .where(AuditEntry.id.in_(ids))
        .execution_options(synchronize_session=False)
    )
    return len(ids)


@transaction
def _words(ids: list[str]) -> None:
    """Remove what messages said, and the platform events that tell what people wrote."""
    db.session.execute(
        delete(MessageBody)
        .where(MessageBody.owner_id.in_(ids))
        .execution_options(synchronize_session=False)
    )
    told = PlatformEvent.cause.in_([received_content(f"inb_{uuid}") for uuid in ids])
    db.session.execute(
        delete(PlatformEvent).where(told).execution_options(synchronize_session=False)
    )


@transaction
def _webhooks(ids: list[str]) -> None:
    db.session.execute(
        delete(ProviderCallback)
        .where(ProviderCallback.id.in_(ids))
        .execution_options(synchronize_session=False)
    )
