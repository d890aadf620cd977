"""Apply retention: delete texts, webhooks and records of messages after their time.

Rows are deleted in small batches, oldest first.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from flask import current_app
from sqlalchemy import and_, delete, select

from hub.core.config import Config
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, now
from hub.evidence.holds import held_texts
from hub.intake import purge
from hub.intake.purge import AT_ONCE, delete_in_batches
from hub.lib import times
from hub.messaging.inbox.inbound import inbound_causes
from hub.models import AuditEntry, MessageBody, PlatformEvent, ProviderCallback, UserSession
from hub.shared import clock_check, security_log

log = structlog.get_logger(__name__)


def apply_retention() -> int:
    """Delete rows whose retention has ended; return how many."""
    if not clock_check.is_trusted():
        return 0
    config: Config = current_app.extensions["hub.config"]
    oldest_message = now() - times.days(config.body_days)
    oldest_callback = now() - times.days(config.receipt_days)
    removed = {
        "bodies": delete_in_batches(
            MessageBody.owner_id,
            and_(
                MessageBody.owner_id < first_id_at("msg", oldest_message),
                ~held_texts(MessageBody.owner_id),
            ),
            _delete_texts,
        ),
        "receipts": delete_in_batches(
            ProviderCallback.id,
            ProviderCallback.id < first_id_at("rcp", oldest_callback),
            _delete_callbacks,
        ),
        "sign_ins": _delete_ended_sign_ins(),
        "refusals": _delete_refusals(now() - times.days(config.metadata_days)),
    }
    removed |= purge.delete_old_rows(now() - times.days(config.metadata_days))
    if any(removed.values()):
        log.info("retention.deleted", **removed)
    return sum(removed.values())


@transaction
def _delete_ended_sign_ins() -> int:
    """Delete sign-ins that have ended; return how many."""
    ended = delete(UserSession).where(UserSession.expires_at < now())
    result = db.session.execute(ended.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


@transaction
def _delete_refusals(before: datetime) -> int:
    """Delete old refused attempts from the activity; changes stay. Returns how many."""
    conditions = (
        AuditEntry.action.startswith(f"{security_log.KIND}."),
        AuditEntry.id < first_id_at("aud", before),
    )
    old = select(AuditEntry.id).where(*conditions).order_by(AuditEntry.id).limit(AT_ONCE)
    ids = list(db.session.scalars(old))
    db.session.execute(
        delete(AuditEntry)
        .where(AuditEntry.id.in_(ids))
        .execution_options(synchronize_session=False)
    )
    return len(ids)


@transaction
def _delete_texts(ids: list[str]) -> None:
    """Delete the texts of messages, and the platform events that quote inbound messages."""
    db.session.execute(
        delete(MessageBody)
        .where(MessageBody.owner_id.in_(ids))
        .execution_options(synchronize_session=False)
    )
    about_inbound = PlatformEvent.cause.in_(inbound_causes([f"inb_{uuid}" for uuid in ids]))
    db.session.execute(
        delete(PlatformEvent).where(about_inbound).execution_options(synchronize_session=False)
    )


@transaction
def _delete_callbacks(ids: list[str]) -> None:
    db.session.execute(
        delete(ProviderCallback)
        .where(ProviderCallback.id.in_(ids))
        .execution_options(synchronize_session=False)
    )
