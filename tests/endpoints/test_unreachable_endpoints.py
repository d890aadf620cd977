"""Errors of unreachable endpoints reveal nothing about ports and private networks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from hub.core.errors import HubError, Refused
from hub.endpoints.responses import Judgment, judge_error
from hub.endpoints.target_urls import check_url
from hub.lib.provider_http import ProviderHttpClient, host_port
from tests.conftest import free_port

SECONDS = 0.2  # for each call


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Give a stack that closes sockets after the test."""
    with ExitStack() as stack:
        yield stack


def listen(sockets: ExitStack, backlog: int = 5) -> int:
    """Open a port that accepts connections and answers nothing; return it."""
    listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=backlog))
    port: int = listener.getsockname()[1]
    return port


def filtered_port(sockets: ExitStack) -> int:
    """Open a port whose queue is full, so that the kernel drops further connections."""
    port = listen(sockets, backlog=0)
    for _ in range(4):
        connection = sockets.enter_context(socket.socket())
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
    return port


def judge(url: str, *, allowed: bool = True) -> Judgment:
    """Return the judgment of a call that fails."""
    allow = [host_port(url)] if allowed else []
    client = ProviderHttpClient(allow=allow)
    with pytest.raises(HubError) as problem:
        client.request("POST", url, body=b"{}", connect=SECONDS, read=SECONDS)
    return judge_error(problem.value)


def test_refused_filtered_and_unknown_addresses_get_the_same_sentence(sockets: ExitStack) -> None:
    urls = [
        f"http://127.0.0.1:{free_port()}/",
        f"http://127.0.0.1:{filtered_port(sockets)}/",
        "http://app.invalid:8080/",
    ]
    assert {judge(url) for url in urls} == {Judgment("Signpost could not connect to the endpoint.")}


def test_private_address_is_refused_alike_whether_its_port_is_open_or_not(
    sockets: ExitStack,
) -> None:
    problems = {
        judge(f"http://127.0.0.1:{port}/", allowed=False).problem.replace(str(port), "PORT")
        for port in (listen(sockets), free_port(), filtered_port(sockets))
    }
    assert len(problems) == 1


def test_private_url_is_refused_alike_when_it_is_entered(
    hub_demo: Flask, sockets: ExitStack
) -> None:
    problems = set()
    for port in (listen(sockets), free_port()):
        with pytest.raises(Refused) as problem:
            check_url(f"https://127.0.0.1:{port}/")
        problems.add(str(problem.value).replace(str(port), "PORT"))
    assert len(problems) == 1


def test_port_of_another_service_gives_none_of_its_answer_away(sockets: ExitStack) -> None:
    silent = judge(f"http://127.0.0.1:{listen(sockets)}/")
    assert (silent.http_status, silent.excerpt) == (None, "")
    assert silent.problem == "The endpoint did not respond completely in time."
