"""State of a running simulator: settings, store, account, timeline and faults."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from hub.core.config import Config
from hub.simulator import samples
from hub.simulator.account import Account
from hub.simulator.content import Templates
from hub.simulator.media import MediaFiles
from hub.simulator.posts import Posts
from hub.simulator.record_store import Shelf
from hub.simulator.slack.messages import Messages
from hub.simulator.slack.workspace import Workspace
from hub.simulator.store import Store
from hub.simulator.teams.workflow import Workflow
from hub.simulator.telegram.service import Telegram
from hub.simulator.timeline import Timeline
from hub.simulator.whatsapp import Windows

LIMITS = {"refuse": 10_000, "fail": 10_000, "per_second": 10_000, "latency_ms": 30_000}


@dataclass
class Faults:
    """Faults of the whole API, until they are used up or the simulator restarts."""

    refuse: int = 0  # answer so many requests with 429
    fail: int = 0  # answer so many requests with 500
    per_second: int = 0  # answer 429 to new messages beyond so many a second; 0: take all
    latency_ms: int = 0  # answer to a new message after so long
    _taken: deque[float] = field(default_factory=deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ask(self, **asked: int) -> None:
        """Set the faults that are given; raise ValueError when one is out of range."""
        for name, value in asked.items():
            if not 0 <= value <= LIMITS[name]:
                raise ValueError(f"{name} must be from 0 to {LIMITS[name]}, not {value}.")
        with self._lock:
            for name, value in asked.items():
                setattr(self, name, value)

    def refuses(self) -> bool:
        """Use up one refusal, if one is left."""
        with self._lock:
            left = self.refuse > 0
            self.refuse -= left
            return left

    def fails(self) -> bool:
        """Use up one failure, if one is left."""
        with self._lock:
            left = self.fail > 0
            self.fail -= left
            return left

    def hurried(self) -> bool:
        """Tell whether a new message is one too many for this second."""
        if not self.per_second:
            return False
        moment = time.monotonic()
        with self._lock:
            while self._taken and self._taken[0] <= moment - 1:
                self._taken.popleft()
            hurried = len(self._taken) >= self.per_second
            if not hurried:
                self._taken.append(moment)
            return hurried

    @property
    def latency(self) -> float:
        return self.latency_ms / 1000


class Bench:
    """One running simulator."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.data_dir / "simulator.db")
        self.account = Account(config.data_dir, self.store)
        self.media = MediaFiles(self.store)
        self.windows = Windows(self.store)
        self.templates = Templates(self.store)
        self.timeline = Timeline(self.store, self.account, self.media)
        self.posts = Posts(self.store)
        self.shelf = Shelf(self.store)
        self.slack = Workspace(self.account.credentials, self.shelf, config.public_url)
        self.slack_messages = Messages(self.posts, self.slack)
        self.telegram = Telegram(self.account.credentials, self.posts, self.shelf)
        self.teams = Workflow(self.account.credentials)
        self.faults = Faults()

    def start(self) -> None:
        if not self.store.setting("templates_made", False):
            self.templates.keep(*samples.templates())
            self.store.set("templates_made", True)
        self.timeline.start()

    def stop(self) -> None:
        self.timeline.stop()
        self.telegram.updates.stop()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the simulator's own end."""
        if seconds:
            self.timeline.stopping.wait(seconds)

    def attach(self, app: Flask) -> None:
        app.extensions["simulator"] = self


def bench() -> Bench:
    """Return the simulator that the current request belongs to."""
    return cast(Bench, current_app.extensions["simulator"])
