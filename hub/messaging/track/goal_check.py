"""Ask the provider once whether a message has reached its goal, before the next step follows."""

from __future__ import annotations

from sqlalchemy import select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Goal, Status
from hub.db.engine import db
from hub.messaging.track import reconcile, status_polling
from hub.models import Attempt, Message


def can_ask(message: Message) -> bool:
    """Return whether the provider may know more about a message and was not asked yet.

    It is asked once after the last attempt. No provider knows whether a document was opened.
    """
    status = Status.read(message.status)
    if message.fallback_goal == Goal.OPENED or not message.connection.enabled:
        return False
    if not _can_look_up(message, status):
        return False
    if message.asked_at is None:
        return True
    latest = select(Attempt.started_at).where(
        Attempt.message_id == message.id, Attempt.number == message.tries
    )
    started_at = db.session.scalar(latest)
    return started_at is not None and message.asked_at < started_at


def _can_look_up(message: Message, status: Status) -> bool:
    try:
        integration_class = integrations.get(message.connection.integration)
    except NotFound:
        return False
    if status == Status.UNKNOWN:
        return integration_class.supports("find")
    has_report = status.awaits_report or status == Status.DELIVERED
    return has_report and bool(message.provider_id) and integration_class.supports("fetch_status")


def ask_provider(message_id: str) -> None:
    """Ask the provider about a message, and apply the response. No response changes nothing."""
    message = db.session.get_one(Message, message_id)
    status = Status.read(message.status)
    if status == Status.UNKNOWN:
        reconcile.look_up_message(message_id)
    else:
        status_polling.poll_message(message_id)
    db.session.rollback()
