"""Queue `notify`: deliver platform events to the endpoints of signing apps, and run handlers."""

from __future__ import annotations

from hub import jobs
from hub.endpoints.dispatcher import Dispatcher
from hub.handlers import registration
from hub.handlers.calls import HandlerCaller


def run() -> None:
    """Deliver until nothing is due for a while."""
    jobs.run_job("notify", lambda stopping: Dispatcher(stopping, HandlerCaller()).run())


def prepare() -> None:
    """Register the handlers, when a worker starts."""
    registration.register()
