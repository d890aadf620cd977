"""A provider's web server whose responses depend on the path."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hub.lib import provider_http
from hub.lib.provider_http import ProviderHttpClient


class Page(BaseHTTPRequestHandler):
    """Respond according to the path."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str, bytes]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Page.requests.append((self.command, self.path, body))
        self.path = self.path.partition("?")[0]
        if self.path == "/hang":
            time.sleep(1)
            self.close_connection = True
        elif self.path == "/drop":
            self.close_connection = True
        elif self.path.startswith("/moved/"):
            self.send_response(int(self.path[7:]))
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/away":
            self._answer(302, b"", Location="/here")
        elif self.path == "/large":
            self._answer(200, b"x" * (provider_http.MAX_RESPONSE_SIZE + 1))
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x")
            self.close_connection = True
        elif self.path.startswith("/status/"):
            self._answer(int(self.path.rpartition("/")[2]), b"no", **{"Retry-After": "7"})
        elif self.path.startswith("/retry/"):
            self._answer(429, b"", **{"Retry-After": self.path.rpartition("/")[2]})
        else:
            self._answer(200, b"hello", **{"X-Name": "value"})

    do_POST = do_GET

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the other side had enough

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    # the tests check what happens to clients that give up
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.fixture
def url(port: int) -> str:
    Page.requests = []
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def http(port: int) -> ProviderHttpClient:
    return ProviderHttpClient(allow=[f"127.0.0.1:{port}"])
