"""A whole hub in its own folder, as `make run` starts it, and an agreement in it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from hub.core import data_dir
from tests.conftest import free_port
from tests.live_hub import split_posts
from tests.short_link_steps import expand, follow

ERIC = "+13175551234"
ANNA = "+442071234567"
RAVI = "+919876543210"


class Hub:
    """A whole hub in its own folder, as `make run` starts it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.printed = folder / "printed"
        self.address, self.phones = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HUB_", "TWILIO_"))
        }
        self.environ = {
            **environ,
            "HUB_DEMO": "1",
            "HUB_BIND": self.address[7:],
            "HUB_SIMULATOR_BIND": self.phones[7:],
            "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{free_port()}",
            "HUB_DATABASE_URL": database_url,
        }
        if database_url:  # a shared database requires explicit keys
            self.environ |= {
                "HUB_SECRET_KEY": "s" * 40,
                "HUB_ENCRYPTION_KEYS": data_dir.encryption_keys(folder / "keys"),
            }
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self.printed.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "hub.cli", "up"],
                cwd=self.folder,
                env={**self.environ, "PYTHONPATH": os.getcwd()},
                stdout=out,
                stderr=out,
            )
        self.wait(lambda: "Ctrl-C stops everything" in self.text or process.poll() is not None, 40)
        assert process.poll() is None, self.text
        return process

    @property
    def text(self) -> str:
        return self.printed.read_text()

    @property
    def key(self) -> str:
        return (self.folder / "data" / "demo-key").read_text().strip()

    def wait(self, true: Callable[[], Any], seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := true()):
            assert time.monotonic() < deadline, (
                f"not within {seconds:g} seconds; the hub says:\n{self.text[-3000:]}"
            )
            time.sleep(0.02)
        return value

    def call(self, path: str, content: Any = None, *, method: str | None = None) -> Any:
        """Call the API as the demo's signing app."""
        request = urllib.request.Request(
            self.address + "/api/v1" + path,
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def post(self, event: dict[str, Any]) -> Any:
        return split_posts(self.call("/events", event))

    def message(self, message_id: str) -> Any:
        return self.call(f"/messages/{message_id}")

    def delivered(self, message_id: str, within: float = 3) -> Any:
        """Wait until a message is delivered, and return it."""
        self.wait(lambda: self.message(message_id)["status"] == "delivered", within)
        return self.message(message_id)

    def on_phone(self, number: str) -> list[str]:
        """Return the texts that the provider accepted for a number, oldest first.

        Each short link is opened, and replaced by the URL that it redirects to.
        """
        credentials = data_dir.simulator_credentials(self.folder / "data")
        token = base64.b64encode(
            f"{credentials.account_sid}:{credentials.auth_token}".encode()
        ).decode()
        messages = f"{self.phones}/2010-04-01/Accounts/{credentials.account_sid}/Messages.json"
        url = f"{messages}?PageSize=500&To={number.replace('+', '%2B')}"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            bodies = [message["body"] for message in reversed(json.load(answer)["messages"])]
        return [expand(body, follow) for body in bodies]

    def family(self) -> list[psutil.Process]:
        return [
            psutil.Process(self.process.pid),
            *psutil.Process(self.process.pid).children(recursive=True),
        ]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, story_database: str) -> Iterator[Hub]:
    hub = Hub(tmp_path_factory.mktemp("story"), story_database)
    yield hub
    if hub.process.poll() is None:
        family = hub.family()
        hub.process.send_signal(signal.SIGINT)
        try:
            hub.process.wait(10)
        finally:
            for process in family:
                if process.is_running():
                    process.kill()


@pytest.fixture(scope="module")
def story_database(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a separate PostgreSQL database, or '' for SQLite."""
    if not postgres_url:
        yield ""
        return
    import psycopg
    from sqlalchemy import make_url

    name = make_url(postgres_url).database
    url = (
        make_url(postgres_url)
        .set(drivername="postgresql", database="postgres")
        .render_as_string(hide_password=False)
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_story")
    yield make_url(postgres_url).set(database=f"{name}_story").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}_story WITH (FORCE)")


NUMBERS = count(1)


class Agreement:
    """A signing request of one test, whose events are each one second apart."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.id = f"agr-story-{next(NUMBERS)}"
        self.title = f"Agreement {self.id}"
        self.clock = datetime.now(UTC)

    def post_event(self, kind: str, **fields: Any) -> Any:
        self.clock += timedelta(seconds=1)
        request = {"id": self.id, "title": self.title, "sender": {"name": "Acme HR"}}
        return self.hub.post(
            {"type": kind, "occurred_at": self.clock.isoformat(), "request": request, **fields}
        )

    def signer(self, name: str, number: str) -> dict[str, Any]:
        return {
            "id": name.lower(),
            "name": name,
            "mobile_number": number,
            "signing_url": self.link(name),
        }

    def link(self, name: str) -> str:
        return f"https://sign.example/r/{self.id}/{name.lower()}"

    def texts(self, number: str) -> list[str]:
        return [text for text in self.hub.on_phone(number) if self.title in text]

    def statuses(self, request: dict[str, Any]) -> dict[str, str]:
        """Return the statuses of the messages to the signers of a request, by ID."""
        return {
            message["id"]: message["status"]
            for signer in request["signers"]
            for message in signer["messages"]
        }

    def wait_until_delivered(self, answer: Any) -> None:
        for message in answer["messages"]:
            self.hub.delivered(message["id"])


@pytest.fixture
def agreement(hub: Hub) -> Agreement:
    return Agreement(hub)
