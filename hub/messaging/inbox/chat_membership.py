"""Chats that shut us out, or let us in again, by other means than a message: blocked, removed,
added. The newest word counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Statement, table_of
from hub.db.store import read, transaction, write
from hub.db.types import new_id
from hub.integrations.base import ChatPermission
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.contacts.suppressions import BY_PROVIDER
from hub.messaging.policy.connection_info import read_connections
from hub.messaging.policy.policy import sender_key
from hub.messaging.send import destinations
from hub.messaging.track.statuses import Origin
from hub.models import ConnectionInfo, Suppression

CODE = "shut_out"
REMEDY = "Add the app there again, or set another destination in the connection."
A_MOMENT = timedelta(seconds=1)  # providers tell whole seconds


@transaction
def apply_membership(came: ChatPermission, origin: Origin, at: datetime) -> bool:
    """Close a chat that shut us out, open one that let us in; False when none of these connections
    is there any more.
    """
    receiver = next(iter(read_connections(origin.connection_ids)), None)
    if receiver is None:
        return False
    contact = contact_for(came.kind, came.address, test=receiver.test)
    if came.team or came.address == receiver.destination:
        _change_destination(receiver, contact.id, came, at)
        return True
    sender = sender_key(receiver)
    whose = {
        "key": contact.address_key,
        "channel": receiver.channel,
        "sender": sender,
        "test": receiver.test,
    }
    known = read(_KNOWN, **whose)
    if any(max(since, lifted_at or since) - A_MOMENT > at for _, since, lifted_at in known):
        return True  # something newer is known
    standing = [row_id for row_id, _, lifted_at in known if lifted_at is None]
    if came.allowed:
        write(_LIFT, [{"row": row_id, "when": at, "why": came.reason} for row_id in standing])
    if not standing:  # let in without having been out is kept too: an older word may come late
        write(
            _ADD,
            {
                "id": new_id("sup"),
                "address_key": contact.address_key,
                "channel": receiver.channel,
                "sender": sender,
                "test": receiver.test,
                "reason": BY_PROVIDER,
                "code": CODE,
                "message_id": None,
                "since": at,
                "explanation": came.reason,
                "lifted_at": at if came.allowed else None,
                "lift_reason": came.reason if came.allowed else "",
            },
        )
    return True


def _change_destination(
    receiver: ConnectionInfo, contact_id: str, came: ChatPermission, at: datetime
) -> None:
    """Pause where a team reads, or reopen it.

    What happens in other groups needs nobody: nothing is posted there.
    """
    if came.allowed:
        destinations.reopen_for_member(receiver.id, contact_id, at)
    elif came.address == receiver.destination:
        destinations.pause_destination(
            receiver.id, contact_id, code=CODE, reason=f"{came.reason} {REMEDY}", at=at
        )


_table = table_of(Suppression)
_KNOWN = Statement(
    select(_table.c.id, _table.c.since, _table.c.lifted_at).where(
        _table.c.address_key == bindparam("key"),
        _table.c.channel == bindparam("channel"),
        _table.c.sender == bindparam("sender"),
        _table.c.test == bindparam("test"),
        _table.c.reason == BY_PROVIDER,
    )
)
_LIFT = Statement(
    update(_table)
    .where(_table.c.id == bindparam("row"))
    .values(lifted_at=bindparam("when"), lift_reason=bindparam("why"))
)
_ADD = Statement.insert(_table, on_conflict_do_nothing=True)
