"""The OpenAPI 3.1 document, made from the shapes that the routes read and write; and the page that
shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, url_for
from openapi_pydantic import OpenAPI
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from hub.api.consent_shapes import (
    ConsentIn,
    ConsentOut,
    ConsentQuery,
    ConsentsOut,
    LiftIn,
    SuppressionIn,
    SuppressionOut,
    SuppressionQuery,
    SuppressionsOut,
)
from hub.api.reference import groups
from hub.api.request_shapes import EventOut, InvitationOut, InviteIn, RemindIn, RequestOut, SnoozeIn
from hub.api.scopes import SCOPES
from hub.api.shapes import MediaOut, MessageIn, MessageOut, MessageQuery, MessagesOut, ProblemOut
from hub.core import __version__
from hub.core.config import Config
from hub.core.vocabulary import Scope
from hub.lib import compression
from hub.messaging.compose import media
from hub.signing.events import EventIn

blueprint = Blueprint("api_document", __name__)
blueprint.after_request(compression.compress_public)

ABOUT = (
    "Post what happened to a document; every signer hears of it on the channel that reaches them."
    " An answer of 202 means that the event and all its messages are stored: nothing accepted is"
    " lost. Errors are problem details (RFC 9457) with a `code` and the `field` at fault. A test"
    " key uses test connections only. A key reads and changes what keys of its own source stored,"
    " as far as its scopes allow. How many requests it has left in this minute stands in"
    " `RateLimit`."
)
TAGS = (
    (
        "Events",
        (
            "What happened to a document, told once; repeated and late events are told to nobody"
            " twice."
        ),
    ),
    ("Messages", "One text for one recipient, and everything that happened to it."),
    ("Media", "Files that go along with messages, on channels that take them."),
    ("Opt-outs", "Who must not be written to, and who said yes or no to what."),
    ("Requests", "A signing request, and what each signer was told."),
)
REFUSALS = {
    "400": "The body is not JSON.",
    "401": "No API key, or one that opens nothing.",
    "403": "The API key lacks the scope that `scope` names.",
    "404": "There is none with this id that the key may see.",
    "409": "Its state does not allow this, or an equal request is still running.",
    "413": "The body is larger than 256 KiB, or a file larger than is taken.",
    "414": "The address is too long.",
    "431": "The headers are too long.",
    "415": "The body is not declared as JSON; that with a file, as a form.",
    "422": "A field is wrong or not known; `field` names it and `detail` says what to do.",
    "429": "The API key made too many requests; `Retry-After` says how many seconds to wait.",
    "503": (
        "The database cannot be reached. `detail` says whether something was stored; most often"
        " nothing was, so repeat the request."
    ),
}
EVERYWHERE = ("403", "414", "429", "431")  # these are refused before a route is asked

HEADERS = {
    "RateLimit-Policy": {
        "description": "The most requests with this key, `q`, in so many seconds, `w`.",
        "schema": {"type": "string", "examples": ['"key";q=60000;w=60']},
    },
    "RateLimit": {
        "description": "The requests left, `r`, and the seconds until all are there again, `t`.",
        "schema": {"type": "string", "examples": ['"key";r=59990;t=42']},
    },
}
RETRY = {
    "Retry-After": {
        "description": "The seconds to wait.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


@dataclass(frozen=True)
class Route:
    """One operation."""

    method: str
    path: str
    id: str
    tag: str
    title: str
    about: str
    status: str
    gives: type[BaseModel]
    takes: type[BaseModel] | None = None
    optional: bool = False
    example: Any = None
    refusals: str = "401"
    idempotent: bool = False
    query: type[BaseModel] | None = None
    file: str = ""  # what the file is that a form carries


EVENT_EXAMPLE = {
    "type": "request.sent",
    "id": "evt-771",
    "occurred_at": "2026-11-21T09:30:00Z",
    "request": {
        "id": "agr-1001",
        "title": "Employment Agreement",
        "sender": {"name": "Acme HR", "email": "hr@acme.example"},
        "expires_at": "2026-12-24T00:00:00Z",
    },
    "signers": [
        {
            "id": "eric",
            "name": "Eric Smith",
            "email": "eric@example.com",
            "mobile_number": "+13175551234",
            "locale": "en",
            "time_zone": "America/Indiana/Indianapolis",
            "order": 1,
            "signing_url": "https://sign.example/r/agr-1001/eric",
            "send_to": {"mobile_number": True, "email": True},
            "preference": ["whatsapp", "sms"],
        }
    ],
}

ROUTES = (
    Route(
        "post",
        "/events",
        "postEvent",
        "Events",
        "Tell Signpost what happened",
        "Stores the event and the messages it causes in one transaction, then answers. A field that"
        " is absent is unchanged, null clears it; events may come in any order, `occurred_at`"
        " decides.",
        "202",
        EventOut,
        EventIn,
        example=EVENT_EXAMPLE,
        refusals="400 401 409 413 415 422 503",
        idempotent=True,
    ),
    Route(
        "post",
        "/messages",
        "postMessage",
        "Messages",
        "Send one message",
        "Over a connection, or over the first enabled one of a channel.",
        "202",
        MessageOut,
        MessageIn,
        example={"channel": "sms", "to": "+13175551234", "text": "Your contract is ready."},
        refusals="400 401 404 409 413 415 422 503",
        idempotent=True,
    ),
    Route(
        "post",
        "/media",
        "postMedia",
        "Media",
        "Give a file to go along",
        "Kept sealed for HUB_MEDIA_DAYS. Each time a message with it is sent, the provider gets a"
        " link that lives 15 minutes.",
        "201",
        MediaOut,
        file="An image of at most 5 MB, or another file of at most 16 MB: a signed PDF, say.",
        refusals="401 413 415 422 503",
    ),
    Route(
        "get",
        "/messages",
        "listMessages",
        "Messages",
        "List messages",
        "Newest first, in pages; without timelines.",
        "200",
        MessagesOut,
        query=MessageQuery,
        refusals="401 422",
    ),
    Route(
        "get",
        "/messages/{message_id}",
        "getMessage",
        "Messages",
        "Look at one message",
        "With its timeline.",
        "200",
        MessageOut,
        refusals="401 404",
    ),
    Route(
        "post",
        "/messages/{message_id}/cancel",
        "cancelMessage",
        "Messages",
        "Take a message back",
        "While it is queued.",
        "200",
        MessageOut,
        refusals="401 404 409",
    ),
    Route(
        "post",
        "/messages/{message_id}/resend",
        "resendMessage",
        "Messages",
        "Send a message again",
        "As a new message that follows this one; each has at most one that follows it.",
        "202",
        MessageOut,
        refusals="401 404 409",
    ),
    Route(
        "get",
        "/suppressions",
        "listSuppressions",
        "Opt-outs",
        "List opt-outs",
        "Those that keys of your source recorded, newest first, in pages. With `address`, `blocked`"
        " says what blocks your messages to it, including opt-outs that hold for every source.",
        "200",
        SuppressionsOut,
        query=SuppressionQuery,
        refusals="401 422",
    ),
    Route(
        "post",
        "/suppressions",
        "addSuppression",
        "Opt-outs",
        "Close an address",
        "Stops the messages of your source to it, those of all sources if an admin chose so for "
        "yours. One that is closed already stays as it is.",
        "201",
        SuppressionOut,
        SuppressionIn,
        example={"address": "+13175551234", "why": "Asked us on the phone."},
        refusals="400 401 413 415 422 503",
    ),
    Route(
        "post",
        "/suppressions/{suppression_id}/lift",
        "liftSuppression",
        "Opt-outs",
        "Open an address again",
        "With the reason. Opt-outs by keyword, provider or admin are lifted by admins only.",
        "200",
        SuppressionOut,
        LiftIn,
        example={"why": "Wrote to us and wants messages."},
        refusals="400 401 404 413 415 422 503",
    ),
    Route(
        "get",
        "/consents",
        "listConsents",
        "Opt-outs",
        "List what an address said",
        "What keys of your source recorded, newest first, in pages.",
        "200",
        ConsentsOut,
        query=ConsentQuery,
        refusals="401 422",
    ),
    Route(
        "post",
        "/consents",
        "recordConsent",
        "Opt-outs",
        "Record a yes or a no",
        "A line of the ledger; lines are never changed. A consent ends an objection that keys of"
        " your source recorded. An objection that an admin recorded, or another source for all,"
        " applies until they record a consent.",
        "201",
        ConsentOut,
        ConsentIn,
        example={
            "address": "+13175551234",
            "given": True,
            "channel": "whatsapp",
            "proof": "I agree to messages about documents on WhatsApp.",
        },
        refusals="400 401 413 415 422 503",
    ),
    Route(
        "get",
        "/requests/{request_id}",
        "getRequest",
        "Requests",
        "Look at a signing request",
        "By our id or yours.",
        "200",
        RequestOut,
        refusals="401 404",
    ),
    Route(
        "post",
        "/requests/{request_id}/remind",
        "remindRequest",
        "Requests",
        "Remind those who have still to sign",
        "Everybody, or the one signer that the body names. "
        "After `request.expires_at`, nobody: 409 `request_expired`.",
        "202",
        EventOut,
        RemindIn,
        optional=True,
        example={"signer": "eric"},
        refusals="400 401 404 409 415 422",
        idempotent=True,
    ),
    Route(
        "post",
        "/requests/{request_id}/snooze",
        "snoozeRequest",
        "Requests",
        "Put off reminders for a day",
        "To everybody who has still to sign, or to the one signer that the body names. Nobody"
        " reminds them meanwhile: neither your events, nor this API, nor people here. Reminders"
        " that wait to be sent are taken back.",
        "200",
        RequestOut,
        SnoozeIn,
        optional=True,
        example={"signer": "eric"},
        refusals="400 401 404 409 415 422 503",
    ),
    Route(
        "post",
        "/requests/{request_id}/unsnooze",
        "unsnoozeRequest",
        "Requests",
        "Take up reminders again",
        "Before the day is over.",
        "200",
        RequestOut,
        SnoozeIn,
        optional=True,
        example={"signer": "eric"},
        refusals="400 401 404 409 415 422 503",
    ),
    Route(
        "post",
        "/requests/{request_id}/invite",
        "inviteSigner",
        "Requests",
        "Invite a signer to a chat",
        "Makes a link that works once, for a week. Who opens it is written to in that chat wherever"
        " `preference` names it, in later requests of yours too: hand it to the signer alone. Texts"
        " can show one too: see Templates.",
        "201",
        InvitationOut,
        InviteIn,
        example={"signer": "eric"},
        refusals="400 401 404 413 415 422 503",
    ),
)
PARAMETERS = {
    "suppression_id": "The id of an opt-out, sup_…",
    "message_id": "The id of a message, msg_…",
    "request_id": (
        "The request's id, ours (req_…) or yours. Percent-encode yours: `2026/11/42` is "
        "`2026%2F11%2F42`; slashes may also stay as they are."
    ),
}


@cache
def document(server: str) -> dict[str, Any]:
    """Return the OpenAPI document of the API at `server`."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault("/api/v1" + route.path, {})[route.method] = _operation(route)
    raw = {
        "openapi": "3.1.0",
        "info": {"title": "Signpost API", "version": __version__, "description": ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": about} for name, about in TAGS],
        "security": [{"key": []}],
        "paths": paths,
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
    made = construct_open_api_with_schema_class(OpenAPI.model_validate(raw))
    return made.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _operation(route: Route) -> dict[str, Any]:
    scope = scope_of(route)
    operation: dict[str, Any] = {
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.title,
        "description": f"{route.about} Needs the scope `{scope}`.",
        "security": [{"key": [scope.value]}],
        "parameters": [*_parameters(route)],
        "responses": {
            route.status: {
                "description": "Done." if route.status == "200" else "Stored.",
                "headers": HEADERS,
                "content": {"application/json": {"schema": _schema(route.gives)}},
            },
            **{
                status: {
                    "description": REFUSALS[status],
                    **({"headers": {**HEADERS, **RETRY}} if status == "429" else {}),
                    "content": {"application/problem+json": {"schema": _schema(ProblemOut)}},
                }
                for status in sorted({*route.refusals.split(), *EVERYWHERE})
            },
        },
    }
    if route.file:
        operation["requestBody"] = {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {
                                "type": "string",
                                "format": "binary",
                                "contentMediaType": "application/octet-stream",
                                "minLength": 1,
                                "description": route.file,
                            }
                        },
                    },
                    "encoding": {
                        "file": {"contentType": ", ".join(sorted(media.passed_on_files()))}
                    },
                }
            },
        }
    if route.takes:
        operation["requestBody"] = {
            "required": not route.optional,
            "content": {
                "application/json": {"schema": _schema(route.takes), "example": route.example}
            },
        }
    return operation


def scope_of(route: Route) -> Scope:
    """Return the scope that an operation needs, by the view that answers it."""
    url = "/api/v1" + re.sub(r"\{\w+\}", "id", route.path)
    endpoint, _ = current_app.url_map.bind("").match(url, method=route.method.upper())
    return SCOPES[endpoint]


def _schema(shape: type[BaseModel]) -> Any:
    return PydanticSchema.model_validate({"schema_class": shape})


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": about,
            "schema": {"type": "string"},
        }
        for name, about in PARAMETERS.items()
        if "{" + name + "}" in route.path
    ]
    if route.idempotent:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 255},
                "description": (
                    "A repeat with the same key and body gets the same answer for 7 days; with"
                    " another body it is refused."
                ),
            }
        )
    if route.query:
        schema = route.query.model_json_schema()
        for name, one in schema["properties"].items():
            found.append(
                {
                    "name": name,
                    "in": "query",
                    "required": name in schema.get("required", ()),
                    "description": one.pop("description", ""),
                    "schema": _inline(one, schema.get("$defs", {})),
                }
            )
    return found


def _inline(one: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a query parameter's schema without null and references, which a query has not."""
    choices = [choice for choice in one.get("anyOf", [one]) if choice.get("type") != "null"]
    chosen = choices[0]
    if "$ref" in chosen:
        chosen = definitions[chosen["$ref"].rsplit("/", 1)[1]]
    whole = {**one, **chosen}
    dropped = ("title", "$ref", "anyOf")
    return {key: value for key, value in whole.items() if key not in dropped and value is not None}


@blueprint.get("/api/v1/openapi.json")
def openapi() -> Response:
    """Give the OpenAPI document."""
    response = jsonify(document(_server()))
    response.headers["Cache-Control"] = "public, max-age=300"  # it tells nothing about anybody
    return response


@blueprint.get("/api/docs")
def docs() -> str:
    """Show the API's reference."""
    made = document(_server())
    return render_template(
        "api_docs.html",
        title="API",
        version=made["openapi"],
        about=ABOUT,
        groups=groups(made, _server()),
        document_url=url_for("api_document.openapi"),
        start="",
    )


def _server() -> str:
    config: Config = current_app.extensions["hub.config"]
    return config.public_url
