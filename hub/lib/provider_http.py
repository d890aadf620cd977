"""The HTTP client for all requests to providers.

It pools connections, sets time limits, follows no redirect, caps the size of answers, and decides
at connect time, after the name was resolved, whether the address may be reached: https to public
addresses only, except those that are allowed.

    ConnectFailed   the request did not reach the provider, so it was not accepted
    ResponseLost    the request left or may have left, and its outcome is not known
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
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
from hub.lib import times
from hub.lib.storable import json_object

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
# the name and the handshake take their time, and a machine may be suspended meanwhile: then it is
# too late
LEAVES_WITHIN = 20.0
LARGEST_RESPONSE = 2 * 1024 * 1024
LONGEST_WAIT = 1_000_000.0  # seconds; who asks for more means something else
# kept alive per host: as many are opened as calls are made at once, by the threads of all
# connections that share a client; a smaller number would close what the next call needs
KEPT_ALIVE = 1024


class ConnectFailed(HubError):
    """The request did not leave: no connection, a refused address, a failed TLS handshake."""


class AddressNotAllowed(ConnectFailed):
    """The address must not be reached; an admin can allow it with HUB_HTTP_ALLOW."""


class ResponseLost(HubError):
    """The request left, or may have, and no complete answer came back."""


@dataclass(frozen=True)
class ProviderResponse:
    """A provider's HTTP response.

    `body` is at most LARGEST_RESPONSE bytes; header names are lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    size: int = 0  # bytes of the body, also where it was only counted

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    @property
    def json(self) -> dict[str, Any]:
        """The object of a JSON body, its texts made storable. Any other body gives {}."""
        return json_object(self.body)

    @property
    def retry_after(self) -> float | None:
        """Seconds from a Retry-After header that holds a number or a date; None otherwise, and for
        a wait of many days.
        """
        text = self.headers.get("retry-after", "")
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text):
            return float(text)
        until = _moment(text)
        said_at = _moment(self.headers.get("date", ""))
        if until is None:
            return None
        # by the clock of who says it, where it tells
        seconds = (until - (said_at or datetime.now(UTC))).total_seconds()
        return max(seconds, 0.0) if seconds < LONGEST_WAIT else None


@dataclass
class Exchange:
    """One request and its response, without bodies: stored on the attempt and shown after a failed
    test.
    """

    method: str
    url: str  # without query, which may hold a recipient, and without what the caller hid
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    milliseconds: int = 0


# .left: this thread's request has begun to leave; .latest: when it must have
_request = threading.local()
_exchanges: ContextVar[list[Exchange] | None] = ContextVar("exchanges", default=None)


@contextmanager
def record_exchanges() -> Iterator[list[Exchange]]:
    """Collect the exchanges that the code inside makes, in this thread."""
    exchanges: list[Exchange] = []
    token = _exchanges.set(exchanges)
    try:
        yield exchanges
    finally:
        _exchanges.reset(token)


def uptime() -> float:
    """Return seconds on a clock that nobody sets, and that runs on while the machine is suspended,
    where there is one.
    """
    return time.clock_gettime(_UPTIME)


# macOS: the monotonic clock runs on by itself
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _moment(text: str) -> datetime | None:
    """Return the moment that an HTTP date names; None when it is none."""
    try:
        found = parsedate_to_datetime(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found if times.in_range(found) else None


def is_public(address: str) -> bool:
    """Tell whether an address literal lies on the public internet, seeing through IPv4 mapped, 6to4
    and NAT64 forms.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        # forms given up long ago, some with an IPv4 address in them
        if ip.is_reserved or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast


def host_port(url: str) -> str:
    """Return host and port of a URL as HUB_HTTP_ALLOW writes them."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


class _Guarded:
    """A urllib3 connection that resolves the name itself and connects only to what `allowed` lets
    through.
    """

    allowed: frozenset[str]
    host: str
    port: int
    _dns_host: str
    timeout: Any
    socket_options: Any

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._in_time()  # over a connection that was kept, or after its handshake
        # a TLS handshake is over by now: whatever fails from here on may have arrived
        _request.left = True
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def _in_time(self) -> None:
        if uptime() > _request.latest:
            raise ConnectTimeoutError(
                self, f"no connection to {self.host} within {LEAVES_WITHIN:g} s"
            )

    def _new_conn(self) -> socket.socket:
        host = self._dns_host.strip("[]").lower()
        name = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        trusted = name in self.allowed
        try:
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            raise NameResolutionError(self.host, self, problem) from problem  # type: ignore[arg-type]
        reachable = [entry for entry in found if trusted or is_public(str(entry[4][0]))]
        if not reachable:
            raise AddressNotAllowed(
                f"{name} is not on the public internet. To allow it, add {name} to HUB_HTTP_ALLOW."
            )
        failure: OSError | None = None
        seconds = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECONDS
        # for all addresses together: a call must end before its message's lease
        deadline = time.monotonic() + seconds
        for family, kind, protocol, _, address in reachable:
            connection = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    connection.setsockopt(*option)
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                connection.connect(address)
                connection.settimeout(seconds)
                self._in_time()  # a request in clear is put together before
                return connection
            except OSError as refused:
                connection.close()
                failure = refused
            except ConnectTimeoutError:
                connection.close()
                raise
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"no connection to {name} within {seconds:g} s")
        raise NewConnectionError(self, f"no connection to {name}") from failure  # type: ignore[arg-type]


class ProviderHttpClient:
    """Makes requests; safe to share between threads.

    `allow` holds `host:port` entries that are reachable though private or plain.
    """

    def __init__(self, *, allow: Iterable[str] = (), ca_file: str | None = None) -> None:
        self._allow = allowed = frozenset(allow)
        context = ssl.create_default_context(cafile=ca_file or certifi.where())
        context.minimum_version = ssl.TLSVersion.TLSv1_2

        class Plain(_Guarded, HTTPConnection):
            pass

        class Secure(_Guarded, HTTPSConnection):
            pass

        Plain.allowed = Secure.allowed = allowed

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self._manager = urllib3.PoolManager(num_pools=32, maxsize=KEPT_ALIVE, ssl_context=context)
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
        largest: int = LARGEST_RESPONSE,
        hidden: str = "",
    ) -> ProviderResponse:
        """Make one request.

        Raises ConnectFailed or ResponseLost. Every HTTP status is a ProviderResponse.

        A body larger than `largest` bytes is not read. With `count_to` the body is not kept but
        counted, until it is larger than that. `hidden` is a part of the path that is a secret: the
        exchange leaves it out, as errors name no more of a URL than its host.
        """
        exchange = _note_exchange(method, url, hidden)
        self._check_encryption(url)
        _request.left = False
        _request.latest = uptime() + LEAVES_WITHIN
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
                content, size = self._read(response, deadline, count_to, largest)
            finally:
                response.release_conn()
        except HTTPError as problem:
            raise _failure(urlsplit(url).hostname, problem) from None
        finally:
            exchange.milliseconds = round((time.monotonic() - started) * 1000)
        return ProviderResponse(response.status, exchange.headers, content, size)

    def _check_encryption(self, url: str) -> None:
        """Raise AddressNotAllowed for an address without encryption that no admin has allowed."""
        parts = urlsplit(url)
        if parts.scheme != "https" and host_port(url) not in self._allow:
            raise AddressNotAllowed(
                f"The address of {parts.hostname} is not encrypted. Use its https address,"
                f" or add {host_port(url)} to HUB_HTTP_ALLOW."
            )

    @staticmethod
    def _read(
        response: urllib3.BaseHTTPResponse, deadline: float, count_to: int, largest: int
    ) -> tuple[bytes, int]:
        pieces = []
        size = 0
        # what is there: waiting for more would let a slow stream last without end
        while piece := response.read1(64 * 1024):
            size += len(piece)
            enough = size > (count_to or largest)
            late = time.monotonic() > deadline
            if enough or late:
                response.close()  # never back into the pool half read
                if count_to and not late:
                    break
                raise HTTPError("response too slow" if late else "response too large")
            if not count_to:
                pieces.append(piece)
        return b"".join(pieces), size


def _note_exchange(method: str, url: str, hidden: str) -> Exchange:
    """Return the record of a request that begins, and add it to those that are being collected."""
    parts = urlsplit(url)
    path = parts.path.replace(hidden, "•••") if hidden else parts.path
    exchange = Exchange(method, f"{parts.scheme}://{parts.hostname}{path}")
    if (log := _exchanges.get()) is not None:
        log.append(exchange)
    return exchange


def _failure(host: str | None, problem: HTTPError) -> HubError:
    """Return the error that says whether this thread's request left, and what went wrong."""
    if isinstance(problem, NewConnectionError | ConnectTimeoutError) or not _request.left:
        return ConnectFailed(f"{host} cannot be reached: {_sentence(problem)}.")
    return ResponseLost(f"{host} did not respond completely: {_sentence(problem)}.")


def _sentence(problem: Exception) -> str:
    """Say what happened, without the connection objects and URLs that urllib3 puts into its
    messages.
    """
    reason = problem.__cause__ or problem.args[-1] if problem.args else problem.__cause__
    if isinstance(problem, SSLError):
        certificate = re.search(r"certificate verify failed: ([^(]+)", str(problem))
        return (
            f"its certificate is not trusted, {certificate[1].strip()}"
            if certificate
            else "no TLS 1.2 connection could be established"
        )
    refused = isinstance(problem, NewConnectionError) and not isinstance(
        problem, NameResolutionError
    )
    if refused and isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return next(
        (words for kind, words in _SENTENCES.items() if isinstance(problem, kind)), str(problem)
    )


_SENTENCES: dict[type[Exception], str] = {
    NameResolutionError: "its name does not resolve",
    LocationValueError: "its address is not valid",  # urllib3 would quote all of it
    ConnectTimeoutError: "no connection could be established in time",
    ReadTimeoutError: "no response arrived in time",
    ProtocolError: "the connection was lost",
}
