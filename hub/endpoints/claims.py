"""Claim due deliveries, in the transaction that records the last outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, exists, select, update

from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import EndpointState
from hub.db.compiled_sql import get_table
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import creation_time, now
from hub.endpoints import attempts, health
from hub.endpoints.attempts import DELIVERY, Claim, Outcome
from hub.endpoints.delivery_order import is_next
from hub.endpoints.payloads import EventSet, example_body
from hub.endpoints.targets import Target, TargetCache
from hub.models import WebhookDelivery, WebhookEndpoint

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)  # longer than any call; a crashed worker's delivery is due afterwards
# of handlers: longer than the wait for a process, loading a file, and the longest time limit
HANDLER_LEASE = timedelta(seconds=180)


@dataclass(frozen=True)
class DueEndpoint:
    """An endpoint with due deliveries."""

    kind: str
    is_failing: bool


def find_due() -> dict[str, DueEndpoint]:
    """Return the endpoints with due deliveries. Reads only."""
    return {
        row[0]: DueEndpoint(row[1], row[2] is not None)
        for row in db.session.execute(_DUE_ENDPOINTS, {"moment": now()})
    }


def is_due() -> bool:
    """Return whether a delivery is due. Reads only."""
    return bool(find_due())


@transaction
def record_and_claim(
    outcomes: Sequence[Outcome], free: Mapping[str, int], cache: TargetCache
) -> list[Claim]:
    """Record outcomes, and claim up to so many due deliveries of each endpoint."""
    attempts.record(outcomes)
    rows = [
        (endpoint_id, *row)
        for endpoint_id, count in sorted(free.items())
        for row in db.session.execute(
            _DUE, {"endpoint": endpoint_id, "moment": now(), "most": count}
        )
    ]
    if not rows:
        return []
    targets = _read_targets(sorted({row[0] for row in rows}), cache)
    moment = now()
    leases = {key: HANDLER_LEASE for key, target in targets.items() if target.is_handler}
    db.session.execute(
        _CLAIM,
        [
            {
                "endpoint": row[0],
                "event": row[1],
                "due": moment + leases.get(row[0], LEASE),
                "moment": moment,
            }
            for row in rows
        ],
    )
    events = EventSet({row[1] for row in rows if not row[3]})
    return [claim for row in rows if (claim := _claim_of(row, targets, events, moment)) is not None]


def _read_targets(endpoint_ids: Sequence[str], cache: TargetCache) -> dict[str, Target]:
    """Return targets by endpoint; one whose settings cannot be decrypted is disabled."""
    targets: dict[str, Target] = {}
    for endpoint_id in endpoint_ids:
        try:
            targets |= cache.read([endpoint_id])
        except DecryptionError as problem:
            log.error("endpoint.unreadable", endpoint=endpoint_id, problem=str(problem))
            health.disable(endpoint_id, "unreadable")
    return targets


def _claim_of(
    row: Sequence[Any], targets: Mapping[str, Target], events: EventSet, moment: datetime
) -> Claim | None:
    endpoint_id, event_id, event_type, is_example, tries, number, key = row
    target = targets.get(endpoint_id)
    if target is None:
        return None
    try:
        if is_example:
            at = creation_time(event_id)
            body = example_body(event_id, event_type, at, target.audience)
        else:
            at = events.time_of(event_id)
            body = events.body(event_id, target.audience)
    except (Refused, KeyError) as problem:
        reason = str(problem) if isinstance(problem, Refused) else "Its type no longer exists."
        attempts.record_end(endpoint_id, event_id, number + 1, moment, reason)
        return None
    return Claim(
        endpoint_id,
        event_id,
        number + 1,
        tries + 1,
        target,
        body,
        type=event_type,
        at=at,
        key=key or event_id,
        claimed_at=moment,
    )


_deliveries = get_table(WebhookDelivery)
_endpoints = get_table(WebhookEndpoint)
_IS_NEXT = is_next(_deliveries.c)
_IS_DUE = exists().where(
    _deliveries.c.endpoint_id == _endpoints.c.id,
    _deliveries.c.due_at <= bindparam("moment"),
    _IS_NEXT,
)
_DUE_ENDPOINTS = select(_endpoints.c.id, _endpoints.c.kind, _endpoints.c.failing_since).where(
    _endpoints.c.state == EndpointState.ENABLED.value,
    _endpoints.c.deleted_at.is_(None),
    _IS_DUE,
)
_DUE = (
    select(
        _deliveries.c.event_id,
        _deliveries.c.type,
        _deliveries.c.example,
        _deliveries.c.tries,
        _deliveries.c.attempts,
        _deliveries.c.order_key,
    )
    .where(
        _deliveries.c.endpoint_id == bindparam("endpoint"),
        _deliveries.c.due_at <= bindparam("moment"),
        _IS_NEXT,
    )
    .order_by(_deliveries.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(_deliveries)
    .where(*DELIVERY)
    .values(
        tries=_deliveries.c.tries + 1,
        attempts=_deliveries.c.attempts + 1,
        due_at=bindparam("due"),
        changed_at=bindparam("moment"),
    )
)
