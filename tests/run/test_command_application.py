"""The application of a command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.pool import Pool

from hub.db.engine import db
from hub.run.command_application import open_application


@pytest.fixture
def open_connections() -> Iterator[set[int]]:
    """Follow the connections to databases that are opened and closed meanwhile."""
    still_open: set[int] = set()

    def add(connection: Any, _record: object) -> None:
        still_open.add(id(connection))

    def remove(connection: Any, _record: object) -> None:
        still_open.discard(id(connection))

    event.listen(Pool, "connect", add)
    event.listen(Pool, "close", remove)
    yield still_open
    event.remove(Pool, "connect", add)
    event.remove(Pool, "close", remove)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("fails", [False, True])
def test_command_closes_its_connections(
    open_connections: set[int],
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    try:
        with open_application():
            assert db.session.scalar(text("SELECT 1")) == 1
            assert open_connections
            if fails:
                raise LookupError
    except LookupError:
        pass
    assert not open_connections
