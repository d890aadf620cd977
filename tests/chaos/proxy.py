"""Stands between the hub and the provider, over real HTTP or HTTPS, and misbehaves as it is told.

Only requests that hand a message over are mistreated by `trouble`; lookups pass, unless they are
refused with everything else.
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
    """One kept-alive connection of the hub, and the request that is on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy
    body: bytes

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.trouble(self, next(self.server.numbers))

    def do_GET(self) -> None:
        self.body = b""
        passes(self, 0)

    # what a trouble is made of
    def forward(self, *, callbacks: bool = True) -> tuple[int, Mapping[str, str], bytes]:
        """Hand the request to the provider, perhaps without saying where it may report, and return
        its answer.
        """
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
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in HOP | {"host"}
        }
        try:
            line.request(self.command, self.path, body or None, kept)
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

    def refuse(self, status: int, code: int, retry_after: str = "") -> None:
        """Answer with an error as Twilio words it."""
        content = json.dumps({"code": code, "message": "Told to fail", "status": status}).encode()
        again = {"Retry-After": retry_after} if retry_after else {}
        self.answer(status, {"Content-Type": "application/json", **again}, content)

    def abandoned(self) -> bool:
        """Tell whether the hub's end of the connection is gone, as when its process was killed.

        Plain HTTP only.
        """
        readable, _, _ = select.select([self.connection], [], [], 0)
        with contextlib.suppress(ConnectionError):
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        return True

    def half_answer(self, status: int, content: bytes) -> None:
        """Begin an answer that never ends: the connection breaks in the middle of it."""
        self.wfile.write(
            f"HTTP/1.1 {status} OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content[: len(content) // 2]
        )
        self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            # a reset, not an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing: a table is printed."""


Trouble = Callable[[Call, int], None]


class Proxy(ThreadingHTTPServer):
    """Serves on a port of this machine; `trouble` is how new messages are treated from now on."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.provider = ""
        self.tls = tls
        self.trouble: Trouble = is_far_away if tls is None else passes
        self.numbers: Iterator[int] = itertools.count()
        self._lines: set[socket.socket] = set()
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def at(self, provider: str) -> str:
        """Stand before the provider at HOST:PORT; return the address to use instead."""
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

    def cut(self) -> None:
        """End all connections that are open."""
        for line in list(self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: who is on the other side hangs up too, by design."""


def passes(call: Call, _: int) -> None:
    """No trouble at all."""
    call.answer(*call.forward())


def is_far_away(call: Call, number: int) -> None:
    """Take a while on the way: of a request whose sender died meanwhile, one in three does not
    arrive, and one is not reported on.
    """
    time.sleep(0.2)
    if not call.abandoned():
        call.answer(*call.forward())
    elif number % 3:
        call.forward(callbacks=number % 3 == 1)


def is_slow(call: Call, number: int) -> None:
    """Be slow in three ways: late with the answer, too late for the hub, and too late even to begin
    with.
    """
    if number % 3 == 2:
        time.sleep(12)  # the hub has given up by now, and the message is taken all the same
        answer = call.forward()
    else:
        answer = call.forward()
        time.sleep((3, 12)[number % 3])
    call.answer(*answer)


def hangs_up(call: Call, number: int) -> None:
    """Break the connection: before the message is taken, or in the middle of the answer, with and
    without a callback later.
    """
    if number % 3:
        status, _, content = call.forward(callbacks=number % 3 == 1)
        call.half_answer(status, content)
    else:
        call.hang_up()


def hangs_up_at_times(call: Call, number: int) -> None:
    """Break one connection in ten."""
    (passes if number % 10 else hangs_up)(call, number // 10)


def refuses(call: Call, number: int) -> None:
    """Answer 429, with and without saying for how long."""
    call.refuse(429, 20429, retry_after="1" if number % 2 else "")


def breaks(call: Call, number: int) -> None:
    """Answer 500: without having taken the message, or having taken it, with and without a callback
    later.
    """
    if number % 3:
        call.forward(callbacks=number % 3 == 1)
    call.refuse(500, 20500)
