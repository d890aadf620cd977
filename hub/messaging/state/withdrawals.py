"""Store which stopped messages their provider is to cancel, such as calls that still ring.

The rows are stored with the change that stops a message, or that shows that a stopped one was
accepted. The provider is called later: see messaging/track/withdraw_messages.py.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import list_param, read, wake, write
from hub.db.types import now
from hub.messaging.state.fallback_timers import FallbackFields
from hub.models import Connection, Message, Withdrawal

_table = get_table(Withdrawal)


def add_withdrawals(message_ids: Collection[str]) -> None:
    """Let providers that can cancel accepted messages cancel these."""
    if message_ids:
        due_at = now()
        write(_ADD, [{"message_id": key, "tries": 0, "due_at": due_at} for key in message_ids])
        wake("chores")


def can_withdraw(integration: str) -> bool:
    """Return whether the provider of an integration can cancel a message that it accepted."""
    try:
        return integrations.get(integration).supports("withdraw")
    except NotFound:
        return False


def find_withdrawable(message_ids: Collection[str]) -> list[str]:
    """Return the messages whose providers can cancel them after they accepted them."""
    rows = read(_INTEGRATIONS, ids=list(message_ids)) if message_ids else []
    return [message_id for message_id, integration in rows if can_withdraw(integration)]


def is_late(message: FallbackFields, former_status: str) -> bool:
    """Return whether a stopped message was accepted just now, because it was being sent."""
    return bool(message.stop_reason) and message.status == Status.ACCEPTED != former_status


def is_due() -> bool:
    """Return whether a provider is to be asked now. Reads only."""
    query = select(Withdrawal.message_id).where(Withdrawal.due_at <= now())
    return db.session.scalar(query.limit(1)) is not None


_INTEGRATIONS = Statement(
    select(Message.id, Connection.integration)
    .join(Connection, Connection.id == Message.connection_id)
    .where(Message.id.in_(list_param("ids")))
)
_ADD = Statement.insert(_table, on_conflict_do_nothing=True)
