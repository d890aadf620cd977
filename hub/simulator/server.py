"""Running the simulator: one gunicorn process with many threads, since a recipient that hangs holds
one.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from hub.core.config import Config
from hub.simulator.app import create_simulator
from hub.simulator.context import Bench

THREADS = 80
# seconds; longer than a client leaves a connection idle, so that none breaks under a request
KEEP_ALIVE = 75


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn without a configuration file."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._app: Flask | None = None
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": [str(self._config.simulator_bind)],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": KEEP_ALIVE,
            "graceful_timeout": 1,
            "loglevel": "warning",
            "proc_name": "hub simulator",
            "control_socket_disable": True,
            "worker_exit": self._leave,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        # in the worker, after the fork: its threads live there
        self._app = create_simulator(self._config)
        return self._app

    def _leave(self, arbiter: Any, worker: Any) -> None:
        """End the worker now: a request that hangs, or a callback under way, would hold its threads
        and so the process.
        """
        if self._app is not None and worker.pid == os.getpid():
            bench: Bench = self._app.extensions["simulator"]
            bench.stop()
            os._exit(0)


def serve(config: Config) -> None:
    """Run the simulator until SIGTERM or SIGINT."""
    Server(config).run()
