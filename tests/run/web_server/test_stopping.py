"""No response is lost when the web server stops, and a killed worker is replaced."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count as counter
from pathlib import Path
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

numbers = counter()
GRACEFUL = 3.0  # seconds that the server waits for requests in progress
HELD_UP = 8.0  # seconds: a slow client that is waited for takes ten


def signed_callback(app: Flask, environ: dict[str, str]) -> bytes:
    """Return a signed callback that is new to the hub."""
    form = status_form(app, f"SM{next(numbers):032}", "delivered")
    url = config_of(app).public_url + CALLBACK
    signature = RequestValidator(credentials(app).auth_token).compute_signature(url, form)
    kind = "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind, "X-Twilio-Signature": signature}
    return servers.request_bytes(environ, "POST", CALLBACK, headers, urlencode(form).encode())


@dataclass
class CallbackClient:
    """A client that posts callbacks until the server stops listening."""

    environ: dict[str, str]
    callbacks: Iterator[bytes]
    keep_alive: bool
    answered: int = 0
    cut: list[str] = field(default_factory=list)

    def run(self) -> None:
        connection = None
        for sent in self.callbacks:
            try:
                connection = connection or servers.connect(self.environ, 5)
            except OSError:
                return  # refused: the request was never sent
            try:
                connection.sendall(sent)
                answer = servers.read_response(connection)
                assert answer.status == 200, answer
                self.answered += 1
                last = answer.headers["connection"] == "close"
            except (OSError, ValueError) as problem:
                self.cut.append(repr(problem))
                last = True
            if last or not self.keep_alive:
                connection.close()
                connection = None


@pytest.mark.parametrize("round_", range(sized(long=3, short=1)))
def test_every_sent_request_is_answered_after_sigterm(
    hub_app: Flask, web_environ: dict[str, str], tmp_path: Path, round_: int
) -> None:
    before = count(ProviderCallback)
    requests = iter([signed_callback(hub_app, web_environ) for _ in range(6000)])
    with servers.running_server("hub web", web_environ, tmp_path) as process:
        clients = [
            CallbackClient(web_environ, requests, keep_alive=number % 2 == 0) for number in range(6)
        ]
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        half = signed_callback(hub_app, web_environ)
        with servers.connect(web_environ) as slow:
            slow.sendall(half[:-20])
            wait_until(lambda: sum(client.answered for client in clients) > 60, 9)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            slow.sendall(half[-20:])
            answer = servers.read_response(slow)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        for thread in threads:
            thread.join(30)
        assert process.wait(30) == 0
    cut = [problem for client in clients for problem in client.cut]
    answered = sum(client.answered for client in clients) + 1
    assert cut == []
    assert count(ProviderCallback) - before == answered


def test_idle_connections_do_not_delay_stopping(
    hub_app: Flask, web_environ: dict[str, str], tmp_path: Path
) -> None:
    with servers.running_server("hub web", web_environ, tmp_path) as process:
        idle, silent, late = (servers.connect(web_environ) for _ in range(3))
        for connection in (idle, late):
            connection.sendall(servers.request_bytes(web_environ, "GET", "/healthz"))
            assert servers.read_response(connection).headers["connection"] == "keep-alive"
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        late.sendall(servers.request_bytes(web_environ, "GET", "/healthz"))  # under way at the end
        assert servers.read_response(late).headers["connection"] == "close"
        assert process.wait(30) == 0
        assert time.monotonic() - begun < GRACEFUL
        for connection in (idle, silent, late):
            assert connection.recv(1) == b""
            connection.close()


def test_slow_clients_delay_stopping_only_briefly(
    hub_app: Flask, web_environ: dict[str, str], tmp_path: Path
) -> None:
    with servers.running_server("hub web", web_environ, tmp_path) as process:
        slow = [servers.connect(web_environ) for _ in range(15)]
        for connection in slow:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-A: ")
        time.sleep(0.3)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - begun < HELD_UP
        for connection in slow:
            connection.close()


def test_killed_worker_is_replaced(
    hub_app: Flask, web_environ: dict[str, str], tmp_path: Path
) -> None:
    with servers.running_server("hub web", web_environ, tmp_path) as process:
        parent = psutil.Process(process.pid)
        wait_until(lambda: len(parent.children()) == 2)
        killed = parent.children()[0].pid
        os.kill(killed, signal.SIGKILL)
        callback = signed_callback(hub_app, web_environ)
        assert servers.exchange(web_environ, callback).status == 200
        wait_until(lambda: killed not in {child.pid for child in parent.children()})
        wait_until(lambda: len(parent.children()) == 2)
        for _ in range(20):
            answer = servers.exchange(web_environ, signed_callback(hub_app, web_environ))
            assert answer.status == 200


def test_reset_socket_affects_no_other_client(
    hub_app: Flask, web_environ: dict[str, str], tmp_path: Path
) -> None:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # close with a reset
    with servers.running_server("hub web", web_environ, tmp_path):
        request = servers.request_bytes(web_environ, "GET", "/api/v1/openapi.json")
        for sent in (b"", b"GET", request, request[:-2], request * 20):
            for _ in range(20):
                connection = servers.connect(web_environ)
                connection.sendall(sent)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()
        health = servers.request_bytes(web_environ, "GET", "/healthz")
        for _ in range(20):
            assert servers.exchange(web_environ, health).status == 200
    assert "Traceback" not in (tmp_path / "server.log").read_text()
