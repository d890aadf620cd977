"""Fetch the files of received messages: from the provider, or from the webhook that had them."""

from __future__ import annotations

from dataclasses import dataclass

from hub.core.errors import NotFound
from hub.db.engine import db
from hub.db.types import is_id
from hub.intake.provider_callbacks import restore_request
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.models import Connection, InboundMessage, MessageBody, ProviderCallback
from hub.shared import integration_instances

GONE = "This file does not exist, or it was deleted at the end of its retention period."


@dataclass(frozen=True)
class ReceivedFile:
    """A file that a person sent. The name is that on the person's device, or ''."""

    name: str
    content_type: str
    content: bytes


def fetch_received_file(inbound_id: str, position: int) -> ReceivedFile:
    """Fetch a file of a received message, by its position from 0.

    Raises NotFound, SendError, DecryptionError.
    """
    row = db.session.get(InboundMessage, inbound_id) if is_id("inb", inbound_id) else None
    body = db.session.get(MessageBody, row.id.partition("_")[2]) if row is not None else None
    files = body.content.get("media", ()) if body is not None else ()
    if row is None or position >= len(files):
        raise NotFound("no_such_file", GONE)
    file = files[position]
    if file["url"]:
        connection = db.session.get_one(Connection, row.connection_id)
        integration = integration_instances.instance(connection)
        db.session.rollback()  # no transaction is open during the call of the provider
        content_type, content = integration.fetch_file(file["url"])
    else:
        content_type, content = _read_from_webhook(row, position)
    return ReceivedFile(file.get("name", ""), content_type, content)


def _read_from_webhook(row: InboundMessage, position: int) -> tuple[str, bytes]:
    """Return the content type and the content of a file in a stored webhook, such as an email."""
    callback = db.session.get(ProviderCallback, row.callback_id) if row.callback_id else None
    stored = callback.request if callback is not None else None
    connection = db.session.get_one(Connection, row.connection_id)
    reader = integration_instances.instances().webhook_reader(connection)
    if not stored or not isinstance(reader, WebhookReceiver):
        raise NotFound("no_such_file", GONE)
    try:
        return reader.read_file(restore_request(stored), position)
    except IndexError:
        raise NotFound("no_such_file", GONE) from None
