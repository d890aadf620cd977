"""Store received messages once, in the conversation of their contact and connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from hub import integrations
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import Address
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.engine import db
from hub.db.store import cached, list_param, read, transaction, write
from hub.db.types import keyring, new_id
from hub.endpoints.catalog import BUTTON_PRESSED, RECEIVED, handler_receipts
from hub.endpoints.handler_subscriptions import is_handled
from hub.endpoints.platform_events import NewEvent, store_events
from hub.integrations import base
from hub.lib.crypto import digest
from hub.messaging.compose.content import hash_content
from hub.messaging.contacts import contact_links
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.opt_out_events import Decision, report_decision
from hub.messaging.inbox import opt_out
from hub.messaging.inbox.original_message import OriginalMessage, find_original_message
from hub.messaging.policy import session_windows
from hub.messaging.policy.connection_info import read_connections
from hub.messaging.policy.policy import sender_key
from hub.messaging.track.statuses import Origin
from hub.models import (
    Connection,
    ConnectionInfo,
    Conversation,
    InboundMessage,
    MessageBody,
    Recipient,
)

MAX_NAME_LENGTH = 200  # characters of a provider's message ID


@transaction
def store_inbound(inbound: base.Inbound, origin: Origin, at: datetime) -> bool:
    """Store a received message, unless it is stored already.

    Returns False if none of the connections has its channel. A message without an address is from
    an unknown sender: it changes no contact, window or opt-out. Raises Refused if it has no content
    either.
    """
    name = _provider_name(inbound, origin)
    if known := read(_FIND_MESSAGE, connections=list(origin.connection_ids), name=name):
        _report_late_receipt(inbound, origin, known[0][0], at)
        return True
    receiver, is_addressee = _find_receiver(inbound, origin)
    if receiver is None:
        return False
    contact = _find_sender(inbound, receiver)
    keyword, is_answered = opt_out.keyword_meaning(inbound) if contact else (None, False)
    contact_id = contact.id if contact else None
    original = find_original_message(
        inbound.in_reply_to, receiver, origin.connection_ids, contact_id, at
    )
    row = {
        "connection_id": receiver.id,
        "contact_id": contact_id,
        "source_id": original.source_id,
        "callback_id": origin.callback_id,
        "provider_id": name,
        "kind": _content_kind(inbound),
        "keyword": keyword or "",
        "at": at,
        "read_at": None,
    }
    row_id = _store_message(row, _build_content(inbound))
    _update_conversation(receiver, contact_id, row_id, at)
    integration_class = integrations.get(receiver.integration)
    if contact:
        contact_links.link_provider_id(
            contact.id, inbound.address, inbound.external_id, origin.callback_id, test=receiver.test
        )
    window = integration_class.session_window
    if contact and window and is_addressee:
        session_windows.open_window(sender_key(receiver), contact.id, at, window)
    _record_events(inbound, integration_class.event_prefix, receiver, original, row_id, at)
    if contact and keyword is not None:
        is_answered = is_answered or bool(integration_class.replies_to_keywords)
        consented = opt_out.process_keyword(
            keyword, inbound.text, receiver, contact, at, answered=is_answered
        )
        if consented is not None:
            _report_decision(consented, receiver, original, contact.id, row_id, at)
    return True


def _store_message(row: dict[str, Any], content: Mapping[str, Any]) -> str:
    """Store a message and its encrypted content; return its ID."""
    row_id = new_id("inb")
    write(_ADD_MESSAGE, {"id": row_id, **row, **hash_content(content)})
    encrypted = keyring().seal_json(
        MESSAGE_CONTENT, row_id.partition("_")[2], {"subject": "", **content}
    )
    write(_ADD_BODY, {"owner_id": row_id, "content": encrypted})
    return row_id


def _provider_name(inbound: base.Inbound, origin: Origin) -> str:
    """Return the provider's ID of a message, or that of its callback.

    A long ID is replaced by its hash, because an index of PostgreSQL accepts no long text.
    """
    name = inbound.provider_id or origin.callback_id or ""
    return name if len(name) <= MAX_NAME_LENGTH else digest(name).hex()


def _find_sender(inbound: base.Inbound, receiver: ConnectionInfo) -> Recipient | None:
    """Return the contact who sent a message, or None for an unknown sender.

    Raises Refused if the message has no content either.
    """
    if inbound.address.strip():
        # for other kinds of addresses the signing app has the better name
        name = inbound.name if inbound.kind == Address.EXTERNAL else ""
        return get_or_create_contact(inbound.kind, inbound.address, test=receiver.test, name=name)
    if not (inbound.text or inbound.media or inbound.contents or inbound.button):
        raise Refused("empty_message", "This message has no sender and no content.")
    return None


def _content_kind(inbound: base.Inbound) -> str:
    if inbound.button:
        return "button"
    if inbound.media:
        return "media"
    return inbound.contents[0].kind.value if inbound.contents else "text"


def _build_content(inbound: base.Inbound) -> dict[str, Any]:
    """Return the content of a message, as its body and its platform event store it."""
    return {
        "text": inbound.text,
        "button": inbound.button,
        "name": inbound.name,
        "external_id": inbound.external_id,
        "answers": inbound.in_reply_to,
        "media": [
            {"url": file.url, "content_type": file.content_type, "name": file.name}
            for file in inbound.media
        ],
        "contents": [
            {"kind": content.kind.value, **content.fields} for content in inbound.contents
        ],
    }


def _find_receiver(inbound: base.Inbound, origin: Origin) -> tuple[ConnectionInfo | None, bool]:
    """Return the connection to store a message under, and whether it is surely the addressee.

    Without a connection of that sender, another one of the channel stores the message.
    """
    candidates = [
        connection
        for connection in read_connections(origin.connection_ids)
        if connection.channel == inbound.channel
    ]
    active = [connection for connection in candidates if not connection.archived]
    for connections in (active, candidates):
        for senders_of in (_own_sender, _all_senders):
            for name in inbound.senders:
                for connection in connections:
                    if name in senders_of(connection):
                        return connection, True
    best = next(iter(active or candidates), None)
    return best, best is not None and _senders_of(best).is_pool


def _own_sender(connection: ConnectionInfo) -> Collection[str]:
    return (connection.sender,)


def _all_senders(connection: ConnectionInfo) -> Collection[str]:
    return _senders_of(connection).all


def _senders_of(connection: ConnectionInfo) -> base.Senders:
    """Return the senders in a connection's settings, which may be a second old."""
    senders: base.Senders = cached(("senders", connection.id), lambda: _read_senders(connection))
    return senders


def _read_senders(connection: ConnectionInfo) -> base.Senders:
    """Return the senders in a connection's settings; none if the settings cannot be read."""
    try:
        settings = db.session.get_one(Connection, connection.id).settings_or_none()
    except DecryptionError:
        return base.Senders()
    return integrations.get(connection.integration).senders_of(settings or {})


def _update_conversation(
    receiver: ConnectionInfo, contact_id: str | None, row_id: str, at: datetime
) -> None:
    """Add a message to the conversation of its contact, or start one.

    Each message of an unknown sender starts a conversation, because the senders may differ.
    """
    conversations = (
        read(_FIND_CONVERSATION, connection=receiver.id, contact=contact_id) if contact_id else []
    )
    if conversations:
        conversation_id, last_at = conversations[0]
        write(
            _CONTINUE_CONVERSATION,
            {"key": conversation_id, "last": row_id, "last_at": max(at, last_at)},
        )
    else:
        write(
            _ADD_CONVERSATION,
            {
                "id": new_id("cnv"),
                "connection_id": receiver.id,
                "contact_id": contact_id,
                "test": receiver.test,
                "last_id": row_id,
                "last_at": at,
                "unread": 1,
            },
        )


def received_cause(inbound_id: str) -> str:
    """Return the cause of the platform event that reports a received message."""
    return f"{inbound_id}:{RECEIVED}"


def inbound_causes(inbound_ids: Collection[str]) -> list[str]:
    """Return the causes of the platform events that quote received messages."""
    types = (RECEIVED, BUTTON_PRESSED, *handler_receipts())
    return [f"{inbound_id}:{event_type}" for inbound_id in inbound_ids for event_type in types]


def _record_events(
    inbound: base.Inbound,
    prefix: str,
    receiver: ConnectionInfo,
    original: OriginalMessage,
    row_id: str,
    at: datetime,
    *,
    is_new: bool = True,
) -> None:
    """Store the platform event of a received message, with the message and request it replies to.

    A pressed button is also a separate event. `is_new`: the message was stored just now.
    """
    payload: dict[str, Any] = {
        "inbound": row_id,
        "kind": _content_kind(inbound),
        "channel": receiver.channel,
        "connection": receiver.id,
        "test": receiver.test,
        "from": inbound.address,
        **_build_content(inbound),
        "provider_id": inbound.provider_id,
    }
    shared: dict[str, Any] = {
        "message_id": original.message_id,
        "request_id": original.request_id,
        "source_id": original.source_id,
        "test": receiver.test,
        "at": at,
        "payload": payload,
    }
    events = []
    if inbound.receipt:
        cause = f"{row_id}:{inbound.receipt}"
        event_type = f"{prefix}_{inbound.receipt}"
        events.append(NewEvent(cause=cause, type=event_type, to_endpoints=False, **shared))
    if is_new:
        cause = received_cause(row_id)
        events.append(NewEvent(cause=cause, type=f"{prefix}_{RECEIVED}", **shared))
    if is_new and inbound.button:
        cause = f"{row_id}:{BUTTON_PRESSED}"
        events.append(NewEvent(cause=cause, type=BUTTON_PRESSED, **shared))
    store_events(events)


def _report_late_receipt(inbound: base.Inbound, origin: Origin, row_id: str, at: datetime) -> None:
    """Report to handlers how a message was received that is stored already."""
    receiver, _ = _find_receiver(inbound, origin)
    if not inbound.receipt or receiver is None:
        return
    prefix = integrations.get(receiver.integration).event_prefix
    if not is_handled(f"{prefix}_{inbound.receipt}"):
        return
    contact = _find_sender(inbound, receiver)
    original = find_original_message(
        inbound.in_reply_to, receiver, origin.connection_ids, contact.id if contact else None, at
    )
    _record_events(inbound, prefix, receiver, original, row_id, at, is_new=False)


def _report_decision(
    consented: bool,
    receiver: ConnectionInfo,
    original: OriginalMessage,
    contact_id: str,
    row_id: str,
    at: datetime,
) -> None:
    report_decision(
        Decision(
            row_id=row_id,
            consented=consented,
            contact_id=contact_id,
            reason=opt_out.BY_KEYWORD,
            channel=receiver.channel,
            test=receiver.test,
            at=at,
            connection_id=receiver.id,
            inbound_id=row_id,
            message_id=original.message_id,
            request_id=original.request_id,
            message_source_id=original.source_id,
        )
    )


_messages = get_table(InboundMessage)
_conversations = get_table(Conversation)
_FIND_MESSAGE = Statement(
    select(_messages.c.id).where(
        _messages.c.connection_id.in_(list_param("connections")),
        _messages.c.provider_id == bindparam("name"),
    )
)
_ADD_MESSAGE = Statement.insert(_messages)
_ADD_BODY = Statement.insert(get_table(MessageBody))
_FIND_CONVERSATION = Statement(
    select(_conversations.c.id, _conversations.c.last_at)
    .where(
        _conversations.c.connection_id == bindparam("connection"),
        _conversations.c.contact_id == bindparam("contact"),
    )
    .with_for_update()
)
_ADD_CONVERSATION = Statement.insert(_conversations)
_CONTINUE_CONVERSATION = Statement(
    update(_conversations)
    .where(_conversations.c.id == bindparam("key"))
    .values(
        last_id=bindparam("last"), last_at=bindparam("last_at"), unread=_conversations.c.unread + 1
    )
)
