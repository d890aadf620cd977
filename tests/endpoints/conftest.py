"""Fixtures of the tests of webhook endpoints: receivers, sources and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import free_port
from tests.endpoints.receivers import Receiver, receiving
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app

PORTS = 4


@pytest.fixture
def ports() -> list[int]:
    """Return free ports, which the application may send to."""
    return [free_port() for _ in range(PORTS)]


@pytest.fixture
def settings(ports: list[int]) -> dict[str, str]:
    """Allow requests to the receivers of this test."""
    return {"HUB_HTTP_ALLOW": ",".join(f"127.0.0.1:{port}" for port in ports)}


@pytest.fixture
def start_receiver(ports: list[int]) -> Iterator[Callable[[], Receiver]]:
    """Give a function that starts one more receiver."""
    with ExitStack() as stack:
        free = iter(ports)
        yield lambda: stack.enter_context(receiving(next(free)))


@pytest.fixture
def receiver(start_receiver: Callable[[], Receiver]) -> Receiver:
    """Start a receiver that accepts everything."""
    return start_receiver()
