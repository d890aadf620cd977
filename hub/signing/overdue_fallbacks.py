"""Record next steps that expired because they were due for too long, for the admins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at
from hub.messaging.compose import outbox
from hub.models import AuditEntry, Message
from hub.shared import audit

EXPIRED = "step expired"  # the name of the fact about a message whose next step expired
SUBJECT = "fallbacks"  # of the entries in the activity log


def record_expired(message: Message) -> None:
    """Record at a message that its next step was left out."""
    outbox.record_fact(message, EXPIRED)


@transaction
def record_count(messages: int) -> None:
    """Record once in the activity log how many next steps expired together."""
    audit.record("fallbacks.expired", SUBJECT, messages=messages)


def count_expired(since: datetime) -> int:
    """Return how many next steps have expired since a time."""
    query = select(AuditEntry.detail).where(
        AuditEntry.subject == SUBJECT, AuditEntry.id >= first_id_at("aud", since)
    )
    return sum(int(detail.get("messages", 0)) for detail in db.session.scalars(query))
