"""Queue `deliver`: send due messages over every connection."""

from __future__ import annotations

from hub import jobs
from hub.messaging.send.dispatcher import Dispatcher


def run() -> None:
    """Send until nothing is due for a while."""
    jobs.run_job("deliver", lambda stopping: Dispatcher(stopping).run())
