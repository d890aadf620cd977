"""Apply changes of membership: an app is blocked, removed from a chat, or added again.

Such changes arrive as events and not as messages. The newest one counts.
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
PRECISION = timedelta(seconds=1)  # of the times that providers report


@transaction
def apply_membership(change: ChatPermission, origin: Origin, at: datetime) -> bool:
    """Block messages to a chat that blocked or removed the app, or allow them again.

    Returns False if none of the connections exists any more.
    """
    receiver = next(iter(read_connections(origin.connection_ids)), None)
    if receiver is None:
        return False
    contact = contact_for(change.kind, change.address, test=receiver.test)
    if change.team or change.address == receiver.destination:
        _change_destination(receiver, contact.id, change, at)
        return True
    sender = sender_key(receiver)
    scope = {
        "key": contact.address_key,
        "channel": receiver.channel,
        "sender": sender,
        "test": receiver.test,
    }
    suppressions = read(_SUPPRESSIONS, **scope)
    if any(max(since, lifted_at or since) - PRECISION > at for _, since, lifted_at in suppressions):
        return True  # a newer change is stored
    active_ids = [row_id for row_id, _, lifted_at in suppressions if lifted_at is None]
    if change.allowed:
        write(
            _LIFT,
            [{"row": row_id, "lifted_at": at, "reason": change.reason} for row_id in active_ids],
        )
    # a permission without a block before it is stored too, because an older block may arrive late
    if not active_ids:
        write(
            _ADD_SUPPRESSION,
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
                "explanation": change.reason,
                "lifted_at": at if change.allowed else None,
                "lift_reason": change.reason if change.allowed else "",
            },
        )
    return True


def _change_destination(
    receiver: ConnectionInfo, contact_id: str, change: ChatPermission, at: datetime
) -> None:
    """Pause the destination of a team connection, or reopen it.

    A block in another group is ignored, because nothing is posted there.
    """
    if change.allowed:
        destinations.reopen_for_member(receiver.id, contact_id, at)
    elif change.address == receiver.destination:
        destinations.pause_destination(
            receiver.id, contact_id, code=CODE, reason=f"{change.reason} {REMEDY}", at=at
        )


_table = table_of(Suppression)
_SUPPRESSIONS = Statement(
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
    .values(lifted_at=bindparam("lifted_at"), lift_reason=bindparam("reason"))
)
_ADD_SUPPRESSION = Statement.insert(_table, on_conflict_do_nothing=True)
