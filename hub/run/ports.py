"""The addresses Signpost listens on: whether they are free before it starts, whether they answer
once it has.
"""

from __future__ import annotations

import errno
import http.client
import socket
import time
from urllib.parse import urlsplit

import psutil

from hub.core.bind_address import Bind
from hub.core.errors import ConfigError


def claim(bind: Bind, setting: str, *, wait: float = 0) -> None:
    """Raise ConfigError when the address cannot be listened on, naming who has it and what to do;
    `wait` seconds for it.
    """
    deadline = time.monotonic() + wait
    while problem := _try(bind):
        if problem.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
            raise ConfigError(_sentence(problem, bind, setting))
        time.sleep(0.1)


def _try(bind: Bind) -> OSError | None:
    try:
        family = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            # as the servers do: an address just left is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind.host, bind.port))
            probe.listen(1)
    except OSError as problem:
        return problem
    return None


def _sentence(problem: OSError, bind: Bind, setting: str) -> str:
    other = Bind(bind.host, bind.port + 10 if bind.port < 65500 else 8010)
    if problem.errno == errno.EADDRINUSE:
        return f"Another program uses {bind}{_owner(bind)}. Stop it, or set {setting}={other}."
    if problem.errno == errno.EACCES:
        return (
            f"No permission to listen on {bind}: ports below 1024 are reserved for the"
            f" system. Set {setting}={Bind(bind.host, 8000)}."
        )
    return (
        f"Cannot listen on {bind}: {problem.strerror or problem}. Set {setting} to an"
        " address of this machine."
    )


def _owner(bind: Bind) -> str:
    """Say who listens there, where the system lets us read it."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == bind.port
            )
            if listens and connection.pid:
                return f" ({psutil.Process(connection.pid).name()}, process {connection.pid})"
    except psutil.Error:
        pass  # other people's processes are not ours to read
    return ""


def accepts(bind: Bind, *, seconds: float = 0.5) -> bool:
    """Tell whether something accepts connections there."""
    try:
        socket.create_connection((_reachable(bind), bind.port), seconds).close()
    except OSError:
        return False
    return True


def answers_ready(bind: Bind, public_url: str, *, seconds: float = 1) -> bool:
    """Tell whether the web server there says that it is ready."""
    parts = urlsplit(public_url)
    connection = http.client.HTTPConnection(_reachable(bind), bind.port, timeout=seconds)
    try:
        connection.request("GET", f"{parts.path}/readyz", headers={"Host": parts.netloc})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable(bind: Bind) -> str:
    """Return where to find a server that listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104 - compared, not bound
