"""Create, list and delete webhook endpoints, and list the events that they can receive."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from hub.api.guard import current_caller
from hub.api.operations import operation
from hub.api.shapes import format_time, parse_body, parse_query, store_and_respond
from hub.api.webhook_shapes import (
    DeletedEndpointOut,
    NewWebhookEndpointOut,
    WebhookEndpointIn,
    WebhookEndpointOut,
    WebhookEndpointsOut,
    WebhookEventsQuery,
    WebhookKindsOut,
)
from hub.core.vocabulary import Scope
from hub.db.engine import db
from hub.endpoints import endpoints
from hub.endpoints.catalog import event_kinds
from hub.endpoints.endpoint_addresses import address_of
from hub.endpoints.endpoints import EndpointSettings
from hub.endpoints.patterns import matches
from hub.models import WebhookEndpoint

blueprint = Blueprint("webhook_endpoints", __name__)


@blueprint.post("/webhook-endpoints")
@operation(
    id="createWebhookEndpoint",
    tag="Webhooks",
    summary="Create a webhook endpoint",
    description=(
        "Subscribes a URL to events of your source, from now on. A test key creates an endpoint"
        " for events of test messages. The response contains the secret, which is not shown again."
        " Only an admin can create an endpoint at a message broker, on the pages."
    ),
    scope=Scope.WEBHOOKS_MANAGE,
    status=201,
    response=NewWebhookEndpointOut,
    errors="400 401 409 413 415 422 503",
    body=WebhookEndpointIn,
    example={
        "url": "https://app.example/hooks",
        "events": ["sms_*", "opted_out"],
        "description": "Contracts (production)",
    },
)
def create_endpoint() -> tuple[dict[str, Any], int]:
    """Create an endpoint, and show its secret once."""
    client = current_caller()
    posted = parse_body(WebhookEndpointIn)
    settings = EndpointSettings(
        url=posted.url, events=posted.events, description=posted.description
    )
    return store_and_respond(
        lambda: endpoints.create(client.source_id, settings, test=client.test),
        lambda created: {**_serialize(endpoints.find(created[0])), "secret": created[1]},
    ), 201


@blueprint.get("/webhook-endpoints")
@operation(
    id="listWebhookEndpoints",
    tag="Webhooks",
    summary="List webhook endpoints",
    description=(
        "Returns all endpoints of your source, newest first, without their secrets: webhooks and"
        " message brokers."
    ),
    scope=Scope.WEBHOOKS_MANAGE,
    status=200,
    response=WebhookEndpointsOut,
)
def list_endpoints() -> dict[str, Any]:
    """List the endpoints of the key's source and kind."""
    client = current_caller()
    query = endpoints.list_query(client.source_id, test=client.test)
    rows = db.session.scalars(query.order_by(WebhookEndpoint.id.desc()))
    return {"webhook_endpoints": [_serialize(row) for row in rows]}


@blueprint.get("/webhook-endpoints/<endpoint_id>")
@operation(
    id="getWebhookEndpoint",
    tag="Webhooks",
    summary="Get a webhook endpoint",
    description="Returns an endpoint without its secret.",
    scope=Scope.WEBHOOKS_MANAGE,
    status=200,
    response=WebhookEndpointOut,
    errors="401 404",
)
def get_endpoint(endpoint_id: str) -> dict[str, Any]:
    """Return an endpoint of the key's source and kind."""
    client = current_caller()
    return _serialize(endpoints.find(endpoint_id, source_id=client.source_id, test=client.test))


@blueprint.delete("/webhook-endpoints/<endpoint_id>")
@operation(
    id="deleteWebhookEndpoint",
    tag="Webhooks",
    summary="Delete a webhook endpoint",
    description="Events that were not delivered to it yet are no longer sent.",
    scope=Scope.WEBHOOKS_MANAGE,
    status=200,
    response=DeletedEndpointOut,
    errors="401 404 503",
)
def delete_endpoint(endpoint_id: str) -> dict[str, Any]:
    """Delete an endpoint of the key's source and kind."""
    client = current_caller()
    endpoints.delete(endpoint_id, source_id=client.source_id, test=client.test)
    return {"id": endpoint_id, "deleted": True}


@blueprint.get("/webhook-events")
@operation(
    id="listWebhookEvents",
    tag="Webhooks",
    summary="List the types of events",
    description="Returns the events that match a name or a pattern, each with an example.",
    scope=Scope.WEBHOOKS_MANAGE,
    status=200,
    response=WebhookKindsOut,
    errors="401 422",
    query=WebhookEventsQuery,
)
def list_event_kinds() -> dict[str, Any]:
    """List the types of events with examples."""
    pattern = parse_query(WebhookEventsQuery).events
    return {
        "webhook_events": [
            {"type": kind.type, "meaning": kind.meaning, "example": kind.example()}
            for kind in event_kinds().values()
            if matches(pattern, kind.type)
        ]
    }


def _serialize(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "kind": endpoint.kind,
        "url": address_of(endpoint),
        "events": endpoint.patterns.split(),
        "description": endpoint.description,
        "state": endpoint.state,
        "state_reason": endpoint.state_reason or None,
        "failing_since": format_time(endpoint.failing_since) if endpoint.failing_since else None,
        "test": endpoint.test,
        "created_at": format_time(endpoint.created_at),
    }
