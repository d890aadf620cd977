"""Steps of tests of handlers: write a file, register it, run what is due."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.endpoints.dispatcher import Dispatcher
from hub.handlers import handler_list, registration
from hub.handlers.calls import HandlerCaller
from hub.handlers.handler_list import HandlerSummary
from hub.lib.shutdown import ShutdownSignal
from hub.models import WebhookAttempt, WebhookDelivery

START = """
import json, os, sys, threading, time
from pathlib import Path
from hub.handlers import Event, on

LOG = Path(__file__).with_name("log")

def note(name, event):
    with LOG.open("a") as log:
        log.write(json.dumps([name, dict(event.data), event.attempt]) + "\\n")
"""


class HandlerFile:
    """A file with handlers that write a log beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name("log")

    def write(self, code: str) -> None:
        """Write the file; the code can use `note(name, event)`."""
        self.path.write_text(START + textwrap.dedent(code))

    def register(self, code: str) -> None:
        """Write the file, and find its handlers as a starting worker does."""
        self.write(code)
        db.session.rollback()
        registration.register()

    @property
    def notes(self) -> list[tuple[str, dict[str, Any], int]]:
        """The notes of the handlers: their name, the event and the number of the attempt."""
        if not self.log.exists():
            return []
        return [tuple(json.loads(line)) for line in self.log.read_text().splitlines()]

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The handlers that noted something, with the types of their events."""
        return [(name, event["type"]) for name, event, _ in self.notes]


def run_due(seconds: float = 60) -> int:
    """Run handlers until nothing is due; return how many calls were made."""
    db.session.rollback()
    return Dispatcher(ShutdownSignal(seconds), HandlerCaller()).run(linger=0)


def handler(name: str) -> HandlerSummary:
    """Return a handler by the name of its function."""
    db.session.rollback()
    return next(one for one in handler_list.list_handlers() if one.function == name)


def deliveries_to(name: str) -> list[WebhookDelivery]:
    """Return the events of a handler, oldest first."""
    handler_id = handler(name).row.id
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == handler_id)
    return list(db.session.scalars(query.order_by(WebhookDelivery.event_id)))


def states_of(name: str) -> list[str]:
    return [row.state for row in deliveries_to(name)]


def attempts_of(name: str) -> list[WebhookAttempt]:
    """Return the attempts of a handler, oldest first."""
    handler_id = handler(name).row.id
    query = select(WebhookAttempt).where(WebhookAttempt.endpoint_id == handler_id)
    return list(db.session.scalars(query.order_by(WebhookAttempt.at, WebhookAttempt.number)))
