"""What the parts of a running simulator share: settings, store, account, timeline and the faults that were asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from hub.config import Config
from hub.simulator.account import Account
from hub.simulator.store import Store
from hub.simulator.timeline import Timeline

MOST_REFUSALS, LONGEST_LATENCY = 10_000, 30_000


@dataclass
class Faults:
    """Troubles of the whole API, until they are used up or a restart."""

    refuse: int = 0  # answer so many requests with 429
    latency_ms: int = 0  # answer to a new message after so long
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ask(self, *, refuse: int | None = None, latency_ms: int | None = None) -> None:
        """Set the faults that are given; raise ValueError when one is out of range."""
        for name, value, most in (("refuse", refuse, MOST_REFUSALS), ("latency_ms", latency_ms, LONGEST_LATENCY)):
            if value is not None and not 0 <= value <= most:
                raise ValueError(f"{name} goes from 0 to {most}, not {value}.")
        with self._lock:
            self.refuse = self.refuse if refuse is None else refuse
            self.latency_ms = self.latency_ms if latency_ms is None else latency_ms

    def refuses(self) -> bool:
        """Use up one refusal, if one is left."""
        with self._lock:
            left = self.refuse > 0
            self.refuse -= left
            return left

    @property
    def latency(self) -> float:
        return self.latency_ms / 1000


class Bench:
    """One running simulator."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.data_dir / "simulator.db")
        self.account = Account(config.data_dir, self.store)
        self.timeline = Timeline(self.store, self.account)
        self.faults = Faults()

    def start(self) -> None:
        self.timeline.start()

    def stop(self) -> None:
        self.timeline.stop()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the simulator's own end."""
        if seconds:
            self.timeline.stopping.wait(seconds)

    def attach(self, app: Flask) -> None:
        app.extensions["simulator"] = self


def bench() -> Bench:
    """Return the simulator that the current request belongs to."""
    return cast(Bench, current_app.extensions["simulator"])
