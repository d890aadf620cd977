"""A running simulator, the official SDK connected to it, and a receiver of callbacks."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psutil
import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from hub.core.data_dir import SimulatorCredentials, simulator_credentials

SERVE = "from hub.core.config import load; from hub.simulator import serve; serve(load())"
START_SECONDS = 60


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class RedirectedClient(TwilioHttpClient):
    """The SDK's HTTP client, redirected to another address."""

    def __init__(self, base: str, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self.base = base

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(url)
        return super().request(
            method,
            self.base + parts.path + (f"?{parts.query}" if parts.query else ""),
            *args,
            **kwargs,
        )


@dataclass
class Simulator:
    """One simulator in a separate process."""

    folder: Path
    port: int = field(default_factory=_free_port)
    mail_port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2_000_000))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> SimulatorCredentials:
        return simulator_credentials(self.folder)

    def start(self) -> None:
        environment = os.environ | {
            "HUB_DATA_DIR": str(self.folder),
            "HUB_SIMULATOR_BIND": f"127.0.0.1:{self.port}",
            "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{self.mail_port}",
            "HUB_PUBLIC_URL": "http://127.0.0.1:8000",
        }
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, cwd=root)
        try:
            self._wait_until_serving()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, how: int = signal.SIGTERM) -> float:
        """Stop the process and return how many seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        workers = []
        if self.process.poll() is None:
            workers = psutil.Process(self.process.pid).children()
        self.process.send_signal(how)
        self.process.wait(15)
        if how == signal.SIGKILL:  # afterwards, because gunicorn replaces a worker that ends
            for worker in workers:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
        return time.monotonic() - began

    def _wait_until_serving(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError):
                if self.call("GET", "/simulator/version").status == 200:
                    return
            assert self.process.poll() is None, f"the simulator ended: {self.process.returncode}"
            assert time.monotonic() < deadline, "the simulator does not answer"
            time.sleep(0.05)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Make an HTTP request with a form body, or a JSON body if the headers say so."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None and sent.get("Content-Type") == "application/json":
            data = json.dumps(body)
        elif body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
            data = urlencode(body)
        with closing(connection):
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read().decode())

    def post_json(self, path: str, **values: Any) -> Response:
        return self.call("POST", path, values, Content_Type="application/json")

    def client(self, *, user: str = "", password: str = "", timeout: float = 5) -> Client:
        credentials = self.credentials
        http_client = RedirectedClient(self.url, timeout)
        signed_in = (
            user or credentials.account_sid,
            password or credentials.auth_token,
            credentials.account_sid,
        )
        return Client(*signed_in, http_client=http_client, environment={})

    def number(self) -> str:
        """Return a phone number without any messages."""
        return f"+1317{next(self.numbers)}"

    def received(self, to: str = "") -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.call(
            "GET", "/simulator/messages.json?" + urlencode({"to": to})
        ).json
        return messages


@dataclass
class Callback:
    url: str
    headers: dict[str, str]
    fields: dict[str, str]
    raw: bytes = b""

    @property
    def status(self) -> str:
        return self.fields.get("MessageStatus", "")


class ConcurrentServer(ThreadingHTTPServer):
    request_queue_size = 64  # with 5, simultaneous calls of many clients are refused


class Receiver:
    """A local HTTP server that records posts.

    Each status is answered with its next code in `answers`, and with 204 without one.
    """

    def __init__(self) -> None:
        self.received: list[Callback] = []
        self.answers: dict[str, list[int]] = {}
        self.twiml = b""  # what an inbound message is answered with
        self.kind = ""  # and of what type that is
        # what can be fetched here: path → type and content
        self.files: dict[str, tuple[str, bytes]] = {}
        self.requests: list[tuple[str, str]] = []  # method and path of what was fetched
        self._news = threading.Condition()
        self._server = ConcurrentServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def record(self, url: str, headers: dict[str, str], raw: bytes) -> int:
        """Record a post and return the status code of the response."""
        with self._news:
            fields = dict(parse_qsl(raw.decode(), keep_blank_values=True))
            codes = self.answers.get(fields.get("MessageStatus", "received"))
            status = 200 if self.twiml else 204
            if codes:
                status = codes.pop(0)
            self.received.append(Callback(url, headers, fields, raw))
            self._news.notify_all()
        return status

    def wait_for(self, count: int, seconds: float = 5) -> list[Callback]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.received) >= count, seconds), [
                callback.status for callback in self.received
            ]
            return list(self.received)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    """Return a request handler that passes posts to the receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            url = f"http://{self.headers['Host']}{self.path}"
            status = receiver.record(url, dict(self.headers.items()), raw)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            if receiver.kind:
                self.send_header("Content-Type", receiver.kind)
            self.send_header("Content-Length", str(len(receiver.twiml)))
            self.end_headers()
            self.wfile.write(receiver.twiml)

        def do_GET(self) -> None:
            receiver.requests.append((self.command, self.path))
            kind, content = receiver.files.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in receiver.files else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture(scope="session")
def _shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("simulator"))
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def simulator(_shared_simulator: Simulator) -> Iterator[Simulator]:
    """Return the shared simulator, with an ordinary account and no faults."""
    yield _shared_simulator
    _shared_simulator.post_json("/simulator/faults", refuse=0, fail=0, per_second=0, latency_ms=0)
    _shared_simulator.post_json("/simulator/account", type="Full", status="active")
    credentials = _shared_simulator.credentials
    number = _shared_simulator.client().incoming_phone_numbers.list(
        phone_number=credentials.phone_number
    )[0]
    number.update(sms_url="")


@pytest.fixture
def restartable_simulator(tmp_path: Path) -> Iterator[Simulator]:
    """Run a simulator for one test, which may stop and start it."""
    simulator = Simulator(tmp_path / "data")
    simulator.start()
    yield simulator
    if simulator.process is not None and simulator.process.poll() is None:
        simulator.stop(signal.SIGKILL)  # nothing must be stored, and this is faster


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return simulator.client()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def wait() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that waits until a condition is true and returns its value."""

    def poll(condition: Callable[[], Any], seconds: float = 5) -> Any:
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < deadline, "the condition did not become true in time"
            time.sleep(0.02)
        return answer

    return poll
