"""The audit log: a row for every change, written in the transaction of the change."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from hub.db.engine import db
from hub.models import AuditEntry


@dataclass(frozen=True)
class Actor:
    """The user, API key or command that makes a change."""

    name: str
    user_id: str | None = None


SYSTEM = Actor("Signpost")
_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def act_as(actor: Actor) -> None:
    """Set the actor of the current request or command."""
    _actor.set(actor)


def actor() -> Actor:
    """Return the current actor."""
    return _actor.get()


def record(action: str, subject: str = "", title: str = "", **detail: Any) -> None:
    """Add an entry inside the transaction of the change. `detail` must be plain and without
    secrets.
    """
    current_actor = _actor.get()
    db.session.add(
        AuditEntry(
            user_id=current_actor.user_id,
            actor=current_actor.name,
            action=action,
            subject=subject,
            title=title,
            detail=detail,
        )
    )
