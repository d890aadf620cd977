"""A hub to be measured: its own data folder and database, a live connection to the provider's
stand-in, and its processes.

Everything is done from outside, as an operator does it: settings in the environment, `hub
migrate`, `hub web`, `hub worker`, `hub cron`, `hub up`. Only setting up (benchmarks.prepare) and
filling the tables (benchmarks.filling) run code of the hub.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import URLError

from sqlalchemy import Engine, NullPool, create_engine, text

from benchmarks.running import (
    ROOT,
    Crew,
    Started,
    accepts_connections,
    clean_environ,
    find_free_port,
    python_command,
)
from hub.run import queue_server

EMAIL = "admin@bench.example"
PASSWORD = "a benchmark's own password"


@dataclass(frozen=True)
class Account:
    """The Twilio account of the hub's connections."""

    sid: str
    token: str


class Hub:
    """One hub. `connections` share an account and differ in their number."""

    def __init__(
        self,
        crew: Crew,
        provider_url: str,
        *,
        name: str = "hub",
        database_url: str = "",
        connections: int = 1,
    ) -> None:
        self.crew = crew
        self.name = name
        self.database_url = database_url
        self.data_dir: Path = crew.folder / name
        self.port = find_free_port()
        self.account = Account("AC" + secrets.token_hex(16), secrets.token_hex(16))
        self.environ = {
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_BIND": f"127.0.0.1:{self.port}",
            "HUB_LOG_LEVEL": "WARNING",
            "HUB_API_PER_MINUTE": "1000000",  # counted as usual, and never reached
            "HUB_TWILIO_API_URL": provider_url,
            "HUB_HTTP_ALLOW": provider_url.removeprefix("http://"),
        }
        if database_url:
            self.environ |= {
                "HUB_DATABASE_URL": database_url,
                "HUB_SECRET_KEY": secrets.token_hex(32),
                "HUB_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            }
        ready = self.run_module(
            "benchmarks.prepare",
            account=self.account.sid,
            token=self.account.token,
            connections=connections,
            email=EMAIL,
            password=PASSWORD,
        )
        self.api_key: str = ready["api_key"]
        self.connections: list[str] = ready["connections"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run_module(self, module: str, **arguments: Any) -> Any:
        """Run a module with this hub's settings in a process; return the JSON of its last line."""
        command = python_command(module, json.dumps(arguments))
        process = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environ(self.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, (
            f"{module} failed: {(process.stderr.splitlines() or [''])[-1]}\n"
            f"{process.stderr[-3000:]}"
        )
        return json.loads(process.stdout.splitlines()[-1])

    def fill(self, kind: str, count: int) -> list[Any]:
        """Write rows directly into the tables, see benchmarks.filling."""
        ids: list[Any] = self.run_module(
            "benchmarks.filling", kind=kind, count=count, connections=self.connections
        )
        return ids

    @cached_property
    def database(self) -> Engine:
        """Return an engine that reads the hub's database from outside."""
        if self.database_url:
            return create_engine(
                self.database_url.replace("postgresql://", "postgresql+psycopg://", 1),
                poolclass=NullPool,
            )
        return create_engine(
            f"sqlite:///file:{self.data_dir / 'hub.db'}?mode=ro&uri=true", poolclass=NullPool
        )

    def count(self, rows: str) -> int:
        """Count the rows of a table, with an optional WHERE clause."""
        with self.database.connect() as connection:
            return int(connection.scalar(text(f"SELECT count(*) FROM {rows}")) or 0)

    # processes
    def start_queue(self) -> Started:
        """Start the embedded queue server, as `hub up` does."""
        started = self.crew.start(
            f"{self.name}-queue", queue_server.command(self.data_dir), self.environ
        )
        self.crew.wait_for(
            lambda: queue_server.is_answering(self.data_dir), "the queue answering", of=started
        )
        return started

    def start_web(self) -> Started:
        started = self._start("web")
        # a large database is checked first, and the disk may still be writing it
        self.crew.wait_for(self._ready, "the web server answering", of=started, seconds=180)
        return started

    def start_web_beside(self, **environ: str) -> tuple[Started, int]:
        """Start another web server of this hub with more settings; return it with its port."""
        port = find_free_port()
        # the requests name the first server as their host
        bind = {"HUB_BIND": f"127.0.0.1:{port}", "HUB_PUBLIC_URL": self.url}
        settings = {**self.environ, **bind, **environ}
        started = self.crew.start(
            f"{self.name}-web-beside", python_command("hub.cli", "web"), settings
        )
        self.crew.wait_for(lambda: accepts_connections(port), "the second server", of=started)
        return started, port

    def start_worker(self, queue: str) -> Started:
        return self._start("worker", queue)

    def start_cron(self) -> Started:
        return self._start("cron")

    def start_all(self) -> Started:
        """Start everything in one process tree, and wait until it reports that it is ready."""
        started = self._start("up")
        self.crew.wait_for(
            lambda: "Ctrl-C stops everything" in started.words(40), "the hub being up", of=started
        )
        return started

    def _start(self, *arguments: str) -> Started:
        return self.crew.start(
            "-".join((self.name, *arguments)), python_command("hub.cli", *arguments), self.environ
        )

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
