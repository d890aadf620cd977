"""A local HTTP server in place of a provider: records requests and responds as a test specifies.

`connect` makes an integration that calls it, and `outbound` a message. `form_errors` returns
the errors of settings.

To run it by hand, with one JSON answer for every request, or with several, the last one repeated.
An answer may begin with its HTTP status:
python http_recorder.py 9100 '400 {"code": 40007}' '{"id": "1"}'
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.datastructures import MultiDict

from hub.integrations.api import (
    Integration,
    Outbound,
    ProviderHttpClient,
    ServerField,
    WebhookUrlField,
)

I = TypeVar("I", bound=Integration)  # noqa: E741 - an integration

MESSAGE_ID = "msg_01a228fc-f27a-7494-9180-b9d5995e9fb5"  # as Signpost makes them


@dataclass
class HttpRecorder:
    """The received requests, oldest first, and the next answers: status, body, headers.

    Without an answer, the recorder closes the connection.
    """

    port: int = 0
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)  # of each, names in lower case
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    usual: tuple[int, Any, dict[str, str]] | None = None  # the answer when `answers` is empty

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    @property
    def bodies(self) -> list[Any]:
        """Return the JSON of each request."""
        return [json.loads(body) for _, body in self.seen]

    @property
    def forms(self) -> list[dict[str, str]]:
        """Return the fields of each request that is a form."""
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, body in self.seen]

    def answer(self, status: int = 200, content: Any = "", **headers: str) -> None:
        """Set the answer to the next request: `content` as JSON, or a text unchanged."""
        self.answers.append(
            (status, content, {name.replace("_", "-"): value for name, value in headers.items()})
        )


@contextmanager
def record_requests(port: int = 0) -> Iterator[HttpRecorder]:
    """Record requests to a port of this machine, any free one by default."""
    recorder = HttpRecorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            recorder.headers.append({name.lower(): value for name, value in self.headers.items()})
            recorder.seen.append(
                (self.path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            )
            answer = recorder.answers.pop(0) if recorder.answers else recorder.usual
            if answer is None:
                self.close_connection = True
                return
            status, content, headers = answer
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
    recorder.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def http_recorder() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


def connect(cls: type[I], url: str, settings: Mapping[str, Any]) -> I:
    """Return an integration whose requests reach a server at `url` instead of the provider.

    It stands in for the addresses in `api`, in a ServerField and in a WebhookUrlField.
    """
    moved = dict(settings)
    for setting in cls.Form():
        entered = str(settings.get(setting.name) or "")
        is_replaced = entered.startswith(tuple(cls.api.values()))
        if isinstance(setting, ServerField | WebhookUrlField) and entered and not is_replaced:
            moved[setting.name] = url + urlsplit(entered).path
    http = ProviderHttpClient(allow=[urlsplit(url).netloc])
    return cls(moved, http, dict.fromkeys(cls.api, url))


def form_errors(cls: type[Integration], settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the errors of a form that an admin filled with these settings, by setting."""
    form = cls.Form(MultiDict(settings))
    return (
        {} if form.validate() else {str(name): list(texts) for name, texts in form.errors.items()}
    )


def outbound(to: str | Integration, text: str = "Anna has signed.", **more: Any) -> Outbound:
    """Return a message to an address, or to the channel of a connection."""
    address = to.destination_of(to.settings) if isinstance(to, Integration) else to
    return Outbound(id=MESSAGE_ID, attempt=1, to=address, text=text, **more)


def read_answer(text: str) -> tuple[int, str, dict[str, str]]:
    """Return the HTTP status and the content of an answer such as `400 {"code": 40007}`."""
    match = re.fullmatch(r"([1-5][0-9]{2})(?: (.*))?", text, re.DOTALL)
    return (int(match[1]), match[2] or "", {}) if match else (200, text, {})


def main(port: int, answers: list[str]) -> None:
    """Give each request the next answer, and print what arrives, until interrupted."""
    with record_requests(port) as recorder:
        *first, recorder.usual = map(read_answer, answers)
        recorder.answers.extend(first)
        printed = 0
        print(f"Listening at {recorder.url}", flush=True)
        while True:
            for path, body in recorder.seen[printed:]:
                print(path, body.decode(errors="replace"), flush=True)
                printed += 1
            time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
