"""Resend a message as a new message that follows the old one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict
from hub.core.vocabulary import RequestState, SignerState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import FilledTemplate
from hub.messaging.compose import media, provider_templates
from hub.messaging.compose.content import read_buttons, read_card, read_template
from hub.messaging.compose.outbox import ASKING, Draft, add_message, lock_message
from hub.messaging.contacts import languages
from hub.messaging.state import fallback_timers, unreadable_rows
from hub.models import (
    Connection,
    ConnectionInfo,
    Event,
    Message,
    MessageBody,
    Signer,
    SigningRequest,
)
from hub.shared import audit

DAMAGED = (
    "A damaged value in the database hides whether the message was sent. Repair its row"
    " first. The page Unreadable rows names the value."
)


@transaction
def resend(message_id: str) -> Message:
    """Resend a message; each message has at most one successor. Raises NotFound, Conflict."""
    message = lock_message(message_id)
    _check_state(message)
    _check_newest(message)
    if obsolete := find_obsolete(message):
        raise obsolete
    content = _content(message)
    _check_files(content)
    successor_id = add_message(copy_message(message, content))
    message.escalate_at = None  # the next step follows the new message
    audit.record("message.resent", message.id, successor=successor_id)
    return db.session.get_one(Message, successor_id)


def _check_state(message: Message) -> None:
    """Raise Conflict unless the message has a final status or an unknown outcome."""
    if unreadable_rows.find_entry("messages", message.id) is not None:
        raise Conflict("unreadable", DAMAGED)
    if not (message.settled or Status.read(message.status) == Status.UNKNOWN):
        reason = (
            "The message is still in progress. Wait until it is delivered or failed, then"
            " resend it."
        )
        raise Conflict("under_way", reason)


def _check_newest(message: Message) -> None:
    """Raise Conflict if a later message replaces this one."""
    newer = select(Message.id).where(Message.edits_id == message.edits_id, Message.id > message.id)
    if message.edits_id is not None and db.session.scalar(newer.limit(1)) is not None:
        reason = "The post has been updated since, so this update is outdated."
        raise Conflict("newer_edit", reason)
    successor = db.session.scalar(select(Message.id).where(Message.after_id == message.id))
    if successor is not None:
        reason = f"The message was already resent as {successor}. Resend that message instead."
        raise Conflict("resent_already", reason)


def _content(message: Message) -> dict[str, Any]:
    """Return the content of a message. Raises Conflict if it cannot be sent."""
    connection = message.connection
    if not connection.enabled:
        reason = (
            f"The connection {connection.title} is not enabled. Enable it, then resend the message."
        )
        raise Conflict("connection_off", reason)
    body = db.session.get(MessageBody, message.id)
    if body is None:
        reason = (
            "The text was deleted at the end of its retention period, so the message cannot"
            " be resent."
        )
        raise Conflict("body_gone", reason)
    content: dict[str, Any] = body.content
    return content


def copy_message(message: Message, content: Mapping[str, Any]) -> Draft:
    """Return the draft of a message that follows another one with the same content."""
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
        locale=languages.language_of_message(message) or "",
        template=current_template(message.connection, content),
        template_values=content.get("says"),
        media=content.get("media", ()),
        manual=message.manual,
        after_id=message.id,
        after_failure=Status.read(message.status) in fallback_timers.LOST,
        fallback_goal=message.fallback_goal,
        fallback_minutes=message.fallback_minutes,
        thread=message.thread,
        edits_id=message.edits_id,
        card=read_card(content),
        buttons=read_buttons(content),
        reply_to=content.get("reply_to", ""),
        letterhead=content.get("letterhead"),
        link_expires_at=message.link_expires_at,
    )


def find_obsolete(message: Message) -> Conflict | None:
    """Return why a message is no longer needed, or None if it is.

    Its link has expired, or it asks for a signature that is no longer needed. A claim would end
    such a message, so it is not resent. Posts to a team are, because they report what happened.
    """
    if message.link_expires_at is not None and message.link_expires_at <= now():
        reason = "The link in the message has expired, so the message cannot be resent."
        return Conflict("download_expired", reason)
    if message.event_id is None or message.thread:
        return None
    query = (
        select(SigningRequest.state, SigningRequest.expires_at, Signer.state, Signer.removed_at)
        .select_from(Event)
        .join(SigningRequest, SigningRequest.id == Event.request_id)
        .outerjoin(Signer, Signer.id == message.signer_id)
        .where(Event.id == message.event_id, Event.type.in_(ASKING))
    )
    row = db.session.execute(query).one_or_none()
    if row is None:
        return None
    request_state, expires_at, signer_state, removed_at = row
    if request_state != RequestState.OPEN:
        reason = f"The request is {request_state}, so the message cannot be resent."
        return Conflict("request_closed", reason)
    if expires_at is not None and expires_at <= now():
        reason = "The signing request has expired, so the message cannot be resent."
        return Conflict("request_expired", reason)
    if removed_at is not None:
        reason = "The signer was removed from the request, so the message cannot be resent."
        return Conflict("signer_removed", reason)
    if signer_state is not None and not SignerState.read(signer_state).has_not_signed:
        reason = "The signer has already signed or declined, so the message cannot be resent."
        return Conflict("already_signed", reason)
    return None


def _check_files(content: Mapping[str, Any]) -> None:
    """Raise Conflict if an attached file was deleted."""
    if media.is_file_missing([file["file"] for file in content.get("media", ()) if "file" in file]):
        reason = "The attached file was deleted. Upload it again and send a new message."
        raise Conflict("media_gone", reason)


def current_template(
    connection: Connection | ConnectionInfo, content: Mapping[str, Any]
) -> FilledTemplate | None:
    """Return the approved template that is mapped now to the text of a message, if any."""
    says = content.get("says")
    if not says:
        return read_template(content)
    integration_class = integrations.get(connection.integration)
    return provider_templates.fill_mapped(
        connection.id, says["name"], says["locale"], says["values"], integration_class
    )
