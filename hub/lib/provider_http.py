"""The HTTP client for all requests to providers.

It pools connections, sets timeouts, follows no redirects and limits the size of responses. When it
connects, after resolving the name, it checks the address: https to public addresses only, except
those that are allowed.

    ConnectFailed   the request did not reach the provider, so it was not accepted
    ResponseLost    the request left or may have left, and its outcome is not known
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

from hub.core.errors import HubError
from hub.lib.guarded_sockets import (
    AddressNotAllowed,
    ConnectFailed,
    NotConnected,
    NotResolved,
    endpoint_name,
    open_socket,
)
from hub.lib.provider_response import ProviderResponse

__all__ = [
    "AddressNotAllowed",
    "ConnectFailed",
    "Exchange",
    "ProviderHttpClient",
    "ProviderResponse",
    "ResponseLost",
    "host_port",
    "record_exchanges",
    "uptime",
]

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
# resolving and connecting take time, and the machine may be suspended: then it is too late
SEND_DEADLINE = 20.0  # seconds
MAX_RESPONSE_SIZE = 2 * 1024 * 1024
# per host: all threads of connections that share a client may call at once, and a smaller pool
# would close connections that the next call needs
POOL_SIZE = 1024
DEFAULT_PORTS = {"https": 443}


class ResponseLost(HubError):
    """The request left or may have left, and no complete response arrived."""


@dataclass
class Exchange:
    """One request and its response without bodies, for an attempt or a failed test."""

    method: str
    url: str  # without the query, which may contain a recipient, and without `hidden`
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    milliseconds: int = 0


# .is_sent: this thread's request may have left; .deadline: until when it must leave
_request = threading.local()
_exchanges: ContextVar[list[Exchange] | None] = ContextVar("exchanges", default=None)


@contextmanager
def record_exchanges() -> Iterator[list[Exchange]]:
    """Collect the exchanges that the code inside makes in this thread."""
    exchanges: list[Exchange] = []
    token = _exchanges.set(exchanges)
    try:
        yield exchanges
    finally:
        _exchanges.reset(token)


def uptime() -> float:
    """Return seconds of a clock that is never set, and that includes suspension where possible."""
    return time.clock_gettime(_UPTIME)


# on macOS the monotonic clock includes the time of suspension
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def host_port(url: str) -> str:
    """Return host and port of a URL in the format of HUB_HTTP_ALLOW."""
    parts = urlsplit(url)
    return endpoint_name(parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 80))


class _GuardedConnection:
    """A urllib3 connection that resolves the name itself and connects only to allowed addresses."""

    allowed: frozenset[str]
    host: str
    port: int
    _dns_host: str
    timeout: Any
    socket_options: Any

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._check_deadline()  # on a pooled connection, or after the handshake
        # after the TLS handshake: any later failure may happen after the request arrived
        _request.is_sent = True
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def _check_deadline(self) -> None:
        if uptime() > _request.deadline:
            raise ConnectTimeoutError(
                self, f"could not connect to {self.host} within {SEND_DEADLINE:g} s"
            )

    def _new_conn(self) -> socket.socket:
        # for all addresses together, because a call must end before its message's lease
        timeout = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECONDS
        this: Any = self  # the errors only read the host of a connection
        try:
            connection = open_socket(
                self._dns_host,
                self.port,
                allowed=self.allowed,
                seconds=timeout,
                options=self.socket_options or (),
            )
        except NotResolved as error:
            raise NameResolutionError(self.host, this, cast(Any, error)) from error
        except NotConnected as error:
            if error.timed_out:
                raise ConnectTimeoutError(self, str(error)) from None
            raise NewConnectionError(this, str(error)) from error.__cause__
        try:
            self._check_deadline()  # plain requests are prepared before the connection exists
        except ConnectTimeoutError:
            connection.close()
            raise
        return connection


@functools.cache
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return the TLS settings that all clients share, as reading certificates takes 15 ms."""
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class ProviderHttpClient:
    """A client that threads can share.

    `allow` contains `host:port` entries that may be private or use plain http.
    """

    def __init__(self, *, allow: Iterable[str] = (), ca_file: str | None = None) -> None:
        self._allow = allowed = frozenset(allow)

        class Plain(_GuardedConnection, HTTPConnection):
            pass

        class Secure(_GuardedConnection, HTTPSConnection):
            pass

        Plain.allowed = Secure.allowed = allowed

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.tls_context = _tls_context(ca_file)
        self._manager = urllib3.PoolManager(
            num_pools=32, maxsize=POOL_SIZE, ssl_context=self.tls_context
        )
        self._manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        connect: float = CONNECT_SECONDS,
        read: float = READ_SECONDS,
        count_to: int = 0,
        largest: int = MAX_RESPONSE_SIZE,
        keep: int = 0,
        hidden: str = "",
    ) -> ProviderResponse:
        """Make one request. Raises ConnectFailed or ResponseLost, but returns every HTTP status.

        A body larger than `largest` bytes is an error. With `keep`, its first bytes are returned
        instead. With `count_to`, the body is counted up to that size and not stored. `hidden` is a
        secret part of the path that the exchange omits. Errors contain only the host of a URL.
        """
        exchange = _record_exchange(method, url, hidden)
        self._check_encryption(url)
        _request.is_sent = False
        _request.deadline = uptime() + SEND_DEADLINE
        started = time.monotonic()
        try:
            response = self._manager.request(
                method,
                url,
                headers=dict(headers or {}),
                body=body,
                retries=False,
                redirect=False,
                preload_content=False,
                timeout=Timeout(connect=connect, read=read),
            )
            try:
                exchange.status = response.status
                exchange.headers = {name.lower(): value for name, value in response.headers.items()}
                deadline = started + connect + 2 * read
                content, size = self._read(response, deadline, count_to, largest, keep)
            finally:
                response.release_conn()
        except HTTPError as error:
            raise _convert_error(urlsplit(url).hostname, error) from None
        finally:
            exchange.milliseconds = round((time.monotonic() - started) * 1000)
        return ProviderResponse(response.status, exchange.headers, content, size)

    def open_socket(self, host: str, port: int, *, encrypted: bool) -> socket.socket:
        """Connect to a server of another protocol, under the same rules as for requests.

        `encrypted` says whether the connection will use TLS, with `tls_context`. Raises
        ConnectFailed.
        """
        name = endpoint_name(host, port)
        if not encrypted and name not in self._allow:
            raise AddressNotAllowed(
                f"The connection to {name} is not encrypted.",
                f"Choose an encrypted connection, or add {name} to HUB_HTTP_ALLOW.",
            )
        try:
            return open_socket(host, port, allowed=self._allow, seconds=CONNECT_SECONDS)
        except NotConnected as error:
            raise ConnectFailed(f"{host} cannot be reached: {error}.") from error.__cause__

    def _check_encryption(self, url: str) -> None:
        """Raise AddressNotAllowed for a plain http URL that is not allowed."""
        parts = urlsplit(url)
        if parts.scheme != "https" and host_port(url) not in self._allow:
            raise AddressNotAllowed(
                f"The URL of {parts.hostname} is not encrypted.",
                f"Use https, or add {host_port(url)} to HUB_HTTP_ALLOW.",
            )

    @staticmethod
    def _read(
        response: urllib3.BaseHTTPResponse, deadline: float, count_to: int, largest: int, keep: int
    ) -> tuple[bytes, int]:
        chunks = []
        size = 0
        # read1 returns available bytes; waiting for more would let a slow stream last forever
        while chunk := response.read1(64 * 1024):
            size += len(chunk)
            if not count_to:
                chunks.append(chunk)
            is_enough = size > (count_to or keep or largest)
            is_late = time.monotonic() > deadline
            if is_enough or is_late:
                response.close()  # an incomplete response must not return to the pool
                if (count_to or keep) and not is_late:
                    break
                raise HTTPError("response too slow" if is_late else "response too large")
        return b"".join(chunks)[: keep or None], size


def _record_exchange(method: str, url: str, hidden: str) -> Exchange:
    """Create the record of a request, and add it to those that are being collected."""
    parts = urlsplit(url)
    path = parts.path.replace(hidden, "•••") if hidden else parts.path
    server = parts.netloc.rpartition("@")[2]  # without a user name and password
    exchange = Exchange(method, f"{parts.scheme}://{server}{path}")
    if (exchanges := _exchanges.get()) is not None:
        exchanges.append(exchange)
    return exchange


def _convert_error(host: str | None, error: HTTPError) -> HubError:
    """Return ConnectFailed or ResponseLost, by whether this thread's request may have left."""
    if isinstance(error, NewConnectionError | ConnectTimeoutError) or not _request.is_sent:
        return ConnectFailed(f"{host} cannot be reached: {_describe_error(error)}.")
    return ResponseLost(f"{host} did not respond completely: {_describe_error(error)}.")


def _describe_error(error: Exception) -> str:
    """Describe an error without the connection objects and URLs of urllib3's messages."""
    reason = error.__cause__ or error.args[-1] if error.args else error.__cause__
    if isinstance(error, SSLError):
        certificate = re.search(r"certificate verify failed: ([^(]+)", str(error))
        return (
            f"its certificate is not trusted, {certificate[1].strip()}"
            if certificate
            else "no TLS 1.2 connection could be established"
        )
    is_refused = isinstance(error, NewConnectionError) and not isinstance(
        error, NameResolutionError
    )
    if is_refused and isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return next(
        (sentence for error_type, sentence in _SENTENCES.items() if isinstance(error, error_type)),
        str(error),
    )


_SENTENCES: dict[type[Exception], str] = {
    NameResolutionError: "its name does not resolve",
    LocationValueError: "its address is not valid",  # urllib3 would quote the whole address
    ConnectTimeoutError: "no connection could be established in time",
    ReadTimeoutError: "no response arrived in time",
    ProtocolError: "the connection was lost",
}
