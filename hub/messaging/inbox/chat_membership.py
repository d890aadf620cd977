"""Apply changes of membership: an app is blocked, removed from a chat, or added again.

Such changes arrive as events and not as messages. The newest one counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import ChatPermission
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.opt_out_events import Decision, report_decision
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

    Returns False if all of the connections were deleted.
    """
    receiver = next(iter(read_connections(origin.connection_ids)), None)
    if receiver is None:
        return False
    contact = get_or_create_contact(change.kind, change.address, test=receiver.test)
    if change.team or change.address == receiver.destination:
        _change_destination(receiver, contact.id, change, at)
        return True
    scope = {
        "address_key": contact.address_key,
        "channel": receiver.channel,
        "sender": sender_key(receiver),
        "test": receiver.test,
        "source_id": None,
    }
    stored = db.session.scalars(select(Suppression).filter_by(**scope)).all()
    blocks = [row for row in stored if row.reason == BY_PROVIDER]
    if any(max(row.since, row.lifted_at or row.since) - PRECISION > at for row in blocks):
        return True  # a newer change is stored
    changed: list[Suppression] = []
    if change.allowed:
        changed = _lift_blocks(blocks, scope, change, at)
    elif all(row.lifted_at for row in stored):  # of one scope, only one may be open
        changed = [_block(scope, change, at)]
        db.session.add_all(changed)
    db.session.flush()
    for row in changed:
        _report(row, receiver, contact.id, consented=change.allowed)
    return True


def _report(
    row: Suppression, receiver: ConnectionInfo, contact_id: str, *, consented: bool
) -> None:
    report_decision(
        Decision(
            row_id=row.id,
            consented=consented,
            contact_id=contact_id,
            reason=row.reason,
            code=row.code,
            channel=receiver.channel,
            test=receiver.test,
            at=row.lifted_at or row.since,
            connection_id=receiver.id,
        )
    )


def _block(scope: Mapping[str, Any], change: ChatPermission, at: datetime) -> Suppression:
    return Suppression(**scope, reason=BY_PROVIDER, code=CODE, since=at, explanation=change.reason)


def _lift_blocks(
    blocks: Sequence[Suppression], scope: Mapping[str, Any], change: ChatPermission, at: datetime
) -> list[Suppression]:
    """Lift the block of a chat; return what was lifted.

    A permission without a block before it is stored too, because an older block may arrive late.
    """
    active = [row for row in blocks if row.lifted_at is None]
    rows = active or [_block(scope, change, at)]
    db.session.add_all(rows)
    for row in rows:
        row.lifted_at = at
        row.lift_reason = change.reason
    return active


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
