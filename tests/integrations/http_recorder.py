"""A provider's end of the wire: a server on this machine that keeps what arrives and answers what a
test tells it to.

By hand, it answers each request with the same JSON, and prints what arrives: python wire.py 9100
'{"id": "1"}'
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Wire:
    """Requests that came in, oldest first, and the next answers: status, body, headers.

    Without one the connection is dropped.
    """

    port: int = 0
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)  # of each, names in lower case
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    usual: str = ""  # what is answered when nothing else is

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
        self.answers.append(
            (status, content, {name.replace("_", "-"): value for name, value in headers.items()})
        )


@contextmanager
def listening(port: int = 0) -> Iterator[Wire]:
    """Listen on a port of this machine, on any that is free unless one is named."""
    wire = Wire()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            wire.headers.append({name.lower(): value for name, value in self.headers.items()})
            wire.seen.append(
                (self.path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            )
            if not wire.answers and not wire.usual:
                self.close_connection = True
                return
            status, content, headers = (
                wire.answers.pop(0) if wire.answers else (200, wire.usual, {})
            )
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
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


def main(port: int, usual: str) -> None:
    """Answer every request with the same text, and print what arrives, until interrupted."""
    with listening(port) as wire:
        wire.usual = usual
        told = 0
        print(f"Listening at {wire.url}", flush=True)
        while True:
            for path, body in wire.seen[told:]:
                print(path, body.decode(errors="replace"), flush=True)
                told += 1
            time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
