"""The API reference, built from an OpenAPI document."""

from __future__ import annotations

import json
import shlex
from typing import Any

from hub.api.reference import groups
from tests.conftest import Browser

SIGNER = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "maxLength": 255, "examples": ["eric"]},
        "mobile_number": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "description": "`+` and digits.",
        },
        "delegate": {"$ref": "#/components/schemas/Signer"},
    },
}
DOCUMENT: dict[str, Any] = {
    "tags": [{"name": "Messages", "description": "One text each."}, {"name": "Events"}],
    "components": {
        "schemas": {
            "Signer": SIGNER,
            "Event": {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"type": "string", "enum": ["request.sent", "request.signed"]},
                    "signers": {"type": "array", "items": {"$ref": "#/components/schemas/Signer"}},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
                },
            },
        }
    },
    "paths": {
        "/api/v1/events": {
            "post": {
                "operationId": "post_event",
                "summary": "Post an event",
                "tags": ["Events"],
                "parameters": [
                    {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Event"}}
                    }
                },
                "responses": {
                    "422": {"description": "Refused"},
                    "202": {"description": "Accepted"},
                },
            }
        },
        "/api/v1/messages/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {"tags": ["Messages"], "responses": {"200": {"description": "The message"}}},
        },
    },
}


def test_operations_are_grouped_in_document_order() -> None:
    groups_found = groups(DOCUMENT, "https://hub.example")
    assert [
        (group.title, group.description, [operation.title for operation in group.operations])
        for group in groups_found
    ] == [
        ("Messages", "One text each.", ["GET /api/v1/messages/{id}"]),
        ("Events", "", ["Post an event"]),
    ]


def test_body_is_expanded_with_its_types_and_limits() -> None:
    event = groups(DOCUMENT, "https://hub.example")[1].operations[0]
    kind, signers, limit = event.body
    assert (kind.required, kind.options) == (True, ("request.sent", "request.signed"))
    assert signers.kind == "list of objects"
    assert [(field.name, field.kind, field.required) for field in signers.properties[:2]] == [
        ("id", "string", True),
        ("mobile_number", "string", False),
    ]
    assert (limit.kind, limit.default, limit.limits) == (
        "integer",
        "50",
        "minimum 1, maximum 100",
    )


def test_recursive_schema_is_expanded_once() -> None:
    depth = 0
    inside = groups(DOCUMENT, "https://hub.example")[1].operations[0].body[1].properties
    while inside:
        depth = depth + 1
        inside = inside[-1].properties
    assert depth < 10


def test_responses_are_sorted_by_status() -> None:
    assert [
        answer.status
        for answer in groups(DOCUMENT, "https://hub.example")[1].operations[0].responses
    ] == ["202", "422"]


def test_example_call_can_be_pasted_into_a_shell() -> None:
    arguments = shlex.split(
        groups(DOCUMENT, "https://hub.example/")[1].operations[0].curl.replace("\\\n", "")
    )
    assert arguments[:3] == ["curl", "-s", "https://hub.example/api/v1/events"]
    body = json.loads(arguments[arguments.index("-d") + 1])
    assert body["type"] == "request.sent"
    assert body["signers"][0]["id"] == "eric"


def test_path_parameter_belongs_to_each_of_its_operations() -> None:
    message = groups(DOCUMENT, "https://hub.example")[0].operations[0]
    assert [
        (parameter.name, parameter.location, parameter.required) for parameter in message.parameters
    ] == [("id", "path", True)]
    assert message.id == "get-api-v1-messages-id"


def test_page_shows_code_in_descriptions_of_responses(anonymous: Browser) -> None:
    page = anonymous.get("/api/docs").text
    assert "The API key lacks the scope that <code>scope</code> names." in page
    assert "`" not in page.partition('class="sp-reference"')[2]
