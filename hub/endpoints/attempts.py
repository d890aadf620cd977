"""Record the attempts to deliver webhooks, and their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, update

from hub.core.vocabulary import DeliveryState
from hub.db.compiled_sql import get_table
from hub.db.encrypted_fields import WEBHOOK_RESPONSE
from hub.db.engine import db
from hub.db.types import keyring, now
from hub.endpoints import health
from hub.endpoints.responses import Judgment
from hub.endpoints.retry_schedule import pause_after
from hub.endpoints.targets import Target
from hub.models import WebhookAttempt, WebhookDelivery


@dataclass(frozen=True)
class Claim:
    """One attempt of a delivery: what to send, and where to.

    `key`: what the event is about. Only one event with a key is sent at a time to a broker.
    """

    endpoint_id: str
    event_id: str
    number: int
    tries: int
    target: Target
    body: bytes
    type: str
    at: datetime
    key: str
    claimed_at: datetime


@dataclass(frozen=True)
class Outcome:
    """The outcome of a claim. `milliseconds` is None if nothing was connected."""

    claim: Claim
    judgment: Judgment
    at: datetime
    milliseconds: int | None


def record_end(endpoint_id: str, event_id: str, number: int, moment: datetime, reason: str) -> None:
    """Record that a delivery is given up without a request."""
    key = {"endpoint": endpoint_id, "event": event_id, "number": number, "moment": moment}
    db.session.execute(_FAIL, {**key, "new_state": DeliveryState.FAILED.value, "due": None})
    db.session.execute(
        _ADD_ATTEMPT, _attempt_row(endpoint_id, event_id, number, moment, Judgment(reason), None)
    )


def record(outcomes: Sequence[Outcome]) -> None:
    """Record outcomes: the state of each delivery, its attempt, and the endpoint's health."""
    moment = now()
    _execute(
        _RELEASE,
        [_result_row(outcome, moment) for outcome in outcomes if outcome.judgment.not_started],
    )
    outcomes = [outcome for outcome in outcomes if not outcome.judgment.not_started]
    if not outcomes:
        return
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
            health.disable(outcome.claim.endpoint_id, outcome.judgment.disable)


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
        pause = pause_after(
            claim.tries,
            outcome.judgment.retry_after,
            is_broker=claim.target.is_broker,
            is_handler=claim.target.is_handler,
        )
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
    response = None
    if judgment.excerpt:
        response = keyring().seal_json(
            WEBHOOK_RESPONSE, attempt_key(endpoint_id, event_id, number), judgment.excerpt
        )
    return {
        "endpoint_id": endpoint_id,
        "event_id": event_id,
        "number": number,
        "at": at,
        "milliseconds": milliseconds,
        "http_status": judgment.http_status,
        "problem": judgment.problem,
        "answer": response,
    }


def attempt_key(endpoint_id: str, event_id: str, number: int) -> str:
    """Return the key of an attempt, which its encrypted response is bound to."""
    return f"{endpoint_id}:{event_id}:{number}"


_deliveries = get_table(WebhookDelivery)
DELIVERY = (
    _deliveries.c.endpoint_id == bindparam("endpoint"),
    _deliveries.c.event_id == bindparam("event"),
)
_ADD_ATTEMPT = insert(get_table(WebhookAttempt))
_SUCCEED = (
    update(_deliveries)
    .where(*DELIVERY)
    .values(state=DeliveryState.DELIVERED.value, due_at=None, changed_at=bindparam("moment"))
)
# the attempt does not count, and the delivery is due again
_RELEASE = (
    update(_deliveries)
    .where(
        *DELIVERY,
        _deliveries.c.attempts == bindparam("number"),
        _deliveries.c.state == DeliveryState.PENDING.value,
    )
    .values(tries=_deliveries.c.tries - 1, due_at=bindparam("moment"))
)
# only the newest attempt decides, and only while the endpoint is not disabled
_FAIL = (
    update(_deliveries)
    .where(
        *DELIVERY,
        _deliveries.c.attempts == bindparam("number"),
        _deliveries.c.state == DeliveryState.PENDING.value,
    )
    .values(state=bindparam("new_state"), due_at=bindparam("due"), changed_at=bindparam("moment"))
)
