"""Send a message again, as a new message that follows the old one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import FilledTemplate
from hub.messaging.compose import media, provider_templates
from hub.messaging.compose.content import buttons_of, card_of, template_of
from hub.messaging.compose.outbox import ASKING, Draft, add, lock_message
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Event, Message, MessageBody, SigningRequest
from hub.shared import audit

DAMAGED = (
    "A damaged value in the database hides whether the message was sent. Repair its row"
    " first. The page Unreadable rows names the value."
)


@transaction
def resend(message_id: str) -> Message:
    """Send a message again, as a successor, which each message has at most one of.

    Raises NotFound, Conflict.
    """
    message = lock_message(message_id)
    _check_state(message)
    _check_newest(message)
    content = _content(message)
    _check_limits(message, content)
    again = add(_copy(message, content))
    audit.record("message.resent", message.id, successor=again.id)
    return db.session.get_one(Message, again.id)


def _check_state(message: Message) -> None:
    """Raise Conflict unless a message has ended, or its outcome is unknown."""
    if unreadable_rows.find_entry("messages", message.id) is not None:
        raise Conflict("unreadable", DAMAGED)
    if not (message.settled or Status.read(message.status) == Status.UNKNOWN):
        why = (
            "The message is still in progress. Wait until it is delivered or failed, then"
            " resend it."
        )
        raise Conflict("under_way", why)


def _check_newest(message: Message) -> None:
    """Raise Conflict where a later message has taken this one's place."""
    newer = select(Message.id).where(Message.edits_id == message.edits_id, Message.id > message.id)
    if message.edits_id is not None and db.session.scalar(newer.limit(1)) is not None:
        why = "The post was updated again since, so this update is out of date."
        raise Conflict("newer_edit", why)
    successor = db.session.scalar(select(Message.id).where(Message.after_id == message.id))
    if successor is not None:
        why = f"The message was already resent as {successor}. Resend that message instead."
        raise Conflict("resent_already", why)


def _content(message: Message) -> dict[str, Any]:
    """Return a message's content. Raises Conflict where nothing can be sent."""
    connection = message.connection
    if not connection.enabled:
        why = (
            f"The connection {connection.title} is not enabled. Enable it, then resend the message."
        )
        raise Conflict("connection_off", why)
    body = db.session.get(MessageBody, message.id)
    if body is None:
        why = (
            "The text was deleted at the end of its retention period, so the message cannot"
            " be resent."
        )
        raise Conflict("body_gone", why)
    content: dict[str, Any] = body.content
    return content


def _copy(message: Message, content: Mapping[str, Any]) -> Draft:
    return Draft(
        connection=message.connection.info,
        recipient=message.contact.recipient,
        text=content["text"],
        subject=content["subject"],
        source_id=message.source_id,
        event_id=message.event_id,
        request_id=message.request_id,
        signer_id=message.signer_id,
        step_id=message.step_id,
        template_version_id=message.template_version_id,
        template=_current_template(message.connection, content),
        says=content.get("says"),
        media=content.get("media", ()),
        manual=message.manual,
        after_id=message.id,
        thread=message.thread,
        edits_id=message.edits_id,
        card=card_of(content),
        buttons=buttons_of(content),
        reply_to=content.get("reply_to", ""),
    )


def _check_limits(message: Message, content: Mapping[str, Any]) -> None:
    """Raise Conflict where a time limit of what a message asks for, or brings along, has passed."""
    limit = (
        db.session.scalar(
            select(SigningRequest.expires_at)
            .join(Event, Event.request_id == SigningRequest.id)
            .where(Event.id == message.event_id, Event.type.in_(ASKING))
        )
        if message.event_id and not message.thread
        else None
    )
    if limit is not None and limit <= now():
        why = "The signing request has expired, so the message cannot be resent."
        raise Conflict("request_expired", why)
    if media.file_is_gone([file["file"] for file in content.get("media", ()) if "file" in file]):
        why = "The attached file was deleted. Upload it again and send a new message."
        raise Conflict("media_gone", why)


def _current_template(connection: Connection, content: Mapping[str, Any]) -> FilledTemplate | None:
    """Return the approved template that says today what a message's content says."""
    says = content.get("says")
    if not says:
        return template_of(content)
    cls = integrations.get(connection.integration)
    return provider_templates.fill_mapped(
        connection.id, says["name"], says["locale"], says["values"], cls
    )
