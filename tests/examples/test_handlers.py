"""The example package of handlers works as its page says."""

from __future__ import annotations

import sqlite3
import tomllib
from pathlib import Path

import pytest

from hub.handlers import registration
from tests.endpoints.receivers import report
from tests.handlers.handler_steps import run_due, states_of
from tests.hub_fixtures import hub_demo as hub_demo

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "handlers"
MODULE = FOLDER / "acme_handlers" / "delivery_log.py"


@pytest.fixture
def settings() -> dict[str, str]:
    return {"HUB_HANDLERS": str(MODULE)}


@pytest.mark.usefixtures("hub_demo")
def test_example_stores_each_event_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log.db"
    monkeypatch.setenv("ACME_LOG_FILE", str(file))
    registration.register()
    report("sms_delivered", test=True)
    live = report("sms_failed", test=False)
    report("opted_out", test=False)
    run_due()
    assert set(states_of("log_delivery")) == {"delivered"}
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT event_id, type FROM deliveries").fetchall() == [
            (live, "sms_failed")
        ]


def test_entry_point_of_the_example_exists() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    [module] = project["entry-points"]["hub.handlers"].values()
    assert FOLDER.joinpath(*module.split(".")).with_suffix(".py") == MODULE
