"""Request and response shapes of messages."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import select

from hub.api.fields import cursor
from hub.api.problems import Problem
from hub.core.vocabulary import Channel, PersonRole, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.lib.storable import find_nul
from hub.lib.times import format_time as format_time
from hub.messaging.state import unreadable_rows
from hub.messaging.track import timeline
from hub.models import Connection, Contact, Message, Signer
from hub.signing.events import Strict

MAX_PAGE_SIZE = 100
BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
Shape = TypeVar("Shape", bound=BaseModel)
T = TypeVar("T")
A = TypeVar("A")


def _require_field(name: str) -> Any:
    """Return the JSON Schema of an object with a required non-empty string field."""
    return {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}


_CONTENT = [_require_field("text"), _require_field("media"), _require_field("media_url")]


# ── In ────────────────────────────────────────────────────────────────────────────────────────────
class MessageIn(Strict):
    """A direct message over a connection, or over the first enabled connection of a channel."""

    # not `oneOf` at the top, because client generators then ignore the fields next to it
    model_config = ConfigDict(
        json_schema_extra={
            "if": _require_field("connection"),
            "then": {"not": _require_field("channel"), "anyOf": _CONTENT},
            "else": {**_require_field("channel"), "anyOf": _CONTENT},
        }
    )

    to: Annotated[str, StringConstraints(max_length=320)] = Field(
        default="",
        description=(
            "The recipient, such as +13175551234. Phone numbers are stored in E.164 form."
            " Default: the destination of the connection's team."
        ),
    )
    text: Annotated[str, StringConstraints(max_length=100_000)] = Field(
        default="", description="Required unless a file is attached."
    )
    media: str | None = Field(
        default=None, description="The ID of a file uploaded with POST /api/v1/media, to attach."
    )
    media_url: str | None = Field(
        default=None,
        description=(
            "The https URL of a file to attach instead. Signpost checks it before each attempt."
        ),
    )
    channel: Channel | None = None
    connection: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="The slug of a connection."
    )

    @model_validator(mode="after")
    def _check_required(self) -> MessageIn:
        if (self.channel is None) == (self.connection is None):
            raise ValueError("channel: Send either channel or connection, not both.")
        if not (self.text or self.media or self.media_url):
            raise ValueError("text: send the text of the message, or a file to attach.")
        return self


class MessageQuery(Strict):
    """Filters for the list of messages."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 25
    after: str | None = cursor("msg")
    status: Status | None = None
    channel: Channel | None = None
    connection: str | None = Field(default=None, description="The slug of a connection.")
    request: str | None = Field(default=None, description="A request's Signpost ID or your own ID.")
    to: str | None = Field(default=None, description="The recipient's address.")
    provider_id: str | None = None


def parse_body(shape: type[Shape]) -> Shape:
    """Read the request's body. Raises Problem, ValidationError."""
    if not request.is_json:
        raise Problem(415, "not_json", "Send JSON, with the header Content-Type: application/json.")
    body = request.get_data()
    if body.startswith(BYTE_ORDER_MARKS):
        detail = "The body begins with a byte order mark (BOM). Send UTF-8 without it."
        raise Problem(400, "bad_json", detail)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "bad_json", "The body is not UTF-8.") from None
    try:
        parsed = json.loads(
            text, object_pairs_hook=_object_without_repeats, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise Problem(400, "bad_json", f"The body is not JSON: {error}.") from None
    except ValueError:  # Python limits the digits of a number, because parsing them is slow
        raise Problem(400, "bad_json", "A number in the body has too many digits.") from None
    except RecursionError:
        raise Problem(400, "bad_json", "The body is nested too deeply.") from None
    # the first test is fast and finds an escaped NUL; pydantic refuses lone surrogates below
    if b"\\u0000" in body and (field := find_nul(parsed)) is not None:
        raise _nul_problem(field)
    return shape.model_validate_json(body)


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object.

    Raises Problem for a repeated field, because RFC 8259 does not define which value counts.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)[:100]
        detail = f"{repeated} occurs more than once. Send it once."
        raise Problem(422, "repeated_field", detail, field=repeated)
    return fields


def _refuse_constant(name: str) -> Any:
    raise Problem(400, "bad_json", f"The body is not JSON: {name} is not a JSON number.")


def parse_query(shape: type[Shape]) -> Shape:
    """Read the request's query. Raises Problem, ValidationError."""
    repeated = next((name for name, values in request.args.lists() if len(values) > 1), None)
    if repeated is not None:
        detail = f"{repeated} occurs more than once. Send it once."
        raise Problem(422, "repeated_parameter", detail, field=repeated)
    parameters = request.args.to_dict()
    if (field := find_nul(parameters)) is not None:
        raise _nul_problem(field)
    return shape.model_validate(parameters)


def _nul_problem(field: str) -> Problem:
    reason = "Remove the NUL character. It cannot be stored."
    return Problem(422, "invalid_field", f"{field}: {reason}" if field else reason, field=field)


@transaction
def store_and_respond(change: Callable[[], T], build_response: Callable[[T], A]) -> A:
    """Make a change and return its response, in one transaction.

    If the response cannot be built, the change is not stored.
    """
    result = change()
    db.session.flush()
    db.session.expire_all()  # statements may have changed rows that this session has read
    return build_response(result)


# ── Out ───────────────────────────────────────────────────────────────────────────────────────────
class ErrorOut(BaseModel):
    """The reason why a message was not delivered, and the remedy."""

    code: str
    text: str
    remedy: str


class TimelineOut(BaseModel):
    """One entry of a message's timeline."""

    at: AwareDatetime
    what: str
    title: str
    text: str = ""
    status: Status | None = None
    source: str = Field(description="The origin of the entry: hub, callback, poll or find.")
    attempt: int | None = None
    word: str | None = Field(default=None, description="The status as the provider calls it.")
    code: str | None = None
    http_status: int | None = None
    provider_request: str | None = None
    milliseconds: int | None = None
    event: str | None = Field(
        default=None, description="The resulting platform event, such as sms_delivered."
    )


class MediaOut(BaseModel):
    """An uploaded file. Messages can name it in `media` until it expires."""

    id: str
    name: str
    content_type: str
    size: int = Field(description="Size in bytes.")
    expires_at: AwareDatetime = Field(description="The time at which the file is deleted.")


class MessageOut(BaseModel):
    """A message with its status."""

    id: str
    status: Status
    code: str | None
    channel: Channel
    connection: str
    to: str
    error: ErrorOut | None
    provider_id: str | None
    request: str | None
    signer: str | None = Field(description="The person's ID in your app, or `sender`.")
    role: PersonRole | None = Field(
        description="The role of the person in the request. Null without a request, and for a team."
    )
    event: str | None
    changes: str | None = Field(description="The earlier post that this message updates.")
    segments: int | None
    test: bool
    created_at: AwareDatetime
    timeline: list[TimelineOut]


class MessagesOut(BaseModel):
    """A page of messages, newest first. `next` is null on the last page."""

    messages: list[MessageOut]
    next: str | None


class ProblemOut(BaseModel):
    """An error in the form of RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    scope: str | None = Field(default=None, description="The missing scope of the key.")
    errors: list[dict[str, str]] | None = None


def serialize_message(message: Message, *, with_timeline: bool = True) -> dict[str, Any]:
    """Return a message as the API shows it."""
    signer = db.session.get(Signer, message.signer_id) if message.signer_id else None
    problem = timeline.explain_failure(message)
    return {
        "id": message.id,
        "status": Status.read(message.status).value,
        "code": message.code or None,
        "channel": message.channel,
        "connection": message.connection.slug,
        "to": message.contact.address,
        "error": (
            {"code": problem.code, "text": problem.text, "remedy": problem.remedy}
            if problem
            else None
        ),
        "provider_id": message.provider_id,
        "request": message.request_id,
        "signer": signer.external_id if signer else None,
        "role": PersonRole.read(signer.role).value if signer else None,
        "event": message.event_id,
        "changes": message.edits_id,
        "segments": message.segments,
        "test": message.test,
        "created_at": format_time(message.created_at),
        "timeline": (
            [_entry_out(entry) for entry in timeline.timeline(message)] if with_timeline else []
        ),
    }


def messages_out(rows: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages without timelines. The rows that they refer to are read together."""
    referenced = [
        db.session.scalars(
            select(model).where(
                model.id.in_({value for row in rows if (value := getattr(row, name))})
            )
        ).all()
        for model, name in (
            (Contact, "contact_id"),
            (Connection, "connection_id"),
            (Signer, "signer_id"),
        )
    ]
    messages = unreadable_rows.readable_rows(
        "messages", rows, lambda row: serialize_message(row, with_timeline=False)
    )
    del referenced  # until here, the references keep the rows in the session
    return messages


def _entry_out(entry: timeline.Entry) -> dict[str, Any]:
    return {
        "at": format_time(entry.at),
        "what": entry.kind,
        "title": entry.title,
        "text": entry.text,
        "status": entry.status,
        "source": entry.source,
        "attempt": entry.attempt,
        "word": entry.provider_status or None,
        "code": entry.code or None,
        "http_status": entry.http_status,
        "provider_request": entry.provider_request or None,
        "milliseconds": entry.milliseconds,
        "event": entry.event or None,
    }
