"""The example signing app beside a whole hub, as `make example` runs them."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import free_port, wait_until
from tests.live_hub import READY, live_hub

ROOT = Path(__file__).parents[1]
APP = ROOT / "examples" / "signing-app" / "app.py"


@dataclass
class App:
    """The running app."""

    url: str

    def get(self, path: str = "/") -> str:
        answer = requests.get(self.url + path, timeout=10)
        answer.raise_for_status()
        return answer.text

    def post(self, path: str, **fields: list[str] | str) -> str:
        """Submit a form, and return the path of the page that follows."""
        answer = requests.post(self.url + path, fields, timeout=10)
        answer.raise_for_status()
        return answer.url.removeprefix(self.url)

    def is_running(self) -> bool:
        try:
            self.get()
        except requests.ConnectionError:
            return False
        return True


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def app(tmp_path: Path, port: int) -> Iterator[App]:
    """Start the app before its hub, whose address is written to `hub-bind`."""
    hub_port = free_port()
    (tmp_path / "hub-bind").write_text(f"127.0.0.1:{hub_port}")
    environ = {
        **os.environ,
        "PORT": str(port),
        "OWN_URL": f"http://127.0.0.1:{port}",
        "SIGNPOST_URL": f"http://127.0.0.1:{hub_port}",
        "SIGNPOST_KEY_FILE": str(tmp_path / "data" / "demo-key"),
        "SIGNING_APP_DATABASE": str(tmp_path / "app" / "app.sqlite3"),
    }
    with (tmp_path / "app-log").open("wb") as log:
        process = subprocess.Popen([sys.executable, str(APP)], env=environ, stdout=log, stderr=log)
    running = App(f"http://127.0.0.1:{port}")
    try:
        wait_until(running.is_running, 20)
        yield running
    finally:
        process.terminate()
        process.wait()


def test_document_is_sent_and_signed_although_the_hub_starts_later(
    app: App, port: int, tmp_path: Path
) -> None:
    page = app.post(
        "/documents",
        title="Rental contract",
        sender="Acme HR",
        name=["Eric", "Anna"],
        mobile_number=["+13173009001", ""],
        email=["", "anna@example.com"],
    )
    assert "1 event not yet accepted by Signpost" in app.get()
    with live_hub(
        tmp_path, http_allow=f"127.0.0.1:{port}", bind=(tmp_path / "hub-bind").read_text()
    ) as hub:
        for notice in ("sms_delivered", "email_sent"):
            wait_until(lambda notice=notice: notice in app.get(page), 30)  # type: ignore[misc]
        assert "not yet accepted" not in app.get()
        eric, anna = re.findall(r'href="(/sign/[^"]+)"', app.get(page))
        app.get(eric)
        app.post(eric, decision="sign")
        app.post(eric, decision="decline")  # too late: a decision is recorded once
        app.post(anna, decision="sign")
        request_id = page.rpartition("/")[2]

        def is_completed() -> bool:
            return str(hub.call("GET", f"/requests/{request_id}")["state"]) == "completed"

        wait_until(is_completed, 20)
        signers = hub.call("GET", f"/requests/{request_id}")["signers"]
        assert [signer["state"] for signer in signers] == ["signed", "signed"]
        assert "refused" not in app.get()


def test_forged_webhook_is_rejected(app: App, tmp_path: Path) -> None:
    database = tmp_path / "app" / "app.sqlite3"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO secrets VALUES (?)", (f"whsec_{'a' * 32}",))
    answer = requests.post(f"{app.url}/webhooks", json={"id": "pev_1"}, timeout=10)
    assert answer.status_code == 401


def test_example_stays_short() -> None:
    assert len(APP.read_text().splitlines()) < 300


def test_script_stops_the_app_and_the_hub_at_sigterm(tmp_path: Path, port: int) -> None:
    environ = {
        **{name: text for name, text in os.environ.items() if not name.startswith("HUB_")},
        "PYTHONPATH": str(ROOT),
        "HUB_DATA_DIR": str(tmp_path / "data"),
        "HUB_BIND": f"127.0.0.1:{free_port()}",
        "HUB_SIMULATOR_BIND": f"127.0.0.1:{free_port()}",
        "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{free_port()}",
        "PORT": str(port),
    }
    printed = tmp_path / "printed"
    with printed.open("wb") as out:
        process = subprocess.Popen([ROOT / "bin" / "example"], env=environ, stdout=out, stderr=out)
    family: list[psutil.Process] = []
    try:
        wait_until(lambda: READY in printed.read_text(), 60)
        requests.get(f"http://127.0.0.1:{port}/", timeout=10).raise_for_status()
        output = printed.read_text()
        assert "development server" not in output
        assert "GET / HTTP" not in output
        assert "Serving Flask app" not in output
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(20) == 0, printed.read_text()
        assert [one.name() for one in psutil.wait_procs(family, timeout=5)[1]] == []
    finally:
        for one in [*family, process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
