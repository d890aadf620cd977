"""Open connections to servers of providers, at allowed addresses only.

The name is resolved here, and the address is checked before the connection is made: it has to be on
the public internet, or its `host:port` has to be allowed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterable
from typing import Any

from hub.core.errors import HubError
from hub.lib.public_addresses import is_public

SocketOption = tuple[int, int, int | bytes]


class ConnectFailed(HubError):
    """The request did not leave: no connection, a refused address, or a failed TLS handshake."""


class AddressNotAllowed(ConnectFailed):
    """The address is not allowed. An admin can allow it with HUB_HTTP_ALLOW, as `remedy` says."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason} {remedy}")


class NotResolved(ConnectFailed):
    """The host name has no address."""


class NotConnected(ConnectFailed):
    """No address of the host accepts connections. `timed_out` is true if none responded."""

    def __init__(self, reason: str, *, timed_out: bool) -> None:
        self.timed_out = timed_out
        super().__init__(reason)


def endpoint_name(host: str, port: int) -> str:
    """Return a host and a port in the format of HUB_HTTP_ALLOW."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_socket(
    host: str,
    port: int,
    *,
    allowed: Collection[str],
    seconds: float,
    options: Iterable[SocketOption] = (),
) -> socket.socket:
    """Connect to a host within `seconds`, which apply to all of its addresses together.

    `allowed` holds the `host:port` entries that may be private. Raises AddressNotAllowed,
    NotResolved and NotConnected.
    """
    host = host.strip("[]").lower()
    name = endpoint_name(host, port)
    entries = _resolve(host, port)
    is_allowed = name in allowed
    reachable = [entry for entry in entries if is_allowed or is_public(str(entry[4][0]))]
    if not reachable:
        raise _not_public(name)
    deadline = time.monotonic() + seconds
    last_error: OSError | None = None
    for family, kind, protocol, _, address in reachable:
        connection = socket.socket(family, kind, protocol)
        try:
            for option in options:
                connection.setsockopt(*option)
            connection.settimeout(max(deadline - time.monotonic(), 0.01))
            connection.connect(address)
            connection.settimeout(seconds)
            return connection
        except OSError as error:
            connection.close()
            last_error = error
    if isinstance(last_error, TimeoutError):
        raise NotConnected(f"could not connect to {name} within {seconds:g} s", timed_out=True)
    raise NotConnected(f"could not connect to {name}", timed_out=False) from last_error


def check_address(host: str, port: int, *, allowed: Collection[str]) -> None:
    """Check all addresses of a host, for a library that resolves the name and connects itself.

    Raises AddressNotAllowed if one of them is private, and NotResolved.
    """
    host = host.strip("[]").lower()
    name = endpoint_name(host, port)
    entries = _resolve(host, port)
    if name not in allowed and not all(is_public(str(entry[4][0])) for entry in entries):
        raise _not_public(name)


def _not_public(name: str) -> AddressNotAllowed:
    return AddressNotAllowed(
        f"{name} is not on the public internet.",
        f"To allow it, add {name} to HUB_HTTP_ALLOW.",
    )


def _resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise NotResolved(f"{host} cannot be reached: its name does not resolve.") from error
