"""Check the addresses that Signpost listens on: free before the start, responding afterwards."""

from __future__ import annotations

import errno
import http.client
import socket
import time
from urllib.parse import urlsplit

import psutil

from hub.core.bind_address import Bind
from hub.core.errors import ConfigError


def check_available(bind: Bind, setting: str, *, wait: float = 0) -> None:
    """Raise ConfigError if the address cannot be used, with the program that uses it and a remedy.

    `wait` is the number of seconds to wait for it to become free.
    """
    deadline = time.monotonic() + wait
    while error := _bind_error(bind):
        if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
            raise ConfigError(_describe_error(error, bind, setting))
        time.sleep(0.1)


def _bind_error(bind: Bind) -> OSError | None:
    """Return the error of listening on an address, or None."""
    try:
        family = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            # the servers set it too: an address that was just closed counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind.host, bind.port))
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _describe_error(error: OSError, bind: Bind, setting: str) -> str:
    alternative = Bind(bind.host, bind.port + 10 if bind.port < 65500 else 8010)
    if error.errno == errno.EADDRINUSE:
        owner = _describe_owner(bind)
        return f"Another program uses {bind}{owner}. Stop it, or set {setting}={alternative}."
    if error.errno == errno.EACCES:
        return (
            f"No permission to listen on {bind}: ports below 1024 are reserved for the"
            f" system. Set {setting}={Bind(bind.host, 8000)}."
        )
    return (
        f"Cannot listen on {bind}: {error.strerror or error}. Set {setting} to an"
        " address of this machine."
    )


def _describe_owner(bind: Bind) -> str:
    """Return the program that listens on an address, or '' if the system does not report it."""
    try:
        for connection in psutil.net_connections("tcp"):
            is_listener = (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == bind.port
            )
            if is_listener and connection.pid:
                return f" ({psutil.Process(connection.pid).name()}, process {connection.pid})"
    except psutil.Error:
        pass  # processes of other users cannot be read
    return ""


def accepts_connections(bind: Bind, *, timeout: float = 0.5) -> bool:
    """Return whether a server accepts connections at this address."""
    try:
        socket.create_connection((_reachable_host(bind), bind.port), timeout).close()
    except OSError:
        return False
    return True


def is_ready(bind: Bind, public_url: str, *, timeout: float = 1) -> bool:
    """Return whether the web server at this address reports that it is ready."""
    parts = urlsplit(public_url)
    connection = http.client.HTTPConnection(_reachable_host(bind), bind.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path}/readyz", headers={"Host": parts.netloc})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable_host(bind: Bind) -> str:
    """Return a host at which a server that listens on all addresses can be reached."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104
