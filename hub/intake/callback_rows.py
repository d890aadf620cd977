"""Rows of callbacks while a batch processes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import update

from hub.db.compiled_sql import get_table
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import StatusUpdate, WebhookEvent
from hub.messaging.track.statuses import Origin
from hub.models import ProviderCallback


@dataclass(slots=True)
class CallbackRow:
    """A callback in a batch: its row, its events, and its result."""

    id: str
    connection_id: str | None
    encrypted: bytes | None
    received_at: datetime
    due_at: datetime | None
    tries: int
    stored_error: str  # as it was before this run
    status_updates: list[tuple[StatusUpdate, Origin]] = field(default_factory=list)
    other_events: list[tuple[WebhookEvent, Origin]] = field(default_factory=list)  # all others
    matched: bool = True
    failure: str = ""
    final: bool = False  # a retry would end the same
    has_source_events: bool = False  # events of a signing app, which are completed by calls

    @property
    def error(self) -> str:
        """The error to store; '' once the callback is processed."""
        return self.failure or ("" if self.matched else UNKNOWN)


UNKNOWN = "Signpost has no message with this ID."
NO_CONNECTION = "No connection of this account has the sender or destination."
REMOVED = (
    "Its content was deleted at the end of its retention period, so it can no longer be processed."
)

callbacks = get_table(ProviderCallback)
COLUMNS = [
    callbacks.c[name]
    for name in ("id", "connection_id", "request", "received_at", "due_at", "tries", "error")
]


def request_fetches(batch: Iterable[CallbackRow]) -> None:
    """Let the events of signing apps in a batch be completed by calls, inside a transaction."""
    keys = [row.id for row in batch if row.has_source_events and not row.failure]
    if keys:
        requested = update(ProviderCallback).where(ProviderCallback.id.in_(keys))
        db.session.execute(requested.values(fetch_at=now(), tries=0))
