"""What people send to us: stored once, into the conversation of their contact and the connection they wrote to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from hub import integrations
from hub.errors import Unreadable
from hub.extensions import db
from hub.integrations import base
from hub.messaging import opt_out, windows
from hub.messaging.contacts import contact_for
from hub.messaging.ledger import platform_events
from hub.messaging.policy import Carrier
from hub.messaging.statuses import Origin
from hub.models import Attempt, Body, Connection, Conversation, Inbound, Message
from hub.models.types import keyring, new_id
from hub.statements import Statement, table_of
from hub.store import read, several, transaction, write
from hub.vocabulary import Address


@dataclass(frozen=True)
class _Receiver(Carrier):
    """A connection, as far as it takes in what people send."""

    archived: bool


@transaction
def take(came: base.Inbound, origin: Origin, at: datetime) -> bool:
    """Store a person's message, once however often it comes; False when none of these connections carries its channel."""
    name = came.provider_id or origin.receipt_id or ""
    if read(_KNOWN, connections=list(origin.connection_ids), name=name):
        return True
    receiver, meant = _receiver(came, origin)
    if receiver is None:
        return False
    cls = integrations.get(receiver.integration)
    known_as = came.name if came.kind == Address.EXTERNAL else ""  # else the signing app knows the name better
    contact = contact_for(came.kind, came.address, test=receiver.test, name=known_as)
    word, answered = opt_out.meaning(came)
    row_id, kind = new_id("inb"), "button" if came.button else "media" if came.media else "text"
    content = {
        "subject": "", "text": came.text, "button": came.button, "name": came.name, "external_id": came.external_id,
        "answers": came.answers, "media": [{"url": file.url, "content_type": file.content_type} for file in came.media],
    }  # fmt: skip
    write(_ADD, {
        "id": row_id, "connection_id": receiver.id, "contact_id": contact.id, "receipt_id": origin.receipt_id, "provider_id": name,
        "kind": kind, "keyword": word or "", "at": at, "read_at": None,
    })  # fmt: skip
    write(_BODY, {"owner_id": row_id, "content": keyring().seal_json("bodies", row_id.partition("_")[2], "content", content)})
    _converse(receiver, contact.id, row_id, at)
    if cls.session_window and meant:
        windows.opened(receiver.sender, contact.id, at, cls.session_window)
    if word is not None:
        opt_out.heard(word, came.text, receiver, contact, at, answered=answered or bool(cls.answers_keywords))
    _tell(came, cls.event_prefix, receiver, origin, row_id, at)
    return True


def _receiver(came: base.Inbound, origin: Origin) -> tuple[_Receiver | None, bool]:
    """Return the connection that a person wrote to, and whether it was surely meant; else one of the channel keeps what they wrote."""
    fitting = [one for row in read(_RECEIVERS, ids=list(origin.connection_ids)) if (one := _Receiver(*row)).channel == came.channel]
    standing = [one for one in fitting if not one.archived]
    for among in (standing, fitting):
        for names in (lambda one: (one.sender,), _senders):
            for name in came.senders:
                for one in among:
                    if name in names(one):
                        return one, True
    best = next(iter(standing or fitting), None)
    return best, best is not None and integrations.get(best.integration).chooses_sender(best.sender)


def _senders(one: _Receiver) -> Collection[str]:
    """Return everything that a connection sends from; what cannot be read names nothing."""
    try:
        settings = db.session.get_one(Connection, one.id).settings_or_none()
    except Unreadable:
        return ()
    return integrations.get(one.integration).senders_of(settings or {})


def _converse(receiver: _Receiver, contact_id: str, row_id: str, at: datetime) -> None:
    found = read(_CONVERSATION, connection=receiver.id, contact=contact_id)
    if found:
        write(_GO_ON, {"key": found[0][0], "last": row_id, "when": max(at, found[0][1])})
    else:
        write(_BEGIN, {
            "id": new_id("cnv"), "connection_id": receiver.id, "contact_id": contact_id, "test": receiver.test, "last_id": row_id,
            "last_at": at, "unread": 1,
        })  # fmt: skip


def received(inbound_id: str) -> str:
    """Return the cause of the platform event that tells of a person's message."""
    return f"{inbound_id}:received"


def _tell(came: base.Inbound, prefix: str, receiver: _Receiver, origin: Origin, row_id: str, at: datetime) -> None:
    """Write the platform event; what answers one of our messages tells which, and its request."""
    answered = read(_ANSWERED, connections=list(origin.connection_ids), name=came.answers) if came.answers else []
    message_id, request_id = answered[0] if answered else (None, None)
    event_id = new_id("pev")
    payload: dict[str, Any] = {
        "inbound": row_id, "connection": receiver.id, "test": receiver.test, "from": came.address, "name": came.name,
        "external_id": came.external_id, "text": came.text, "button": came.button, "provider_id": came.provider_id,
        "media": [{"url": file.url, "content_type": file.content_type} for file in came.media],
    }  # fmt: skip
    write(_EVENT, {
        "id": event_id, "cause": received(row_id), "type": f"{prefix}_received", "message_id": message_id, "request_id": request_id,
        "at": at, "payload": keyring().seal_json("platform_events", event_id.partition("_")[2], "payload", payload),
    })  # fmt: skip


_inbound, _conversations = table_of(Inbound), table_of(Conversation)
_KNOWN = Statement(
    select(_inbound.c.id).where(_inbound.c.connection_id.in_(several("connections")), _inbound.c.provider_id == bindparam("name"))
)
_ADD, _BODY, _EVENT = Statement.insert(_inbound), Statement.insert(table_of(Body)), Statement.insert(platform_events, once=True)
_RECEIVERS = Statement(
    select(Connection.id, Connection.integration, Connection.channel, Connection.sender, Connection.test, Connection.rules,
           Connection.archived_at.is_not(None))
    .where(Connection.id.in_(several("ids"))).order_by(Connection.archived_at.is_not(None), Connection.id)
)  # fmt: skip
_CONVERSATION = Statement(
    select(_conversations.c.id, _conversations.c.last_at)
    .where(_conversations.c.connection_id == bindparam("connection"), _conversations.c.contact_id == bindparam("contact")).with_for_update()
)
_BEGIN = Statement.insert(_conversations)
_GO_ON = Statement(
    update(_conversations).where(_conversations.c.id == bindparam("key"))
    .values(last_id=bindparam("last"), last_at=bindparam("when"), unread=_conversations.c.unread + 1)
)  # fmt: skip
_ANSWERED = Statement(
    select(Message.id, Message.request_id).join(Attempt, Attempt.message_id == Message.id)
    .where(Attempt.connection_id.in_(several("connections")), Attempt.provider_id == bindparam("name")).limit(1)
)  # fmt: skip
