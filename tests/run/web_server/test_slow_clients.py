"""Slow clients delay no other client and are disconnected after ten seconds."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import psutil
import pytest
from flask import Flask
from twilio.request_validator import RequestValidator

from hub.models import ProviderCallback
from tests import servers
from tests.conftest import config_of, wait_until
from tests.effort import sized
from tests.hub_fixtures import CALLBACK, count, credentials, status_form

EACH = sized(1000, 250)  # sockets of each kind
# seconds of one request beside slow clients: the promise, and room for a machine that runs other
# tests meanwhile; held up, it would take ten
PATIENCE = sized(1.0, 5.0)
LAST_CUT = sized(13.5, 30.0)  # seconds after which the last slow client is disconnected
POST = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
KINDS = {
    "header": (b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"a"),
    "body": (f"{POST}Content-Length: 5000\r\n\r\n".encode(), b"a"),
    "chunks": (f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode(), b"1\r\na\r\n"),
    "silent": (b"", b""),
}


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """Raise the limit of open sockets for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    file_count = len(KINDS) * EACH + 500
    if hard != resource.RLIM_INFINITY and hard < file_count:
        pytest.skip(f"needs {file_count} open files, and the system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, file_count), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class SlowClients:
    """Sockets that send one more piece every second, with the response and lifetime of each."""

    pieces: dict[int, bytes] = field(default_factory=dict)
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    begun: dict[int, float] = field(default_factory=dict)
    answers: dict[int, bytes] = field(default_factory=dict)
    lasted: dict[int, float] = field(default_factory=dict)

    def add(self, environ: dict[str, str], begin: bytes, piece: bytes) -> None:
        connection = servers.connect(environ)
        if begin:
            connection.sendall(begin)
        connection.setblocking(False)
        number = connection.fileno()
        self.sockets[number] = connection
        self.pieces[number] = piece
        self.begun[number] = time.monotonic()
        self.answers[number] = b""

    def send_pieces(self) -> None:
        for number in self.open_sockets():
            try:
                self.sockets[number].send(self.pieces[number])
            except OSError:
                pass

    def open_sockets(self) -> list[int]:
        return [number for number in self.sockets if number not in self.lasted]

    def listen(self) -> None:
        poller = select.poll()
        for number in self.open_sockets():
            poller.register(number, select.POLLIN)
        for number, _ in poller.poll(0):
            try:
                part = self.sockets[number].recv(4096)
            except OSError:
                part = b""
            self.answers[number] += part
            if not part:
                self.lasted[number] = time.monotonic() - self.begun[number]
                self.sockets[number].close()

    def close(self) -> None:
        for connection in self.sockets.values():
            connection.close()


@contextmanager
def slow_clients(environ: dict[str, str], *kinds: str, each: int = EACH) -> Iterator[SlowClients]:
    """Connect this many slow clients of each kind."""
    clients = SlowClients()
    try:
        for kind in kinds:
            for _ in range(each):
                clients.add(environ, *KINDS[kind])
        yield clients
    finally:
        clients.close()


def callback(app: Flask, number: int) -> tuple[dict[str, str], bytes]:
    form = status_form(app, f"SM{number:032}", "delivered")
    url = config_of(app).public_url + CALLBACK
    signature = RequestValidator(credentials(app).auth_token).compute_signature(url, form)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return headers, urlencode(form).encode()


def test_slow_clients_are_disconnected_after_ten_seconds_without_delaying_others(
    web: dict[str, str], hub_app: Flask
) -> None:
    slowest = 0.0
    sent = 0
    drip_at = 0.0
    with slow_clients(web, *KINDS) as slow:
        end = time.monotonic() + 40
        while slow.open_sockets() and time.monotonic() < end:
            if time.monotonic() > drip_at:
                drip_at = time.monotonic() + 1
                slow.send_pieces()
            headers, body = callback(hub_app, sent)
            begun = time.monotonic()
            request = servers.request_bytes(web, "POST", CALLBACK, headers, body)
            assert servers.exchange(web, request, 9).status == 200
            slowest = max(slowest, time.monotonic() - begun)
            sent = sent + 1
            slow.listen()
            time.sleep(0.05)
        assert slowest < PATIENCE, f"a genuine callback took {slowest:.2f} s"
        assert not slow.open_sockets(), f"{len(slow.open_sockets())} slow clients were not cut"
        assert min(slow.lasted.values()) > 9
        assert max(slow.lasted.values()) < LAST_CUT
        assert {answer[:12] for answer in slow.answers.values()} == {b"HTTP/1.1 408"}
    assert count(ProviderCallback) == sent


def test_clients_that_do_not_read_are_disconnected_without_delaying_others(
    web: dict[str, str],
) -> None:
    request = servers.request_bytes(web, "GET", "/api/v1/openapi.json")
    with ExitStack() as stack:
        deaf = set()
        for _ in range(40):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(servers.address(web))
            connection.sendall(request * 100)  # far more than the system keeps for both sides
            deaf.add(connection.getsockname()[1])
        wait_until(
            lambda: len(_open_ports(web, deaf)) == 40, 9
        )  # a busy machine accepts them slowly
        slowest = 0.0
        end = time.monotonic() + 40
        while time.monotonic() < end and _open_ports(web, deaf):
            begun = time.monotonic()
            answer = servers.exchange(web, servers.request_bytes(web, "GET", "/healthz"), 9)
            assert answer.status == 200
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.1)
        assert slowest < PATIENCE, f"a request took {slowest:.2f} s"
        assert not _open_ports(web, deaf)


def _open_ports(web: dict[str, str], ports: set[int]) -> set[int]:
    """Return the ports of these clients whose connections the server still has open."""
    port = servers.address(web)[1]
    return {
        connection.raddr.port
        for connection in psutil.net_connections("tcp")
        if connection.pid
        and connection.raddr
        and connection.laddr.port == port
        and connection.raddr.port in ports
    }


def test_slow_reader_gets_the_whole_response(web: dict[str, str]) -> None:
    request = servers.request_bytes(web, "GET", "/api/v1/openapi.json")
    expected = servers.exchange(web, request).body
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(servers.address(web))
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        read = b""
        while part := connection.recv(32 * 1024):
            read += part
            time.sleep(0.02)
    assert read.endswith(expected)


def test_incomplete_bodies_use_bounded_memory(web: dict[str, str]) -> None:
    server = psutil.Process(_master_pid(web))
    before = sum(process.memory_info().rss for process in [server, *server.children()])
    head = b"POST /api/v1/media HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(60):  # 900 MB in all
            connection = stack.enter_context(servers.connect(web))
            connection.settimeout(1)
            try:
                connection.sendall(head + bytes(15_000_000))
            except OSError:
                pass  # it had to make room
        health = servers.request_bytes(web, "GET", "/healthz")
        assert servers.exchange(web, health, PATIENCE).status == 200
        memory_growth = (
            sum(process.memory_info().rss for process in [server, *server.children()]) - before
        )
    assert memory_growth < 2 * 200 * 1024 * 1024, f"{memory_growth / 1e6:.0f} MB"


def _master_pid(environ: dict[str, str]) -> int:
    port = servers.address(environ)[1]
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            process = psutil.Process(connection.pid)
            parent = process.parent()
            is_hub = parent is not None and "hub.cli" in " ".join(parent.cmdline())
            return parent.pid if is_hub and parent is not None else process.pid
    raise AssertionError("nobody listens")
