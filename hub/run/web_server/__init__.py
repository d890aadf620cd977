"""The web server: gunicorn with its own worker class. Each process creates the application."""

from __future__ import annotations

import os
import resource
import threading
from typing import Any

from gunicorn.app.base import BaseApplication

from hub.core.config import Config
from hub.lib import memory
from hub.run.web_server.worker import BufferedThreadWorker

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - without it, gunicorn uses the temporary folder
MAX_CONNECTIONS = 4000  # of each process; slow clients are closed to accept others
OTHER_FILES = 256  # databases, queue, providers, logs


class Web(BaseApplication):  # type: ignore[misc]
    """gunicorn with the hub's settings. It reads no command line and no file."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def load_config(self) -> None:
        for name, value in options(self.config).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        import hub

        app = hub.create_app(self.config)
        memory.keep_loaded_objects()
        return app


def options(config: Config) -> dict[str, Any]:
    return {
        "bind": str(config.bind),
        "worker_class": BufferedThreadWorker,
        "worker_connections": _max_connections(),
        "limit_request_line": 8190,
        "workers": config.web_workers,
        "threads": config.web_threads,
        "keepalive": 15,
        "graceful_timeout": 3,
        "preload_app": False,  # each process has its own connections
        "accesslog": None,  # URLs may contain one-time links
        # at level info, gunicorn logs every start and stop
        "loglevel": "info" if config.log_level == "DEBUG" else "warning",
        # workers touch a file as a heartbeat; on a slow disk they would seem dead
        "worker_tmp_dir": SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None,
        "control_socket_disable": True,
        "forwarded_allow_ips": "",  # HUB_TRUSTED_PROXIES decides which headers are trusted
    }


def _allow_open_files() -> None:
    """Raise the limit of open files as far as allowed: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    required = MAX_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < required:
        new_limit = required if hard == resource.RLIM_INFINITY else min(required, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (new_limit, hard))


def _max_connections() -> int:
    """Return the maximum number of connections of one process."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(100, min(MAX_CONNECTIONS, soft - OTHER_FILES))


def load_pages(config: Config) -> None:
    """Load the modules of the web server before its processes are forked.

    Nothing connects to the database, because a connection must not be used after a fork.
    """
    import hub

    hub.create_app(config)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(1)  # the limiter's timers must not run during a fork
    memory.keep_loaded_objects()  # once, and not in each child


def serve(config: Config, *, is_loaded: bool = False) -> None:
    """Serve until SIGTERM or SIGINT. `is_loaded`: `load_pages` was called before a fork."""
    _allow_open_files()
    server = Web(config)
    if not is_loaded:
        # the socket is open by then: connections wait meanwhile instead of being refused
        server.cfg.set("when_ready", lambda _: load_pages(config))
    server.run()
