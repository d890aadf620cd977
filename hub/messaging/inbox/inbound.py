"""Store incoming messages once, in the conversation of their contact and connection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from hub import integrations
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import Address
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import MESSAGE_CONTENT, PLATFORM_EVENT_PAYLOAD
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, write
from hub.db.types import keyring, new_id
from hub.integrations import base
from hub.lib.crypto import digest
from hub.messaging.contacts import contact_links
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.inbox import opt_out
from hub.messaging.inbox.answers import Answered, find_answered
from hub.messaging.policy import session_windows
from hub.messaging.policy.connection_info import read_connections
from hub.messaging.policy.policy import sender_key
from hub.messaging.state.message_batch import platform_events
from hub.messaging.track.statuses import Origin
from hub.models import (
    Connection,
    ConnectionInfo,
    Conversation,
    InboundMessage,
    MessageBody,
    Recipient,
)

LONGEST_NAME = 200  # characters of a provider's name for a message


@transaction
def store_inbound(came: base.Inbound, origin: Origin, at: datetime) -> bool:
    """Store a person's message, once however often it comes; False when none of these connections
    carries its channel.

    One without an address is from an unknown sender: it makes no contact and changes no window or
    opt-out. Raises Refused for one that holds nothing either.
    """
    name = _name_of(came, origin)
    if read(_KNOWN, connections=list(origin.connection_ids), name=name):
        return True
    receiver, meant = _receiver(came, origin)
    if receiver is None:
        return False
    contact = _sender(came, receiver)
    word, replied = opt_out.keyword_meaning(came) if contact else (None, False)
    contact_id = contact.id if contact else None
    answered = find_answered(came.in_reply_to, receiver, origin.connection_ids, contact_id, at)
    row = {
        "connection_id": receiver.id,
        "contact_id": contact_id,
        "source_id": answered.source_id,
        "callback_id": origin.callback_id,
        "provider_id": name,
        "kind": _kind_of(came),
        "keyword": word or "",
        "at": at,
        "read_at": None,
    }
    row_id = _write(row, _said(came))
    _converse(receiver, contact_id, row_id, at)
    cls = integrations.get(receiver.integration)
    if contact:
        contact_links.link_provider_id(
            contact.id, came.address, came.external_id, origin.callback_id, test=receiver.test
        )
    if contact and cls.session_window and meant:
        session_windows.open_window(sender_key(receiver), contact.id, at, cls.session_window)
    if contact and word is not None:
        opt_out.process_keyword(
            word,
            came.text,
            receiver,
            contact,
            at,
            answered=replied or bool(cls.replies_to_keywords),
        )
    _tell(came, cls.event_prefix, receiver, answered, row_id, at)
    return True


def _write(row: dict[str, Any], content: Mapping[str, Any]) -> str:
    """Write a message's row and its sealed content; return its id."""
    row_id = new_id("inb")
    write(_ADD, {"id": row_id, **row})
    sealed = keyring().seal_json(
        MESSAGE_CONTENT, row_id.partition("_")[2], {"subject": "", **content}
    )
    write(_BODY, {"owner_id": row_id, "content": sealed})
    return row_id


def _name_of(came: base.Inbound, origin: Origin) -> str:
    """Return what a message is known by.

    PostgreSQL's indexes take no long text, so that of a long one is its hash.
    """
    name = came.provider_id or origin.callback_id or ""
    return name if len(name) <= LONGEST_NAME else digest(name).hex()


def _sender(came: base.Inbound, receiver: ConnectionInfo) -> Recipient | None:
    """Return the contact who wrote; None for an unknown sender.

    Raises Refused where there is nothing to show either.
    """
    if came.address.strip():
        # else the signing app knows the name better
        known_as = came.name if came.kind == Address.EXTERNAL else ""
        return contact_for(came.kind, came.address, test=receiver.test, name=known_as)
    if not (came.text or came.media or came.contents or came.button):
        raise Refused("empty_message", "This message has no sender and no content.")
    return None


def _kind_of(came: base.Inbound) -> str:
    if came.button:
        return "button"
    if came.media:
        return "media"
    return came.contents[0].kind.value if came.contents else "text"


def _said(came: base.Inbound) -> dict[str, Any]:
    """Return what a message says, as its body and its platform event hold it."""
    return {
        "text": came.text,
        "button": came.button,
        "name": came.name,
        "external_id": came.external_id,
        "answers": came.in_reply_to,
        "media": [{"url": file.url, "content_type": file.content_type} for file in came.media],
        "contents": [{"kind": one.kind.value, **one.fields} for one in came.contents],
    }


def _receiver(came: base.Inbound, origin: Origin) -> tuple[ConnectionInfo | None, bool]:
    """Return the connection that a person wrote to, and whether it was surely meant; else one of
    the channel keeps what they wrote.
    """
    fitting = [
        one for one in read_connections(origin.connection_ids) if one.channel == came.channel
    ]
    standing = [one for one in fitting if not one.archived]
    for among in (standing, fitting):
        for names in (lambda one: (one.sender,), lambda one: _senders(one).all):
            for name in came.senders:
                for one in among:
                    if name in names(one):
                        return one, True
    best = next(iter(standing or fitting), None)
    return best, best is not None and _senders(best).is_pool


def _senders(one: ConnectionInfo) -> base.Senders:
    """Return what a connection sends from; nothing when its settings cannot be read."""
    try:
        settings = db.session.get_one(Connection, one.id).settings_or_none()
    except DecryptionError:
        return base.Senders()
    return integrations.get(one.integration).senders_of(settings or {})


def _converse(receiver: ConnectionInfo, contact_id: str | None, row_id: str, at: datetime) -> None:
    """Let a message go on a conversation; that of an unknown sender has one of its own, since two
    may be two people.
    """
    found = read(_CONVERSATION, connection=receiver.id, contact=contact_id) if contact_id else []
    if found:
        write(_GO_ON, {"key": found[0][0], "last": row_id, "when": max(at, found[0][1])})
    else:
        write(
            _BEGIN,
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
    """Return the cause of the platform event that reports a person's message."""
    return f"{inbound_id}:received"


def _tell(
    came: base.Inbound,
    prefix: str,
    receiver: ConnectionInfo,
    answered: Answered,
    row_id: str,
    at: datetime,
) -> None:
    """Write the platform event; what answers one of our messages tells which, and its request."""
    event_id = new_id("pev")
    payload: dict[str, Any] = {
        "inbound": row_id,
        "connection": receiver.id,
        "test": receiver.test,
        "from": came.address,
        **_said(came),
        "provider_id": came.provider_id,
    }
    write(
        _EVENT,
        {
            "id": event_id,
            "cause": received_cause(row_id),
            "type": f"{prefix}_received",
            "message_id": answered.message_id,
            "request_id": answered.request_id,
            "source_id": answered.source_id,
            "at": at,
            "payload": (
                keyring().seal_json(PLATFORM_EVENT_PAYLOAD, event_id.partition("_")[2], payload)
            ),
        },
    )


_inbound = table_of(InboundMessage)
_conversations = table_of(Conversation)
_KNOWN = Statement(
    select(_inbound.c.id).where(
        _inbound.c.connection_id.in_(list_param("connections")),
        _inbound.c.provider_id == bindparam("name"),
    )
)
_ADD = Statement.insert(_inbound)
_BODY = Statement.insert(table_of(MessageBody))
_EVENT = Statement.insert(platform_events, on_conflict_do_nothing=True)
_CONVERSATION = Statement(
    select(_conversations.c.id, _conversations.c.last_at)
    .where(
        _conversations.c.connection_id == bindparam("connection"),
        _conversations.c.contact_id == bindparam("contact"),
    )
    .with_for_update()
)
_BEGIN = Statement.insert(_conversations)
_GO_ON = Statement(
    update(_conversations)
    .where(_conversations.c.id == bindparam("key"))
    .values(
        last_id=bindparam("last"), last_at=bindparam("when"), unread=_conversations.c.unread + 1
    )
)
