"""Messages: sent directly, listed, looked at, taken back, sent again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import or_, select

from hub import idempotency
from hub.api.guard import caller
from hub.api.shapes import MessageIn, MessageQuery, body_of, message_out, query_of
from hub.errors import NotFound, Refused
from hub.extensions import db
from hub.messaging import direct, outbox
from hub.messaging.contacts import address_key
from hub.models import Connection, Contact, Message, SigningRequest
from hub.models.types import is_id
from hub.vocabulary import Address

blueprint = Blueprint("messages", __name__)


@blueprint.post("/messages")
def post_message() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Send one message."""
    who, message = caller(), body_of(MessageIn)

    def send() -> dict[str, Any]:
        message_id = direct.send(
            to=message.to, text=message.text, channel=message.channel or "", connection_slug=message.connection or "",
            source_id=who.source_id, test=who.test,
        )  # fmt: skip
        return message_out(db.session.get_one(Message, message_id))

    key = request.headers.get("Idempotency-Key", "")
    answer, repeated = idempotency.once(who.key_id, request.path, key, request.get_data(), 202, send)
    return answer, 202, {"Idempotency-Replayed": "true"} if repeated else {}


@blueprint.get("/messages")
def list_messages() -> dict[str, Any]:
    """List messages, newest first."""
    who, wanted = caller(), query_of(MessageQuery)
    query = select(Message).where(Message.source_id == who.source_id, Message.test == who.test).order_by(Message.id.desc())
    if wanted.after:
        if not is_id("msg", wanted.after):
            raise Refused("bad_cursor", "Give the `next` of the page before.", field="after")
        query = query.where(Message.id < wanted.after)
    for column, value in ((Message.status, wanted.status), (Message.channel, wanted.channel), (Message.provider_id, wanted.provider_id)):
        if value:
            query = query.where(column == value)
    if wanted.connection:
        query = query.where(Message.connection_id.in_(select(Connection.id).where(Connection.slug == wanted.connection)))
    if wanted.request:
        query = query.where(Message.request_id.in_(_request_ids(wanted.request)))
    if wanted.to:
        keys = [address_key(kind, wanted.to) for kind in Address]
        query = query.where(Message.contact_id.in_(select(Contact.id).where(Contact.address_key.in_(keys), Contact.test == who.test)))
    rows = list(db.session.scalars(query.limit(wanted.limit + 1)))
    page = rows[: wanted.limit]
    return {
        "messages": [message_out(row, with_timeline=False) for row in page],
        "next": page[-1].id if len(rows) > wanted.limit else None,
    }  # fmt: skip


def _request_ids(text: str) -> Any:
    ours = SigningRequest.id == text if is_id("req", text) else None
    theirs = SigningRequest.external_id == text
    return select(SigningRequest.id).where(theirs if ours is None else or_(ours, theirs), SigningRequest.source_id == caller().source_id)


@blueprint.get("/messages/<message_id>")
def get_message(message_id: str) -> dict[str, Any]:
    """Look at one message."""
    return message_out(_own(message_id))


@blueprint.post("/messages/<message_id>/cancel")
def cancel_message(message_id: str) -> dict[str, Any]:
    """Take back a message that was not sent yet."""
    outbox.cancel(_own(message_id).id)
    return message_out(_own(message_id))


@blueprint.post("/messages/<message_id>/resend")
def resend_message(message_id: str) -> tuple[dict[str, Any], int]:
    """Send a message again, as a new one."""
    again = outbox.resend(_own(message_id).id)
    return message_out(_own(again.id)), 202


def _own(message_id: str) -> Message:
    who = caller()
    message = db.session.get(Message, message_id) if is_id("msg", message_id) else None
    if message is None or message.source_id != who.source_id or message.test != who.test:
        raise NotFound("no_such_message", "There is no message with this id that this key may see.")
    return message
