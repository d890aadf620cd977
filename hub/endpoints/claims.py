"""Claim due deliveries and record the outcomes of attempts, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, exists, insert, select, update

from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.compiled_sql import get_table
from hub.db.encrypted_fields import WEBHOOK_ANSWER
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import creation_time, keyring, now
from hub.endpoints import health
from hub.endpoints.payloads import EventSet, example_body
from hub.endpoints.responses import Judgment
from hub.endpoints.retry_schedule import pause_after
from hub.endpoints.targets import Target, TargetCache
from hub.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)  # longer than any call; a crashed worker's delivery is due afterwards


@dataclass(frozen=True)
class Claim:
    """One attempt of a delivery: what to send, and where to."""

    endpoint_id: str
    event_id: str
    number: int
    tries: int
    target: Target
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """The outcome of a claim. `milliseconds` is None if nothing was connected."""

    claim: Claim
    judgment: Judgment
    at: datetime
    milliseconds: int | None


def find_due() -> dict[str, bool]:
    """Return the endpoints with due deliveries, and whether each is failing. Reads only."""
    return {
        row[0]: row[1] is not None for row in db.session.execute(_DUE_ENDPOINTS, {"moment": now()})
    }


def is_due() -> bool:
    """Return whether a delivery is due. Reads only."""
    return bool(find_due())


@transaction
def record_and_claim(
    outcomes: Sequence[Outcome], free: Mapping[str, int], cache: TargetCache
) -> list[Claim]:
    """Record outcomes, and claim up to so many due deliveries of each endpoint."""
    _record(outcomes)
    rows = [
        (endpoint_id, *row)
        for endpoint_id, count in sorted(free.items())
        for row in db.session.execute(
            _DUE, {"endpoint": endpoint_id, "moment": now(), "most": count}
        )
    ]
    if not rows:
        return []
    moment = now()
    db.session.execute(
        _CLAIM,
        [
            {"endpoint": row[0], "event": row[1], "due": moment + LEASE, "moment": moment}
            for row in rows
        ],
    )
    targets = _read_targets(sorted({row[0] for row in rows}), cache)
    events = EventSet({row[1] for row in rows if not row[3]})
    return [claim for row in rows if (claim := _claim_of(row, targets, events, moment)) is not None]


def _read_targets(endpoint_ids: Sequence[str], cache: TargetCache) -> dict[str, Target]:
    """Return targets by endpoint; one whose settings cannot be decrypted is switched off."""
    targets: dict[str, Target] = {}
    for endpoint_id in endpoint_ids:
        try:
            targets |= cache.read([endpoint_id])
        except DecryptionError as problem:
            log.error("endpoint.unreadable", endpoint=endpoint_id, problem=str(problem))
            health.switch_off(endpoint_id, "unreadable")
    return targets


def _claim_of(
    row: Sequence[Any], targets: Mapping[str, Target], events: EventSet, moment: datetime
) -> Claim | None:
    endpoint_id, event_id, event_type, is_example, tries, attempts = row
    target = targets.get(endpoint_id)
    if target is None:
        return None
    try:
        body = (
            example_body(event_id, event_type, creation_time(event_id), target.audience)
            if is_example
            else events.body(event_id, target.audience)
        )
    except (Refused, KeyError) as problem:
        reason = str(problem) if isinstance(problem, Refused) else "Its type no longer exists."
        _record_end(endpoint_id, event_id, attempts + 1, moment, reason)
        return None
    return Claim(endpoint_id, event_id, attempts + 1, tries + 1, target, body)


def _record_end(
    endpoint_id: str, event_id: str, number: int, moment: datetime, reason: str
) -> None:
    """Record that a delivery is given up without a request."""
    key = {"endpoint": endpoint_id, "event": event_id, "number": number, "moment": moment}
    db.session.execute(_FAIL, {**key, "new_state": DeliveryState.FAILED.value, "due": None})
    db.session.execute(
        _ADD_ATTEMPT, _attempt_row(endpoint_id, event_id, number, moment, Judgment(reason), None)
    )


def _record(outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    moment = now()
    succeeded = [outcome for outcome in outcomes if outcome.judgment.delivered]
    failed = [outcome for outcome in outcomes if not outcome.judgment.delivered]
    _execute(_SUCCEED, [_result_row(outcome, moment) for outcome in succeeded])
    _execute(_FAIL, [_result_row(outcome, moment) for outcome in failed])
    _execute(_ADD_ATTEMPT, [_attempt_row_of(outcome) for outcome in outcomes])
    health.record_results(
        {outcome.claim.endpoint_id for outcome in succeeded},
        {outcome.claim.endpoint_id for outcome in failed},
        moment,
    )
    for outcome in outcomes:
        if outcome.judgment.disable:
            health.switch_off(outcome.claim.endpoint_id, outcome.judgment.disable)


def _execute(statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        db.session.execute(statement, list(rows))


def _result_row(outcome: Outcome, moment: datetime) -> dict[str, Any]:
    claim = outcome.claim
    row: dict[str, Any] = {
        "endpoint": claim.endpoint_id,
        "event": claim.event_id,
        "number": claim.number,
        "moment": moment,
    }
    if outcome.judgment.delivered:
        return row
    pause = None
    if not outcome.judgment.final:
        pause = pause_after(claim.tries, outcome.judgment.retry_after)
    state = DeliveryState.FAILED if pause is None else DeliveryState.PENDING
    return {**row, "new_state": state.value, "due": moment + pause if pause else None}


def _attempt_row_of(outcome: Outcome) -> dict[str, Any]:
    claim = outcome.claim
    return _attempt_row(
        claim.endpoint_id,
        claim.event_id,
        claim.number,
        outcome.at,
        outcome.judgment,
        outcome.milliseconds,
    )


def _attempt_row(
    endpoint_id: str,
    event_id: str,
    number: int,
    at: datetime,
    judgment: Judgment,
    milliseconds: int | None,
) -> dict[str, Any]:
    answer = None
    if judgment.answer:
        answer = keyring().seal_json(
            WEBHOOK_ANSWER, attempt_key(endpoint_id, event_id, number), judgment.answer
        )
    return {
        "endpoint_id": endpoint_id,
        "event_id": event_id,
        "number": number,
        "at": at,
        "milliseconds": milliseconds,
        "http_status": judgment.http_status,
        "problem": judgment.problem,
        "answer": answer,
    }


def attempt_key(endpoint_id: str, event_id: str, number: int) -> str:
    """Return the key of an attempt, which its encrypted answer is bound to."""
    return f"{endpoint_id}:{event_id}:{number}"


_deliveries = get_table(WebhookDelivery)
_endpoints = get_table(WebhookEndpoint)
_ADD_ATTEMPT = insert(get_table(WebhookAttempt))
_IS_DUE = exists().where(
    _deliveries.c.endpoint_id == _endpoints.c.id, _deliveries.c.due_at <= bindparam("moment")
)
_DUE_ENDPOINTS = select(_endpoints.c.id, _endpoints.c.failing_since).where(
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
    )
    .where(
        _deliveries.c.endpoint_id == bindparam("endpoint"),
        _deliveries.c.due_at <= bindparam("moment"),
    )
    .order_by(_deliveries.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_ROW = (
    _deliveries.c.endpoint_id == bindparam("endpoint"),
    _deliveries.c.event_id == bindparam("event"),
)
_CLAIM = (
    update(_deliveries)
    .where(*_ROW)
    .values(
        tries=_deliveries.c.tries + 1,
        attempts=_deliveries.c.attempts + 1,
        due_at=bindparam("due"),
        changed_at=bindparam("moment"),
    )
)
_SUCCEED = (
    update(_deliveries)
    .where(*_ROW)
    .values(state=DeliveryState.DELIVERED.value, due_at=None, changed_at=bindparam("moment"))
)
# only the newest attempt decides, and only while the endpoint is not switched off
_FAIL = (
    update(_deliveries)
    .where(
        *_ROW,
        _deliveries.c.attempts == bindparam("number"),
        _deliveries.c.state == DeliveryState.PENDING.value,
    )
    .values(state=bindparam("new_state"), due_at=bindparam("due"), changed_at=bindparam("moment"))
)
