"""Describe what is special about calls: pressed keys, and opt-outs by a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from hub.core.vocabulary import Channel, Status
from hub.db.engine import db
from hub.messaging.track.error_codes import BY_KEYWORD, BY_UNSUBSCRIBE
from hub.messaging.track.timeline_entries import Entry
from hub.models import Connection, Message, Suppression

CALL_TITLES = {
    "initiated": "Call started",
    "ringing": "The phone rings",
    "in-progress": "Call answered",
    "completed": "Call ended",
    "busy": "The line is busy",
    "no-answer": "Nobody answered",
    "canceled": "Canceled at {provider}",
    **{f"key {key}": f"Key {key} was pressed" for key in "0123456789*#"},
}
KEY_HINT = "A pressed key shows that a person heard the text."


def insert_delivery(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with one about the delivery, after the first key that was pressed."""
    result: list[Entry] = []
    is_delivered = False
    for entry in entries:
        if not entry.provider_status.startswith("key ") or entry.status != Status.DELIVERED:
            result.append(entry)
            continue
        result.append(replace(entry, status=None, event="", decisive=False))
        if not is_delivered:
            result.append(
                replace(
                    entry, kind="delivered", title="Delivered", text=KEY_HINT, provider_status=""
                )
            )
        is_delivered = True
    return result


def is_opted_out_by_key(message: Message) -> bool:
    """Return whether a call was blocked because the recipient pressed 9 in an earlier one."""
    # None if the row of the connection has a damaged ID
    connection: Connection | None = message.connection
    if connection is None or connection.channel != Channel.VOICE:
        return False
    if message.code != BY_KEYWORD:
        return message.code == BY_UNSUBSCRIBE
    # a STOP by text is stored for its own channel or for every channel, a key for calls
    query = select(Suppression.id).where(
        Suppression.address_key == message.contact.address_key,
        Suppression.channel == Channel.VOICE.value,
        Suppression.reason == BY_KEYWORD,
        Suppression.since <= message.changed_at,
    )
    return db.session.scalar(query.limit(1)) is not None
