"""A provider's end of the wire: a server on this machine that keeps what arrives and answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Wire:
    """What came in, oldest first, and what is answered next: status, body, headers. Without one the connection is dropped."""

    port: int = 0
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.seen]

    def answer(self, status: int = 200, content: Any = "", **headers: str) -> None:
        """Let the next request be answered so: `content` as JSON, or a text as it is."""
        self.answers.append((status, content, {name.replace("_", "-"): value for name, value in headers.items()}))


@contextmanager
def listening() -> Iterator[Wire]:
    """Listen on a port of this machine."""
    wire = Wire()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            wire.seen.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            if not wire.answers:
                self.close_connection = True
                return
            status, content, headers = wire.answers.pop(0)
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    wire.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
