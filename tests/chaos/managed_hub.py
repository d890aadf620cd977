"""A hub of real processes in its own folder, restarted as by a service manager.

The provider is `hub simulator` with a separate data folder, so that faults of the hub's disk or
clock do not affect it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from benchmarks.running import (
    ROOT,
    Crew,
    Started,
    accepts_connections,
    clean_environ,
    find_free_port,
    process_family,
    python_command,
)
from hub.core import data_dir
from hub.core.vocabulary import QUEUES
from hub.run import queue_server
from tests.chaos.oracle import HubMessages, Provider

RESTART_SECONDS = 1.0  # seconds, as systemd's RestartSec might say
MOST_RESTARTS = 15  # times, whatever the fault
PROVIDER_LATENCY = 200  # milliseconds, so that messages are on their way when something breaks
PARTS = ("queue", "web", "worker", "cron")


class FaultUnavailable(Exception):
    """A fault cannot be injected on this machine; the text explains why and what would help."""


@dataclass
class Service:
    """A part of the hub: its command and its running processes.

    A part that is `wanted` is restarted when it ends.
    """

    argv: Sequence[str]
    environ: Mapping[str, str]
    running: Started | None = None
    should_run: bool = True
    ended_at: float = 0.0
    fault_environ: dict[str, str] = field(default_factory=dict)  # environment that a fault adds


class Hub:
    """One hub and its provider.

    `provider_url` maps the address of the simulator to the URL that the hub uses.
    """

    def __init__(
        self,
        crew: Crew,
        *,
        database_url: str = "",
        provider_url: Callable[[str], str] = lambda address: f"http://{address}",
        ca_file: Path | None = None,
    ) -> None:
        self.crew = crew
        self.data_dir = crew.folder / "hub"
        self.bind, simulator_bind = (f"127.0.0.1:{find_free_port()}" for _ in range(2))
        self.url = f"http://{self.bind}"
        self.ended: Counter[str] = Counter()  # processes that ended unexpectedly
        self.simulator = self._simulator(simulator_bind)
        environ = {
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_BIND": self.bind,
            "HUB_LOG_LEVEL": "WARNING",
            "HUB_TWILIO_API_URL": provider_url(simulator_bind),
            "HUB_CA_FILE": str(ca_file or ""),
            "HUB_DATABASE_URL": database_url,
        }
        if database_url:  # a shared database requires explicit keys
            environ |= {
                "HUB_SECRET_KEY": secrets.token_hex(32),
                "HUB_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            }
        self.environ = environ
        self.services = {name: Service(python_command("hub.cli", name), environ) for name in PARTS}
        self.services["queue"].argv = queue_server.command(self.data_dir)
        self.key = self._prepare()
        for name in PARTS:
            self.start(name)
        self.wait(self._is_ready, "the hub being ready", of="web")
        self.messages = HubMessages(self.url, self.key)

    def _simulator(self, bind: str) -> Provider:
        folder = self.crew.folder / "provider"
        self.account = data_dir.simulator_credentials(folder)
        started = self.crew.start(
            "simulator",
            python_command("hub.cli", "simulator"),
            {
                "HUB_DATA_DIR": str(folder),
                "HUB_SIMULATOR_BIND": bind,
                "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{find_free_port()}",
                "HUB_LOG_LEVEL": "WARNING",
            },
        )
        self.provider_log = started.log
        self.crew.wait_for(
            lambda: accepts_connections(int(bind.rpartition(":")[2])),
            "the simulator answering",
            of=started,
        )
        provider = Provider(f"http://{bind}", self.account.account_sid, self.account.auth_token)
        provider.set_latency(PROVIDER_LATENCY)
        return provider

    def _prepare(self) -> str:
        secrets = (self.account.account_sid, self.account.auth_token, self.account.phone_number)
        process = subprocess.run(
            python_command("tests.chaos.prepare", *secrets),
            cwd=ROOT,
            env=clean_environ(self.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, f"the hub could not be prepared:\n{process.stderr[-3000:]}"
        key: str = json.loads(process.stdout.splitlines()[-1])
        return key

    # the service manager
    def start(self, name: str, **fault_environ: str) -> None:
        """Start a part and keep it running; `fault_environ` is added to its environment."""
        service = self.services[name]
        service.fault_environ = fault_environ
        self._start(name, service)

    def _start(self, name: str, service: Service) -> None:
        if name == "queue":
            queue_server.prepare(self.data_dir, wait=5)
        service.running = self.crew.start(
            name, service.argv, {**service.environ, **service.fault_environ}
        )
        service.should_run = True
        service.ended_at = 0.0

    def stop(self, name: str) -> None:
        """Stop a part and do not restart it."""
        service = self.services[name]
        service.should_run = False
        if service.running:
            self.crew.stop(service.running)
            service.running = None

    def run_for(self, seconds: float) -> None:
        """Wait, and restart parts that ended after a second."""
        until = time.monotonic() + seconds
        while True:
            for name, service in self.services.items():
                self._restart_if_ended(name, service)
            if (remaining := until - time.monotonic()) <= 0:
                return
            time.sleep(min(remaining, 0.05))

    def _restart_if_ended(self, name: str, service: Service) -> None:
        if not service.should_run:
            return
        if service.running and service.running.process.poll() is not None:
            self.crew.stop(service.running)
            self.ended[name] += 1
            assert self.ended[name] < MOST_RESTARTS, (
                f"{name} ended again and again:\n{service.running.words()}"
            )
            service.running = None
            service.ended_at = time.monotonic()
        elif service.running is None and time.monotonic() - service.ended_at >= RESTART_SECONDS:
            self._start(name, service)

    def wait(
        self, condition: Callable[[], object], subject: str, *, of: str, seconds: float = 60
    ) -> None:
        """Keep the parts running until a condition is true.

        Raises AssertionError with the last output of the part that should make it true.
        """
        until = time.monotonic() + seconds
        while not condition():
            running = self.services[of].running
            assert time.monotonic() < until, (
                f"{subject} did not happen within {seconds:.0f}"
                f" s:\n{running.words() if running else ''}"
            )
            self.run_for(0.05)

    def _is_ready(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer,
        ):
            return bool(answer.status == 200)
        return False

    # what faults lay hands on
    def redis(self) -> redis.Redis:
        """Return a client of the queue server."""
        return redis.Redis(unix_socket_path=str(data_dir.socket_path(self.data_dir)))

    def drop_wakeups(self) -> None:
        """Remove queued wake-ups from Redis, but not the registered workers."""
        with self.redis() as client:
            for queue in QUEUES:
                client.delete(f"rq:queue:{queue}")

    def processes_of(self, name: str) -> list[psutil.Process]:
        """Return the process of a part and all its descendants."""
        running = self.services[name].running
        return process_family(running.pid) if running else []

    def worker_processes(self, queue: str) -> list[psutil.Process]:
        """Return the worker of a queue and its child if it has a job; nothing at a restart."""
        for process in _children(self.processes_of("worker")):
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                # Linux keeps 15 characters of a name; a child that was adopted has the name, and no
                # session of its own
                if (
                    process.name() == f"hub worker {queue}"[:15]
                    and os.getsid(process.pid) == process.pid
                ):
                    return [process, *process.children(recursive=True)]
        return []


def _children(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return processes[0].children() if processes else []
    return []


def kill(processes: Sequence[psutil.Process]) -> int:
    """Kill processes with signal 9, and return how many there were."""
    count = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
            count += 1
    return count
