"""Create, change and delete endpoints: webhooks and message brokers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, select, update

from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import EndpointState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.endpoints import broker_addresses, health, signatures
from hub.endpoints.catalog import event_kinds
from hub.endpoints.patterns import parse_patterns
from hub.endpoints.target_urls import check_headers, check_url
from hub.lib.text import clean_line
from hub.models import Source, WebhookDelivery, WebhookEndpoint, WebhookSecret
from hub.models.webhook_endpoint import HANDLER, WEBHOOK
from hub.shared import audit

MAX_ENDPOINTS = 50  # of a source, for each of test and live
MAX_DESCRIPTION_LENGTH = 200
MAX_USER_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Settings of an endpoint, as an admin or a signing app enters them.

    A message broker has its `kind` and the settings of its form, instead of a URL, headers, a user
    and a password.
    """

    url: str = ""
    events: Sequence[str]
    description: str = ""
    with_addresses: bool = False
    with_texts: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""
    kind: str = WEBHOOK
    broker: Mapping[str, Any] = field(default_factory=dict)


@transaction
def create(
    source_id: str, settings: EndpointSettings, *, test: bool, secret: str = ""
) -> tuple[str, str]:
    """Create an endpoint of a source. Return its ID, and its secret, which is shown once.

    `secret`: by default a new one. A message broker has none: ''. Raises Refused with the field.
    """
    db.session.get_one(Source, source_id, with_for_update=True)
    count = db.session.scalar(
        select(func.count()).select_from(list_query(source_id, test=test).subquery())
    )
    if (count or 0) >= MAX_ENDPOINTS:
        reason = f"A source has at most {MAX_ENDPOINTS} endpoints. Delete one first."
        raise Conflict("too_many_endpoints", reason)
    endpoint = WebhookEndpoint(source_id=source_id, test=test, kind=settings.kind)
    _apply(endpoint, settings)
    db.session.add(endpoint)
    db.session.flush()
    text = ""
    if endpoint.kind == WEBHOOK:
        text = secret or signatures.new_secret()
        row = WebhookSecret(endpoint_id=endpoint.id)
        row.secret = text
        db.session.add(row)
    audit.record(
        "webhook_endpoint.created",
        endpoint.id,
        endpoint.description,
        events=endpoint.patterns,
        test=test,
    )
    return endpoint.id, text


@transaction
def change(endpoint_id: str, settings: EndpointSettings) -> None:
    """Change an endpoint. Deliveries that are retried use the new URL; raise Refused."""
    endpoint = find(endpoint_id)
    _apply(endpoint, settings)
    endpoint.version += 1
    audit.record(
        "webhook_endpoint.changed", endpoint.id, endpoint.description, events=endpoint.patterns
    )


def _apply(endpoint: WebhookEndpoint, settings: EndpointSettings) -> None:
    description = " ".join(clean_line(settings.description).split())
    if len(description) > MAX_DESCRIPTION_LENGTH:
        reason = f"Enter at most {MAX_DESCRIPTION_LENGTH} characters."
        raise Refused("bad_description", reason, field="description")
    endpoint.description = description
    endpoint.patterns = parse_patterns(settings.events, event_kinds())
    endpoint.with_addresses = settings.with_addresses
    endpoint.with_texts = settings.with_texts
    if endpoint.kind == WEBHOOK:
        endpoint.settings = _webhook_settings(settings)
    else:
        broker_addresses.check_servers(endpoint.kind, settings.broker)
        endpoint.settings = dict(settings.broker)


def _webhook_settings(settings: EndpointSettings) -> dict[str, Any]:
    user = settings.user.strip()
    if ":" in user or len(user) > MAX_USER_LENGTH or not (user + settings.password).isprintable():
        reason = f"Enter at most {MAX_USER_LENGTH} characters, without a colon."
        raise Refused("bad_user", reason, field="user")
    return {
        "url": check_url(settings.url),
        "headers": check_headers(settings.headers, has_user=bool(user)),
        "user": user,
        "password": settings.password if user else "",
    }


@transaction
def delete(endpoint_id: str, *, source_id: str | None = None, test: bool | None = None) -> None:
    """Delete an endpoint. What was not delivered yet is no longer sent; raise NotFound."""
    endpoint = find(endpoint_id, source_id=source_id, test=test)
    endpoint.deleted_at = now()
    endpoint.settings = None
    db.session.flush()
    db.session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.due_at.is_not(None))
        .values(due_at=None)
        .execution_options(synchronize_session=False)
    )
    audit.record("webhook_endpoint.deleted", endpoint.id, endpoint.description)


@transaction
def disable(endpoint_id: str) -> None:
    """Switch an endpoint off. Events are kept as missed meanwhile."""
    health.disable(find(endpoint_id).id, "admin")


@transaction
def enable(endpoint_id: str) -> None:
    """Enable an endpoint. Missed events are sent only if someone resends them."""
    endpoint = find(endpoint_id)
    if endpoint.state == EndpointState.ENABLED:
        return
    endpoint.state = EndpointState.ENABLED.value
    endpoint.state_reason = ""
    endpoint.state_at = now()
    endpoint.failing_since = None
    endpoint.announced_at = None
    audit.record("webhook_endpoint.enabled", endpoint.id, endpoint.description)


def find(
    endpoint_id: str, *, source_id: str | None = None, test: bool | None = None
) -> WebhookEndpoint:
    """Return an endpoint that is not deleted, of this source and kind if given; raise NotFound."""
    endpoint = find_any(endpoint_id)
    if (
        endpoint.kind == HANDLER
        or (source_id is not None and endpoint.source_id != source_id)
        or (test is not None and endpoint.test != test)
    ):
        raise NotFound("no_such_endpoint", "This webhook endpoint does not exist.")
    return endpoint


def find_any(endpoint_id: str) -> WebhookEndpoint:
    """Return an endpoint or a handler that is not deleted; raise NotFound."""
    endpoint = db.session.get(WebhookEndpoint, endpoint_id) if is_id("whk", endpoint_id) else None
    if endpoint is None or endpoint.deleted_at is not None:
        raise NotFound("no_such_endpoint", "This webhook endpoint does not exist.")
    return endpoint


def all_query() -> Select[Any]:
    """Return the query of all endpoints and handlers that are not deleted."""
    return select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))


def list_query(source_id: str | None = None, *, test: bool | None = None) -> Select[Any]:
    """Return the query of the endpoints that are not deleted, of this source and kind if given."""
    query = all_query().where(WebhookEndpoint.kind != HANDLER)
    if source_id is not None:
        query = query.where(WebhookEndpoint.source_id == source_id)
    if test is not None:
        query = query.where(WebhookEndpoint.test == test)
    return query


def failing_query() -> Select[Any]:
    """Return the query of endpoints that will be, or were, disabled without an admin."""
    is_off = (WebhookEndpoint.state == EndpointState.DISABLED) & (
        WebhookEndpoint.state_reason != "admin"
    )
    is_announced = (WebhookEndpoint.state == EndpointState.ENABLED) & (
        WebhookEndpoint.announced_at.is_not(None)
    )
    return list_query().where(is_off | is_announced).order_by(WebhookEndpoint.state_at)
