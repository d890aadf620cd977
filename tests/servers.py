"""Run real web servers in separate processes, and send them exact bytes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

# the way that the manual of each server starts an application
COMMANDS = {
    "hub web": ["-m", "hub.cli", "web"],
    "gunicorn": ["-m", "gunicorn", "--threads", "2", "--bind", "{bind}", "wsgi:app"],
    "granian": [
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "{host}",
        "--port",
        "{port}",
        "wsgi:app",
    ],
    "waitress": ["-m", "waitress", "--listen", "{bind}", "wsgi:app"],
    "wsgiref": [
        "-c",
        "from wsgiref.simple_server import make_server; from wsgi import app; "
        "make_server('{host}', {port}, app).serve_forever()",
    ],
}


@dataclass
class Response:
    """The response of a server."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def running_server(
    name: str, environ: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on HUB_BIND until the block ends, with its output in `server.log`."""
    bind = environ["HUB_BIND"]
    host, port = bind.rsplit(":", 1)
    command = [part.format(bind=bind, host=host, port=port) for part in COMMANDS[name]]
    inherited = {
        key: text for key, text in os.environ.items() if not key.startswith(("HUB_", "TWILIO_"))
    }
    variables = {key: text for key, text in environ.items() if text}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**inherited, **variables, "PYTHONPATH": os.getcwd()},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_healthy(process, environ, folder)
        yield process
    finally:
        family = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for child in family:
            if child.is_running():
                child.kill()


def _wait_until_healthy(
    process: subprocess.Popen[bytes], environ: Mapping[str, str], folder: Path
) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, (folder / "server.log").read_text()
        try:
            if exchange(environ, request_bytes(environ, "GET", "/healthz")).status == 200:
                return
        except (OSError, ValueError):
            pass
        assert time.monotonic() < deadline, (folder / "server.log").read_text()
        time.sleep(0.05)


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the address at which the server listens."""
    host, port = environ["HUB_BIND"].rsplit(":", 1)
    return host, int(port)


def request_bytes(
    environ: Mapping[str, str],
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    version: str = "1.1",
) -> bytes:
    """Return a request with the target as given, for the host that HUB_PUBLIC_URL names."""
    host = urlsplit(environ.get("HUB_PUBLIC_URL", "")).netloc or environ["HUB_BIND"]
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}"]
    lines += [f"{name}: {text}" for name, text in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def connect(environ: Mapping[str, str], seconds: float = 10) -> socket.socket:
    """Connect to the server."""
    return socket.create_connection(address(environ), seconds)


def exchange(environ: Mapping[str, str], sent: bytes, seconds: float = 10) -> Response:
    """Send bytes on a new connection and return the response."""
    with connect(environ, seconds) as connection:
        connection.sendall(sent)
        return read_response(connection)


def read_response(connection: socket.socket, *, head_only: bool = False) -> Response:
    """Read one response, which ends with its length, its last chunk or the connection.

    Raises ValueError if the connection ends without a response.
    """
    with connection.makefile("rb", buffering=0) as stream:
        status = _line(stream)
        if not status:
            raise ValueError("The connection was closed without an answer.")
        headers = {}
        while line := _line(stream):
            name, _, text = line.partition(":")
            headers[name.lower()] = text.strip()
        code = int(status.split()[1])
        body = b"" if head_only or code in (100, 204, 304) else _body(stream, headers)
        return Response(code, headers, body)


def _line(stream: object) -> str:
    return bytes(stream.readline()).rstrip(b"\r\n").decode("latin-1")  # type: ignore[attr-defined]


def _body(stream: object, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        parts = []
        while size := int(_line(stream), 16):
            parts.append(_exactly(stream, size))
            _line(stream)
        _line(stream)
        return b"".join(parts)
    if "content-length" in headers:
        return _exactly(stream, int(headers["content-length"]))
    return bytes(stream.read())  # type: ignore[attr-defined]


def _exactly(stream: object, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = stream.read(size - len(read))  # type: ignore[attr-defined]
        assert part, f"the answer ended after {len(read)} of {size} bytes"
        read += part
    return read
