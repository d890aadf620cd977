"""A proxy between the hub and the provider, over HTTP or HTTPS, that injects faults.

Its `fault` applies only to requests that send a message. Lookups are forwarded.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "server", "date"}


class Call(BaseHTTPRequestHandler):
    """One persistent connection of the hub and its current request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy
    body: bytes

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.fault(self, next(self.server.numbers))

    def do_GET(self) -> None:
        self.body = b""
        forward_unchanged(self, 0)

    # what a trouble is made of
    def forward(self, *, callbacks: bool = True) -> tuple[int, Mapping[str, str], bytes]:
        """Forward the request to the provider, optionally without its status address."""
        body = self.body
        if not callbacks:
            body = urlencode(
                [
                    (name, value)
                    for name, value in parse_qsl(body.decode())
                    if name != "StatusCallback"
                ]
            ).encode()
        line = http.client.HTTPConnection(self.server.provider, timeout=60)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in HOP | {"host"}
        }
        try:
            line.request(self.command, self.path, body or None, headers)
            answer = line.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            line.close()

    def answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def respond_with_error(self, status: int, code: int, retry_after: str = "") -> None:
        """Respond with an error in the format of Twilio."""
        content = json.dumps({"code": code, "message": "Told to fail", "status": status}).encode()
        headers = {"Retry-After": retry_after} if retry_after else {}
        self.answer(status, {"Content-Type": "application/json", **headers}, content)

    def is_abandoned(self) -> bool:
        """Return whether the hub closed the connection, as when its process was killed.

        This works with plain HTTP only.
        """
        readable, _, _ = select.select([self.connection], [], [], 0)
        with contextlib.suppress(ConnectionError):
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        return True

    def respond_partially(self, status: int, content: bytes) -> None:
        """Send half of a response and break the connection."""
        self.wfile.write(
            f"HTTP/1.1 {status} OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content[: len(content) // 2]
        )
        self.reset_connection()

    def reset_connection(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            # a reset, not an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Log nothing, because the command prints a table."""


ProviderFault = Callable[[Call, int], None]


class Proxy(ThreadingHTTPServer):
    """A proxy on a loopback port; `fault` handles each new message."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.provider = ""
        self.tls = tls
        self.fault: ProviderFault = add_latency if tls is None else forward_unchanged
        self.numbers: Iterator[int] = itertools.count()
        self._lines: set[socket.socket] = set()
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def forward_to(self, provider: str) -> str:
        """Forward to the provider at HOST:PORT, and return the proxy's URL."""
        self.provider = provider
        return (
            f"https://localhost:{self.server_port}"
            if self.tls
            else f"http://127.0.0.1:{self.server_port}"
        )

    def get_request(self) -> tuple[Any, Any]:
        line, address = self.socket.accept()
        if self.tls:  # the handshake happens in the connection's own thread, with its first byte
            line = self.tls.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
        self._lines.add(line)
        return line, address

    def shutdown_request(self, request: Any) -> None:
        self._lines.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close all open connections."""
        for line in list(self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """Log nothing, because clients break connections by design."""


def forward_unchanged(call: Call, _: int) -> None:
    """Forward without a fault."""
    call.answer(*call.forward())


def add_latency(call: Call, number: int) -> None:
    """Delay each request, and drop some requests of processes that died meanwhile.

    Of those requests one in three is not forwarded, and one in three is forwarded without
    callbacks.
    """
    time.sleep(0.2)
    if not call.is_abandoned():
        call.answer(*call.forward())
    elif number % 3:
        call.forward(callbacks=number % 3 == 1)


def respond_slowly(call: Call, number: int) -> None:
    """Respond late, respond after the hub's timeout, or forward after the hub's timeout."""
    if number % 3 == 2:
        time.sleep(12)  # the hub has timed out by now, but the message is accepted
        answer = call.forward()
    else:
        answer = call.forward()
        time.sleep((3, 12)[number % 3])
    call.answer(*answer)


def break_connections(call: Call, number: int) -> None:
    """Break the connection before or after the message is accepted, some without callbacks."""
    if number % 3:
        status, _, content = call.forward(callbacks=number % 3 == 1)
        call.respond_partially(status, content)
    else:
        call.reset_connection()


def break_some_connections(call: Call, number: int) -> None:
    """Break one connection in ten."""
    (forward_unchanged if number % 10 else break_connections)(call, number // 10)


def return_rate_limits(call: Call, number: int) -> None:
    """Respond with 429, with and without Retry-After."""
    call.respond_with_error(429, 20429, retry_after="1" if number % 2 else "")


def return_server_errors(call: Call, number: int) -> None:
    """Respond with 500, before or after the message is accepted, some without callbacks."""
    if number % 3:
        call.forward(callbacks=number % 3 == 1)
    call.respond_with_error(500, 20500)
