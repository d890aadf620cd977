"""The services of Apprise: each sends one request, without files, plug-ins, logs or sleep."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.datastructures import MultiDict

from hub.app.logs import NOISY_LOGGERS
from hub.integrations.api import (
    Accepted,
    ConnectionBroken,
    Outbound,
    OutcomeUnknown,
    ProviderHttpClient,
    ProviderResponse,
)
from hub.integrations.apprise import Apprise, delivery, library
from hub.integrations.apprise.services import Service, service_of, services
from tests.integrations.http_recorder import HttpRecorder, record_requests

URL = "discord://417429632418316298/JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5"
SERVICES = list(dict.fromkeys(services().values()))
DOCS = Path(__file__).parents[2] / "docs" / "apprise.md"
# modules that can reach the network or other programs
FORBIDDEN = {
    *("asyncio", "ftplib", "http", "httpx", "paho"),
    *("smtplib", "socket", "ssl", "subprocess", "urllib3"),
}

every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.module)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


def own_server(service: Service) -> str:
    """Return the server in the example of a service that has no other hosts."""
    return (
        "" if service.hosts else service.example.partition("//")[2].rpartition("@")[2].split("/")[0]
    )


def outbound(connection: Apprise, text: str) -> Outbound:
    to = connection.destination_of(connection.settings)
    return Outbound(id="msg_1", attempt=1, to=to, text=text)


@every_service
def test_each_service_sends_a_whole_message_in_one_request(
    server: HttpRecorder, service: Service
) -> None:
    settings = {"url": service.example, "own_server": own_server(service)}
    form = Apprise.Form(MultiDict(settings))
    assert form.validate(), form.errors
    client = ProviderHttpClient(allow=[f"127.0.0.1:{server.port}"])
    connection = Apprise(settings, client, {"apprise": server.url})
    server.seen.clear()
    server.answer(200, {"success": True, "status": 1, "ok": True, "code": 0})
    message = outbound(connection, "word " * 8000)
    assert connection.send(message) == Accepted("", "sent")
    [(path, body)] = server.seen
    host = path.split("/")[2]
    assert service.allows(host, settings["own_server"])
    shown = connection.render(message)["text"]
    assert 990 < len(shown) <= 1000
    assert body.count(b"word") >= shown.count("word")
    assert b"word" not in path.encode(), "addresses end up in logs"


@every_service
def test_longest_text_is_not_above_the_limit_of_apprise(service: Service) -> None:
    instance = library.load_service(service, service.example)
    assert Apprise.max_length <= instance.body_maxlen
    assert instance.body_max_line_count == 0
    assert "://" in service.example
    assert service_of(service.example) == service


@every_service
def test_module_of_a_service_uses_nothing_but_requests(service: Service) -> None:
    spec = importlib.util.find_spec(f"apprise.plugins.{service.module}")
    assert spec
    assert spec.origin
    imported = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(str(node.module).split(".")[0])
    assert not imported & FORBIDDEN
    module = sys.modules.get(spec.name)
    assert module is None or module.requests is requests, "the library itself is not changed"


def test_refusal_of_each_kind_sends_one_request(server: HttpRecorder) -> None:
    client = ProviderHttpClient(allow=[f"127.0.0.1:{server.port}"])
    for service in SERVICES:
        settings = {"url": service.example, "own_server": own_server(service)}
        connection = Apprise(settings, client, {"apprise": server.url})
        server.seen.clear()
        server.answer(401, "")
        with pytest.raises(ConnectionBroken):
            connection.send(outbound(connection, "Hello"))
        assert len(server.seen) == 1


def test_documentation_lists_every_service() -> None:
    rows = [
        f"| {service.title} | `{service.example}` | {'yes' if service.own_server else 'no'} |"
        f" {', '.join(f'`{option}`' for option in service.options)} |"
        for service in sorted(SERVICES, key=lambda service: service.title.lower())
    ]
    table = [
        line for line in DOCS.read_text("utf-8").splitlines() if "://" in line and line[0] == "|"
    ]
    assert table == [row.replace("|  |", "| |") for row in rows]


# ── Isolation ─────────────────────────────────────────────────────────────────────────────────────
PROGRAM = """
import json, logging, os, sys
from hub import integrations
logging.basicConfig(level=logging.DEBUG)
cls = integrations.get("apprise")
connection = cls({"url": sys.argv[1]}, None)
shown = connection.render(integrations.base.Outbound("m", 1, "x", "Hello"))
early = [name for name in ("apprise", "hub.integrations.apprise.delivery") if name in sys.modules]
from hub.integrations.apprise import delivery
from hub.integrations.api import ProviderResponse
from hub.integrations.apprise.services import service_of
def send(status):
    answer = lambda *_: ProviderResponse(status, {}, b"JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5")
    return delivery.notify(service_of(sys.argv[1]), sys.argv[1], "Hello", "", answer)
send(200)
events = []
sys.addaudithook(lambda name, args: events.append(name + " " + str(args[:1])) if name in (
    "open", "os.mkdir", "os.rename", "os.remove", "socket.connect", "socket.getaddrinfo",
    "subprocess.Popen", "os.system", "import", "_thread.start_new_thread", "time.sleep") else None)
send(200)
send(429)
from apprise.manager_plugins import NotificationManager
print(json.dumps({"early": early, "events": events, "shown": shown,
                  "plugins": NotificationManager()._schema_map}))
"""


def test_library_is_loaded_late_and_touches_neither_disk_nor_logs(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, URL],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    found = json.loads(ran.stdout)
    assert found == {"early": [], "events": [], "shown": {"text": "Hello"}, "plugins": None}
    assert "JHZ7" not in ran.stderr
    assert "Hello" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_records_of_apprise_do_not_reach_the_log(
    server: HttpRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    client = ProviderHttpClient(allow=[f"127.0.0.1:{server.port}"])
    connection = Apprise({"url": URL}, client, {"apprise": server.url})
    server.answer(500, "JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5")
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.addFilter(lambda record: not record.name.startswith(NOISY_LOGGERS))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        with pytest.raises(OutcomeUnknown) as problem:
            connection.send(outbound(connection, "Hello from Anna"))
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    assert log.getvalue() == ""
    written = f"{capfd.readouterr()} {problem.value!r} {problem.value}"
    assert "JHZ7" not in written
    assert "Anna" not in written


def test_second_request_is_never_made() -> None:
    service = service_of("rockets://token@chat.example")
    made: list[str] = []

    def answer(method: str, url: str, headers: Any, body: bytes | None) -> ProviderResponse:
        made.append(url)
        signed_in = {"status": "success", "data": {"authToken": "a", "userId": "b"}}
        return ProviderResponse(200, {}, json.dumps(signed_in).encode())

    with pytest.raises(OutcomeUnknown) as problem:
        delivery.notify(
            service, "rockets://user:pass@chat.example/signing", "Hello", "chat.example", answer
        )
    assert problem.value.code == "second_request"
    assert made == ["https://chat.example/api/v1/login"]


def test_threads_do_not_mix_their_messages() -> None:
    service = service_of(URL)
    all_are_sending = threading.Barrier(8)

    def post(number: int) -> bool:
        status = 200 if number % 2 else 429
        sent: list[bytes] = []

        def answer(method: str, url: str, headers: Any, body: bytes | None) -> ProviderResponse:
            sent.append(body or b"")
            all_are_sending.wait(10)
            return ProviderResponse(status, {}, b"{}")

        response = delivery.notify(service, URL, f"Message {number}.", "", answer)
        [body] = sent
        assert response is not None
        return response.status == status and f"Message {number}." in body.decode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(post, range(80)))


class ImpatientClient(ProviderHttpClient):
    """A client that waits a fifth of a second for a response."""

    def request(self, method: str, url: str, **options: Any) -> ProviderResponse:
        return super().request(method, url, **options, read=0.2)


def test_service_that_does_not_respond_is_left_after_the_time_limit_of_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = {"url": f"gotify://{address}/Apq3xV9kLmT2wRz", "own_server": address}
        connection = Apprise(settings, ImpatientClient(allow=[address]))
        with pytest.raises(OutcomeUnknown, match="no response arrived in time"):
            connection.send(outbound(connection, "Hello"))
