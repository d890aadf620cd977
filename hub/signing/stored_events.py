"""Store events of requests, and the steps that they skipped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update

from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import EVENT_PAYLOAD, EVENT_SKIPPED
from hub.db.store import write
from hub.db.types import keyring, now
from hub.messaging.compose import plan
from hub.models import Event
from hub.signing.message_texts import EventRecord
from hub.signing.signing_batch import RequestRecord


def store_event(
    event: EventRecord,
    request: RequestRecord,
    skipped: Sequence[plan.SkippedStep],
    due_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """Store an event, or the result of a scheduled one; return its skipped steps as JSON.

    `due_at`: when it is to be planned.
    """
    refusals = [step.as_json() for step in skipped]
    if not event.is_planned_again:
        _write_event(event, request, refusals, due_at)
    return refusals


def _write_event(
    event: EventRecord,
    request: RequestRecord,
    skipped: list[dict[str, Any]],
    due_at: datetime | None,
) -> None:
    row_id = event.id.partition("_")[2]
    keys = keyring()
    sealed_skipped = keys.seal_json(EVENT_SKIPPED, row_id, skipped)
    if event.is_stored:
        write(_PLANNED, {"key": event.id, "at": now(), "new_skipped": sealed_skipped})
        return
    write(
        _ADD_EVENT,
        {
            "id": event.id,
            "request_id": request.id,
            "source_id": request.source_id,
            "external_id": event.external_id,
            "type": event.type.value,
            "occurred_at": event.occurred_at,
            "received_at": now(),
            "due_at": due_at,
            "payload": keys.seal_json(EVENT_PAYLOAD, row_id, event.payload),
            "skipped": sealed_skipped,
        },
    )


_EVENTS = get_table(Event)
_ADD_EVENT = Statement.insert(_EVENTS)
_PLANNED = Statement(
    update(_EVENTS)
    .where(_EVENTS.c.id == bindparam("key"))
    .values(due_at=None, planned_at=bindparam("at"), skipped=bindparam("new_skipped"))
)
