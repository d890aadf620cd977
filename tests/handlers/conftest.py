"""Fixtures of the tests of handlers: a file that a test writes, and its results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.handlers.handler_steps import HandlerFile
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served
from tests.hub_fixtures import signing_app as signing_app


@pytest.fixture
def handler_file(tmp_path: Path) -> HandlerFile:
    """Return the file of HUB_HANDLERS, which does not exist yet."""
    folder = tmp_path / "own code"
    folder.mkdir()
    return HandlerFile(folder / "hooks.py")


@pytest.fixture
def settings(handler_file: HandlerFile) -> dict[str, str]:
    """Name the file, with limits that tests reach soon."""
    return {
        "HUB_HANDLERS": str(handler_file.path),
        "HUB_HANDLER_SECONDS": "2",
        "HUB_HANDLER_MB": "100",
    }
