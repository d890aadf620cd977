"""Build the OpenAPI 3.1 document from the operations that views declare, and serve it."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, url_for
from openapi_pydantic import OpenAPI
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from hub.api.operations import Operation, Route, list_routes
from hub.api.reference import groups
from hub.api.shapes import ProblemOut
from hub.api.webhook_document import describe_webhooks
from hub.core import __version__
from hub.core.config import Config
from hub.lib import compression, request_checks
from hub.messaging.compose import media

blueprint = Blueprint("api_document", __name__)
request_checks.add_request_checks(blueprint)
blueprint.after_request(compression.compress_public)

ABOUT = (
    "Post the events of a document, and Signpost notifies every signer on the channel"
    " that reaches them. A 202 response means that the event and all its messages are"
    " stored and will not be lost. Errors are problem details (RFC 9457) with a `code`"
    " and the invalid `field`. A test key uses test connections only. A key reads and"
    " changes only data of its own source, within its scopes. The `RateLimit` header"
    " shows how many requests are left in this minute."
)
TAGS = (
    (
        "Events",
        ("Events of a document. Repeated and late events notify no one twice."),
    ),
    ("Messages", "One text for one recipient, with its status history."),
    ("Media", "Files to attach to messages, on channels that support them."),
    ("Opt-outs", "Opt-outs and consents of contacts."),
    ("Requests", "Signing requests, and the messages to each signer."),
    ("Webhooks", "Endpoints of your app that are notified of events."),
)
ERRORS = {
    "400": "The body is not JSON.",
    "401": "The API key is missing or not valid.",
    "403": "The API key lacks the scope that `scope` names.",
    "404": "The key cannot access an object with this ID.",
    "409": "The current state does not allow this, or an identical request is still running.",
    "413": "The body is larger than 256 KiB, or the file exceeds its limit.",
    "414": "The URL is too long.",
    "431": "The headers are too long.",
    "415": "The Content-Type is not JSON, or not a form for a file.",
    "422": (
        "A field is not valid or does not exist. `field` names it and `detail` says how to fix it."
    ),
    "429": "The API key made too many requests. `Retry-After` gives the seconds to wait.",
    "503": (
        "The database cannot be reached. `detail` says whether anything was stored."
        " Usually nothing was, so repeat the request."
    ),
}
COMMON_ERRORS = ("403", "414", "429", "431")  # of every operation

HEADERS = {
    "RateLimit-Policy": {
        "description": "The limit of requests with this key: `q` requests in `w` seconds.",
        "schema": {"type": "string", "examples": ['"key";q=60000;w=60']},
    },
    "RateLimit": {
        "description": "The remaining requests, `r`, and the seconds until the limit resets, `t`.",
        "schema": {"type": "string", "examples": ['"key";r=59990;t=42']},
    },
}
RETRY = {
    "Retry-After": {
        "description": "Seconds to wait before the next request.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


PARAMETERS = {
    "endpoint_id": "The ID of a webhook endpoint, whk_…",
    "suppression_id": "The ID of an opt-out, sup_…",
    "message_id": "The ID of a message, msg_…",
    "event_id": "The event's Signpost ID (evt_…) or your own ID.",
    "request_id": (
        "The request's Signpost ID (req_…) or your own ID. Percent-encode your ID:"
        " `2026/11/42` becomes `2026%2F11%2F42`. You may leave slashes as they are."
    ),
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": (
        "A repeat with the same key and body gets the same response for 7 days. A repeat"
        " with another body is rejected."
    ),
}


def document(server: str) -> dict[str, Any]:
    """Return the OpenAPI document of the API at `server`."""
    return {**_relative_document(), "servers": [{"url": server}]}


@cache
def _relative_document() -> dict[str, Any]:
    """Return the OpenAPI document of this version, which is the same at every server."""
    paths: dict[str, Any] = {}
    for route in list_routes(current_app):
        paths.setdefault(route.path, {})[route.method] = _describe(route)
    raw = {
        "openapi": "3.1.0",
        "info": {"title": "Signpost API", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": about} for name, about in TAGS],
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": describe_webhooks(),
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: sp_live_… or sp_test_…",
                }
            }
        },
    }
    complete = construct_open_api_with_schema_class(OpenAPI.model_validate(raw))
    return complete.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _describe(route: Route) -> dict[str, Any]:
    operation = route.operation
    description: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description} Requires the scope `{operation.scope}`.",
        "security": [{"key": [operation.scope.value]}],
        "parameters": [
            *_path_parameters(route.path),
            *([IDEMPOTENCY_KEY] if operation.idempotent else ()),
            *(_query_parameters(operation.query) if operation.query else ()),
        ],
        "responses": _responses(operation),
    }
    if operation.file:
        description["requestBody"] = _form_with_file(operation.file)
    if operation.body:
        schema = {"schema": _schema(operation.body), "example": operation.example}
        description["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": schema},
        }
    return description


def _responses(operation: Operation) -> dict[str, Any]:
    success = {
        "description": "Done." if operation.status == 200 else "Stored.",
        "headers": HEADERS,
        "content": {"application/json": {"schema": _schema(operation.response)}},
    }
    errors = sorted({*operation.errors.split(), *COMMON_ERRORS})
    return {str(operation.status): success, **{status: _error(status) for status in errors}}


def _error(status: str) -> dict[str, Any]:
    return {
        "description": ERRORS[status],
        **({"headers": {**HEADERS, **RETRY}} if status == "429" else {}),
        "content": {"application/problem+json": {"schema": _schema(ProblemOut)}},
    }


def _form_with_file(description: str) -> dict[str, Any]:
    file = {
        "type": "string",
        "format": "binary",
        "contentMediaType": "application/octet-stream",
        "minLength": 1,
        "description": description,
    }
    form = {
        "schema": {"type": "object", "required": ["file"], "properties": {"file": file}},
        "encoding": {"file": {"contentType": ", ".join(sorted(media.supported_types()))}},
    }
    return {"required": True, "content": {"multipart/form-data": form}}


def _schema(shape: type[BaseModel]) -> Any:
    return PydanticSchema.model_validate({"schema_class": shape})


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": about,
            "schema": {"type": "string"},
        }
        for name, about in PARAMETERS.items()
        if "{" + name + "}" in path
    ]


def _query_parameters(shape: type[BaseModel]) -> list[dict[str, Any]]:
    schema = shape.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": parameter.pop("description", ""),
            "schema": _inline(parameter, schema.get("$defs", {})),
        }
        for name, parameter in schema["properties"].items()
    ]


def _inline(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a query parameter's schema without null, which a query cannot contain, and
    references.
    """
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    choice = choices[0]
    if "$ref" in choice:
        choice = definitions[choice["$ref"].rsplit("/", 1)[1]]
    merged = {**schema, **choice}
    dropped = ("title", "$ref", "anyOf")
    return {key: value for key, value in merged.items() if key not in dropped and value is not None}


@blueprint.get("/api/v1/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    response = jsonify(document(_server()))
    response.headers["Cache-Control"] = "public, max-age=300"  # it contains no personal data
    return response


@blueprint.get("/api/docs")
def docs() -> str:
    """Show the API's reference."""
    openapi_document = document(_server())
    return render_template(
        "api_docs.html",
        title="API",
        version=openapi_document["openapi"],
        about=ABOUT,
        groups=groups(openapi_document, _server()),
        document_url=url_for("api_document.openapi"),
        start="",
    )


def _server() -> str:
    config: Config = current_app.extensions["hub.config"]
    return config.public_url
