"""The plan of every scenario: duration, repetitions and folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import postgres
from benchmarks.hubs import Hub
from benchmarks.running import Crew


@dataclass(frozen=True)
class Plan:
    """A plan of the scenarios. `seconds` is how long each run measures after warming up.

    With `single_steps`, events have routes of one step.
    """

    folder: Path
    runs: int
    seconds: float
    quick: bool = False
    single_steps: bool = False

    @contextmanager
    def crew(self, name: str) -> Iterator[Crew]:
        """Return a folder for a scenario, with processes that end with it."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        with Crew(folder) as crew:
            yield crew

    @contextmanager
    def hub_on(self, database: str, crew: Crew, provider_url: str) -> Iterator[Hub]:
        """Return a hub on "SQLite" or on a separate "PostgreSQL" server."""
        if database == "SQLite":
            yield Hub(crew, provider_url, name="sqlite")
            return
        with postgres.run_server() as url:
            hub = Hub(
                crew,
                provider_url,
                name="postgres",
                database_url=postgres.create_database(url, "hub"),
            )
            yield hub
            for started in reversed(crew.running):
                crew.stop(started)  # before its database goes

    def each_run(self, what: str) -> Iterator[int]:
        """Yield the number of each run, and print it."""
        for run in range(self.runs):
            self.say(f"  {what}, run {run + 1} of {self.runs}")
            yield run

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
