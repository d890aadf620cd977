"""Send, list, get, cancel and resend messages through the API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import and_, or_

from hub.api.guard import current_caller
from hub.api.operations import operation
from hub.api.pages import read_page
from hub.api.shapes import (
    MessageIn,
    MessageOut,
    MessageQuery,
    MessagesOut,
    messages_out,
    parse_body,
    parse_query,
    serialize_message,
    store_and_respond,
)
from hub.core.errors import NotFound
from hub.core.vocabulary import Address, Scope
from hub.db.engine import db
from hub.db.types import is_id
from hub.messaging.compose import cancellation, direct, resend
from hub.messaging.track import message_queries
from hub.models import Message
from hub.shared import idempotency

blueprint = Blueprint("messages", __name__)


@blueprint.post("/messages")
@operation(
    id="postMessage",
    tag="Messages",
    summary="Send a message",
    description=(
        "Sends over the given connection, or over the first enabled connection of the channel."
    ),
    scope=Scope.MESSAGES_WRITE,
    status=202,
    response=MessageOut,
    errors="400 401 404 409 413 415 422 503",
    body=MessageIn,
    example={"channel": "sms", "to": "+13175551234", "text": "Your contract is ready."},
    idempotent=True,
)
def post_message() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Send one message."""
    client = current_caller()
    message = parse_body(MessageIn)

    def send() -> dict[str, Any]:
        message_id = direct.send_message(
            to=message.to,
            text=message.text,
            channel=message.channel or "",
            connection_slug=message.connection or "",
            media_url=message.media_url or "",
            media_id=message.media or "",
            source_id=client.source_id,
            test=client.test,
        )
        return serialize_message(db.session.get_one(Message, message_id))

    key = request.headers.get("Idempotency-Key", "")
    response, repeated = idempotency.run_once_per_key(
        client.key_id, request.path, key, request.get_data(), 202, send
    )
    return response, 202, {"Idempotency-Replayed": "true"} if repeated else {}


@blueprint.get("/messages")
@operation(
    id="listMessages",
    tag="Messages",
    summary="List messages",
    description="Returns pages of messages without timelines, newest first.",
    scope=Scope.MESSAGES_READ,
    status=200,
    response=MessagesOut,
    errors="401 422",
    query=MessageQuery,
)
def list_messages() -> dict[str, Any]:
    """List messages, newest first."""
    client = current_caller()
    query = parse_query(MessageQuery)
    own = and_(
        message_queries.BesideIndex(Message.source_id) == client.source_id,
        message_queries.BesideIndex(Message.test) == client.test,
    )

    def read(before: str, limit: int) -> list[Message]:
        return message_queries.newest_messages(
            _branches(query), limit, before=before, extra_condition=own
        )

    rows, following = read_page(read, "msg", query.after, query.limit)
    return {"messages": messages_out(rows), "next": following}


def _branches(query: MessageQuery) -> message_queries.Branches:
    """Return the index conditions that select the queried messages, by the narrowest filter."""
    narrow: list[message_queries.Branches] = []
    if query.provider_id:
        narrow.append(message_queries.match_provider_id(query.provider_id))
    if query.request:
        narrow.append(message_queries.match_request(query.request))
    if query.to:
        narrow.append(message_queries.match_address([(kind, query.to) for kind in Address]))
    filters = message_queries.Filters(
        [query.status] if query.status else (),
        channel=query.channel or "",
        slug=query.connection or "",
        test=current_caller().test,
    )
    if not narrow and not (query.status or query.channel or query.connection):
        return [
            and_(
                Message.source_id == current_caller().source_id,
                Message.test == current_caller().test,
            )
        ]
    if not narrow:
        return filters.branches()
    branches, *others = narrow
    for other in others:
        branches = [and_(branch, or_(*other)) for branch in branches] if other else []
    return filters.narrow(branches)


@blueprint.get("/messages/<message_id>")
@operation(
    id="getMessage",
    tag="Messages",
    summary="Get a message",
    description="Returns the message with its timeline.",
    scope=Scope.MESSAGES_READ,
    status=200,
    response=MessageOut,
    errors="401 404",
)
def get_message(message_id: str) -> dict[str, Any]:
    """Return a message with its timeline."""
    return serialize_message(_own_message(message_id))


@blueprint.post("/messages/<message_id>/cancel")
@operation(
    id="cancelMessage",
    tag="Messages",
    summary="Cancel a message",
    description="Only queued messages can be canceled.",
    scope=Scope.MESSAGES_WRITE,
    status=200,
    response=MessageOut,
    errors="401 404 409",
)
def cancel_message(message_id: str) -> dict[str, Any]:
    """Cancel a queued message."""
    own_id = _own_message(message_id).id
    return store_and_respond(
        lambda: cancellation.cancel(own_id), lambda _: serialize_message(_own_message(own_id))
    )


@blueprint.post("/messages/<message_id>/resend")
@operation(
    id="resendMessage",
    tag="Messages",
    summary="Resend a message",
    description=(
        "Creates a new message that follows this one. Each message has at most one successor."
        " A message that asks to sign is refused if the signer or the request no longer needs it."
    ),
    scope=Scope.MESSAGES_WRITE,
    status=202,
    response=MessageOut,
    errors="401 404 409",
)
def resend_message(message_id: str) -> tuple[dict[str, Any], int]:
    """Send a message again, as a new one."""
    own_id = _own_message(message_id).id
    return store_and_respond(
        lambda: resend.resend(own_id).id, lambda new_id: serialize_message(_own_message(new_id))
    ), 202


def _own_message(message_id: str) -> Message:
    client = current_caller()
    message = db.session.get(Message, message_id) if is_id("msg", message_id) else None
    if message is None or message.source_id != client.source_id or message.test != client.test:
        raise NotFound("no_such_message", "No message with this ID is accessible to this key.")
    return message
