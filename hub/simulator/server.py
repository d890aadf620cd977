"""Run the simulator in one gunicorn process with many threads.

A request to a recipient that never responds occupies one thread.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from hub.core.config import Config
from hub.simulator.app import create_simulator
from hub.simulator.context import SimulatorContext

THREADS = 80
# seconds; longer than clients keep idle connections, so that none closes during a request
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
            "worker_exit": self._end_worker,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        # created after the fork, because threads do not survive it
        self._app = create_simulator(self._config)
        return self._app

    def _end_worker(self, arbiter: Any, worker: Any) -> None:
        """End the worker at once. A waiting request or callback would keep the process alive."""
        if self._app is not None and worker.pid == os.getpid():
            simulator: SimulatorContext = self._app.extensions["simulator"]
            simulator.stop()
            os._exit(0)


def serve(config: Config) -> None:
    """Run the simulator until SIGTERM or SIGINT."""
    Server(config).run()
