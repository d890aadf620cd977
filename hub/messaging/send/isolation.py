"""Isolate what fails in a turn of the dispatcher: an outcome, a connection or a message.

A turn handles everything at once, which is fast, but fails as a whole if one row cannot be read.
Only then are its parts repeated one by one here, and a part that fails alone is set aside. That
needs no knowledge of the kind of error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy import select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import new_id, now
from hub.messaging.send import throttle_gate
from hub.messaging.send.calls import Claim, Outcome
from hub.messaging.state import unreadable_rows
from hub.messaging.state.unreadable_rows import is_transient
from hub.models import Message
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

MAX_MESSAGES = 50  # messages of a connection that are tried one by one
PAUSE = 30.0  # seconds until a connection whose own row fails is tried again


class Turn(Protocol):
    """Run one turn in a transaction.

    `message_id` limits it to one message, and `separately` records outcomes one by one.
    """

    def __call__(
        self,
        ended: Sequence[Outcome],
        free_threads: Mapping[str, int],
        bulk: Mapping[str, int],
        *,
        separately: bool = False,
        message_id: str = "",
    ) -> list[Claim]: ...


@dataclass(frozen=True)
class Isolation:
    """Run the parts of a failed turn separately."""

    turn: Turn

    def run_separately(
        self, ended: Sequence[Outcome], free: Mapping[str, int], bulk: Mapping[str, int]
    ) -> list[Claim]:
        """Record outcomes and claim messages, part by part.

        Raises database errors, unless calls have begun.
        """
        if ended:
            self._record(ended)
        claims: list[Claim] = []
        for connection_id, threads in free.items():
            try:
                claims += self._claim_separately(connection_id, threads, bulk)
            except Exception:
                if claims:  # the caller must send these
                    break
                raise
        return claims

    def _record(self, ended: Sequence[Outcome]) -> None:
        try:
            self.turn(ended, {}, {}, separately=True)
        except Exception as error:
            if is_transient(error):
                raise
            throttle_gate.delete_throttles({outcome.claim.connection_id for outcome in ended})
            self.turn(ended, {}, {}, separately=True)

    def _claim_separately(
        self, connection_id: str, threads: int, bulk: Mapping[str, int]
    ) -> list[Claim]:
        try:
            return self.turn((), {connection_id: threads}, bulk)
        except Exception as error:
            if is_transient(error):
                raise
        if not self._can_claim(connection_id, threads, bulk):
            return []
        claims: list[Claim] = []
        for message_id in _waiting_messages(connection_id):
            if len(claims) >= threads:
                break
            try:
                claims += self.turn(
                    (), {connection_id: threads - len(claims)}, bulk, message_id=message_id
                )
            except Exception as error:
                if is_transient(error):
                    if claims:
                        break
                    raise
                unreadable_rows.hold_message(message_id, error)
        return claims

    def _can_claim(self, connection_id: str, threads: int, bulk: Mapping[str, int]) -> bool:
        """Return whether a connection can claim at all; one that cannot is paused."""
        for attempt in (1, 2):
            try:
                # an ID that no message has
                self.turn((), {connection_id: threads}, bulk, message_id=new_id("msg"))
            except Exception as error:
                if is_transient(error):
                    raise
                if attempt == 1:
                    # so that its rate is learned again
                    throttle_gate.delete_throttles([connection_id])
                else:
                    integration_instances.instances().suspend(connection_id, PAUSE)
                    unreadable_rows.record_unreadable_row("connections", connection_id, error)
            else:
                return True
        return False


def _waiting_messages(connection_id: str) -> Sequence[str]:
    """Return the IDs of a connection's due messages, the first LOOKED_AT."""
    waiting = select(Message.id).where(
        Message.connection_id == connection_id,
        Message.status == Status.QUEUED,
        Message.due_at <= now(),
    )
    return db.session.scalars(waiting.order_by(Message.due_at).limit(MAX_MESSAGES)).all()
