"""Describe the webhooks of Signpost for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from openapi_pydantic.util import PydanticSchema

from hub.api.webhook_shapes import WebhookEventOut
from hub.endpoints.catalog import EventKind, event_kinds

HEADERS = (
    ("webhook-id", "The ID of the event, which stays the same when it is sent again."),
    ("webhook-timestamp", "Seconds since 1970 of this attempt."),
    (
        "webhook-signature",
        "One signature for each valid secret, separated by spaces: `v1,…`. Verify it with a"
        " library of Standard Webhooks.",
    ),
)


def describe_webhooks() -> dict[str, Any]:
    """Return the part `webhooks` of the document: each type of event with an example."""
    return {kind.type: {"post": _describe(kind)} for kind in event_kinds().values()}


def _describe(kind: EventKind) -> dict[str, Any]:
    schema: Any = PydanticSchema.model_validate({"schema_class": WebhookEventOut})
    return {
        "operationId": f"webhook_{kind.type}",
        "tags": ["Webhooks"],
        "summary": kind.type,
        "description": kind.meaning,
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": about,
                "schema": {"type": "string"},
            }
            for name, about in HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": kind.example()}},
        },
        "responses": {
            "2XX": {"description": "The event is delivered."},
            "410": {"description": "The endpoint is disabled."},
            "default": {"description": "The event is sent again later."},
        },
    }
