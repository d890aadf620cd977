"""The audit trail: a row with every change, written in the change's own transaction."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from hub.db.engine import db
from hub.models import AuditEntry


@dataclass(frozen=True)
class Actor:
    """The user, API key or command that makes a change."""

    who: str
    user_id: str | None = None


SYSTEM = Actor("Signpost")
_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def act_as(actor: Actor) -> None:
    """Set who acts from here on, such as the user or the API key of a request."""
    _actor.set(actor)


def actor() -> Actor:
    """Return who acts."""
    return _actor.get()


def record(action: str, subject: str = "", title: str = "", **detail: Any) -> None:
    """Write what was changed, inside the transaction that changes it.

    `detail` must be plain, and free of secrets.
    """
    who = _actor.get()
    db.session.add(
        AuditEntry(
            user_id=who.user_id,
            actor=who.who,
            action=action,
            subject=subject,
            title=title,
            detail=detail,
        )
    )
