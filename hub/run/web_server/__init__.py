"""The web server: gunicorn with our own worker, in processes that each make the application."""

from __future__ import annotations

import os
import resource
from typing import Any

from gunicorn.app.base import BaseApplication

from hub.core.config import Config
from hub.lib import memory
from hub.run.web_server.worker import BufferedThreadWorker

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where it is missing, gunicorn takes the temporary folder
MOST_CONNECTIONS = 4000  # of each process; slow clients make room for others
OTHER_FILES = 256  # databases, queue, providers, logs


class Web(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings; it reads neither its own command line nor a file."""

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
        "worker_connections": _most_connections(),
        "limit_request_line": 8190,
        "workers": config.web_workers,
        "threads": config.web_threads,
        "keepalive": 15,
        "graceful_timeout": 3,
        "preload_app": False,  # each process has its own connections
        "accesslog": None,  # addresses may hold one-time links
        # it reports each start and stop as news; we want to hear of trouble
        "loglevel": "info" if config.log_level == "DEBUG" else "warning",
        # workers prove with a file's time that they live; a slow disk must not make them look dead
        "worker_tmp_dir": SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None,
        "control_socket_disable": True,
        "forwarded_allow_ips": "",  # HUB_TRUSTED_PROXIES says whom to believe, and what
    }


def _allow_open_files() -> None:
    """Raise the limit of open files as far as we may: each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _most_connections() -> int:
    """Return how many connections each process may have at once."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(100, min(MOST_CONNECTIONS, soft - OTHER_FILES))


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    _allow_open_files()
    Web(config).run()
