"""Calls with a specified outcome."""

from __future__ import annotations

from typing import Any

from hub.core.errors import (
    SendError,
)
from hub.db.types import now
from hub.integrations.base import Accepted, Outbound
from hub.messaging.send import calls, claims
from hub.models import Connection
from tests.hub_fixtures import queue_text


def queue_message(to: str = "room", text: str = "Hello.") -> str:
    return queue_text(to, text, channel="", connection_slug="fake-chat")


def raise_error(error: SendError | Exception) -> Any:
    def fail(outbound: Outbound) -> Accepted:
        raise error

    return fail


def claim(connection: Connection) -> calls.Claim:
    [claimed] = claims.record_and_claim([], {connection.id: 1})
    return claimed


def record_outcome(
    claim_: calls.Claim, *, accepted: Accepted | None = None, error: SendError | None = None
) -> None:
    claims.record_and_claim(
        [calls.Outcome(claim_, accepted, error, now(), 12, 201 if accepted else 500)], {}
    )
