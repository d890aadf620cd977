"""Disable endpoints that fail for days, after announcing it a day before."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, select, update

from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.compiled_sql import get_table
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints.catalog import ENDPOINT_DISABLED, ENDPOINT_FAILING
from hub.endpoints.platform_events import NewEvent, store_events
from hub.models import WebhookDelivery, WebhookEndpoint
from hub.models.webhook_endpoint import HANDLER
from hub.shared import audit

ANNOUNCE_AFTER = timedelta(days=4)  # of failures without a success
DISABLE_AFTER = timedelta(days=5)
NOTICE = timedelta(days=1)  # at least, between the announcement and the end
FAILURES = "failures"
AT_ONCE = 100


def record_results(succeeded: Collection[str], failed: Collection[str], moment: datetime) -> None:
    """Record which endpoints accepted an event, and since when the others fail.

    An endpoint that did both is not failing.
    """
    for endpoint_id in sorted({*succeeded, *failed}):
        statement = _WORKS if endpoint_id in succeeded else _FAILS
        db.session.execute(statement, {"key": endpoint_id, "moment": moment})


def is_due() -> bool:
    """Return whether an endpoint must be announced or disabled. Reads only."""
    return bool(_find_failing())


def check_failing() -> int:
    """Announce and disable endpoints that have failed for days; return how many."""
    return sum(_check(endpoint_id) for endpoint_id in _find_failing())


def _find_failing() -> list[str]:
    moment = now()
    times = {
        "announce": moment - ANNOUNCE_AFTER,
        "disable": moment - DISABLE_AFTER,
        "noticed": moment - NOTICE,
    }
    return list(db.session.scalars(_FAILING, times))


@transaction
def _check(endpoint_id: str) -> int:
    if endpoint_id not in _find_failing():
        return 0  # another process was faster
    endpoint = db.session.get_one(WebhookEndpoint, endpoint_id)
    if endpoint.announced_at is None:
        endpoint.announced_at = now()
        audit.record("webhook_endpoint.failing", endpoint.id, endpoint.description)
        _report(endpoint, ENDPOINT_FAILING, FAILURES)
    else:
        disable(endpoint_id, FAILURES)
    return 1


@transaction
def disable(endpoint_id: str, reason: str) -> None:
    """Switch an endpoint off. Its pending deliveries become missed, and can be resent later.

    `reason`: failures, gone, receiver, unreadable or admin.
    """
    db.session.flush()
    db.session.expire_all()
    endpoint = db.session.get_one(WebhookEndpoint, endpoint_id, with_for_update=True)
    if endpoint.state != EndpointState.ENABLED or endpoint.deleted_at is not None:
        return
    endpoint.state = EndpointState.DISABLED.value
    endpoint.state_reason = reason
    endpoint.state_at = now()
    db.session.flush()
    db.session.execute(_MISS, {"key": endpoint_id, "moment": now()})
    if endpoint.kind == HANDLER:
        audit.record("handler.disabled", endpoint.id, endpoint.description)
        return
    audit.record("webhook_endpoint.disabled", endpoint.id, endpoint.description, reason=reason)
    _report(endpoint, ENDPOINT_DISABLED, reason)


def _report(endpoint: WebhookEndpoint, event_type: str, reason: str) -> None:
    store_events(
        [
            NewEvent(
                cause=f"{endpoint.id}:{event_type}:{now().isoformat()}",
                type=event_type,
                source_id=endpoint.source_id,
                test=endpoint.test,
                payload={"endpoint": endpoint.id, "reason": reason},
                except_endpoints=frozenset({endpoint.id}),
            )
        ]
    )


_endpoints = get_table(WebhookEndpoint)
_deliveries = get_table(WebhookDelivery)
_WORKS = (
    update(_endpoints)
    .where(_endpoints.c.id == bindparam("key"), _endpoints.c.failing_since.is_not(None))
    .values(failing_since=None, announced_at=None)
)
_FAILS = (
    update(_endpoints)
    .where(_endpoints.c.id == bindparam("key"), _endpoints.c.failing_since.is_(None))
    .values(failing_since=bindparam("moment"))
)
_FAILING = (
    select(_endpoints.c.id)
    .where(
        _endpoints.c.state == EndpointState.ENABLED.value,
        _endpoints.c.deleted_at.is_(None),
        _endpoints.c.kind != HANDLER,  # each of its events is given up by itself
        _endpoints.c.failing_since <= bindparam("announce"),
        or_(
            _endpoints.c.announced_at.is_(None),
            (_endpoints.c.failing_since <= bindparam("disable"))
            & (_endpoints.c.announced_at <= bindparam("noticed")),
        ),
    )
    .order_by(_endpoints.c.id)
    .limit(AT_ONCE)
)
_MISS = (
    update(_deliveries)
    .where(
        _deliveries.c.endpoint_id == bindparam("key"),
        _deliveries.c.state == DeliveryState.PENDING.value,
    )
    .values(state=DeliveryState.MISSED.value, due_at=None, changed_at=bindparam("moment"))
)
