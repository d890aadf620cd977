"""Decide when the next step of a route follows a message that does not reach its goal.

`escalate_at` of a message is when hub/signing/ladders.py acts on it. Everything that can lead to
the next step sets this time, so that one place decides on all of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from hub.core.vocabulary import Goal, Status

# after these, the next step follows at once
LOST = frozenset({Status.FAILED, Status.UNDELIVERED, Status.EXPIRED, Status.SUPPRESSED})
_WAITING = frozenset({Status.QUEUED, Status.SENDING})


class FallbackFields(Protocol):
    """The columns of a fallback: those of a `MessageRow` or of a `Message`."""

    status: str
    fallback_goal: str | None
    fallback_minutes: int | None
    escalate_at: datetime | None
    stop_reason: str | None


def next_escalation(
    message: FallbackFields, former_status: str, current_time: datetime
) -> datetime | None:
    """Return when the next step is due after the status of a message has changed.

    The time for the goal begins when the provider has the message or may have it, so neither quiet
    hours nor a rate limit shortens it.
    """
    if message.fallback_goal is None or message.stop_reason:
        return None
    status = Status.read(message.status)
    if status in LOST:
        return current_time
    if status in _WAITING or status == Status.CANCELED or message.fallback_minutes is None:
        return None
    if has_reached(message.fallback_goal, status):
        return None
    before = Status.read(former_status)
    if before in _WAITING or before in LOST:
        return current_time + timedelta(minutes=message.fallback_minutes)
    return message.escalate_at


def may_follow(message: FallbackFields) -> bool:
    """Return whether another step may follow a message."""
    return message.fallback_goal is not None and not message.stop_reason


def escalation_while_waiting(
    goal: str | None, minutes: int | None, current_time: datetime
) -> datetime | None:
    """Return when the next step is due for a message whose connection does not send."""
    if goal is None or minutes is None:
        return None
    return current_time + timedelta(minutes=minutes)


def has_reached(goal: str, status: Status) -> bool:
    """Return whether a status means that a message has reached its goal.

    No status means that the document was opened: the signing app reports that. Any unknown goal is
    read as `delivered`.
    """
    if goal == Goal.OPENED:
        return False
    if goal == Goal.SENT:
        return status.awaits_report or status.is_delivered
    return status == Status.READ if goal == Goal.READ else status.is_delivered
