"""The addresses that Signpost listens on, with real sockets."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hub.core.bind_address import Bind
from hub.core.errors import ConfigError
from hub.run import ports


@pytest.fixture
def listening_socket() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def bind_of(listener: socket.socket) -> Bind:
    return Bind("127.0.0.1", listener.getsockname()[1])


def test_used_address_is_refused_with_its_owner_and_a_remedy(
    listening_socket: socket.socket,
) -> None:
    bind = bind_of(listening_socket)
    with pytest.raises(ConfigError) as refused:
        ports.check_available(bind, "HUB_BIND")
    error = str(refused.value)
    assert error.startswith(f"Another program uses {bind} (")
    assert f"process {os.getpid()})" in error
    assert error.endswith(f"Stop it, or set HUB_BIND=127.0.0.1:{bind.port + 10}.")


def test_free_address_stays_free(listening_socket: socket.socket) -> None:
    bind = bind_of(listening_socket)
    listening_socket.close()
    ports.check_available(bind, "HUB_BIND")
    ports.check_available(bind, "HUB_BIND")


def test_address_that_is_freed_in_time_is_waited_for(listening_socket: socket.socket) -> None:
    threading.Timer(0.3, listening_socket.close).start()
    began = time.monotonic()
    ports.check_available(bind_of(listening_socket), "HUB_BIND", wait=5)
    assert 0.2 < time.monotonic() - began < 4


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on 203\.0\.113\.7:8000"):
        ports.check_available(Bind("203.0.113.7", 8000), "HUB_BIND")


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_web_server_is_ready_when_health_passes(status: int, ready: bool) -> None:
    checks = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            checks.append((self.path, self.headers["Host"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        bind = Bind("0.0.0.0", server.server_port)
        assert ports.is_ready(bind, "https://hub.example.com/sign") is ready
        thread.join()
    assert checks == [("/sign/readyz", "hub.example.com")]


def test_stopped_server_is_not_ready(listening_socket: socket.socket) -> None:
    bind = bind_of(listening_socket)
    assert ports.accepts_connections(bind)
    listening_socket.close()
    assert not ports.accepts_connections(bind)
    assert not ports.is_ready(bind, f"http://{bind}")
