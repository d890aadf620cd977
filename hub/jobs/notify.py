"""Queue `notify`: deliver platform events to the webhook endpoints of signing apps."""

from __future__ import annotations

from hub import jobs
from hub.endpoints.dispatcher import Dispatcher


def run() -> None:
    """Deliver until nothing is due for a while."""
    jobs.run_job("notify", lambda stopping: Dispatcher(stopping).run())
