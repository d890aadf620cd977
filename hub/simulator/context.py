"""State of a running simulator: settings, store, account, timeline and faults."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from hub.core.config import Config
from hub.simulator import sample_templates
from hub.simulator.account import Account
from hub.simulator.content_templates import Templates
from hub.simulator.mail.mailbox import Mailbox
from hub.simulator.mail.returns import post_to_hub
from hub.simulator.mail.server import Handler, MailServer
from hub.simulator.media import MediaFiles
from hub.simulator.posting import HubResponse
from hub.simulator.posts import Posts
from hub.simulator.receiver.webhook_log import WebhookLog
from hub.simulator.record_store import RecordStore
from hub.simulator.sendgrid.events import EventWebhook
from hub.simulator.slack.messages import Messages
from hub.simulator.slack.workspace import Workspace
from hub.simulator.store import Store
from hub.simulator.teams.workflow import Workflow
from hub.simulator.telegram.service import Telegram
from hub.simulator.timeline import Timeline
from hub.simulator.voice.calls import Calls
from hub.simulator.voice.line import Line
from hub.simulator.whatsapp import Windows

LIMITS = {"refuse": 10_000, "fail": 10_000, "per_second": 10_000, "latency_ms": 30_000}


@dataclass
class Faults:
    """Faults of all simulated APIs. They last until they are used up or the simulator restarts."""

    refuse: int = 0  # number of next requests that return 429
    fail: int = 0  # number of next requests that return 500
    per_second: int = 0  # messages above this number return 429; 0: no limit
    latency_ms: int = 0  # delay before a response to a new message
    _accepted_at: deque[float] = field(default_factory=deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def set(self, **values: int) -> None:
        """Set some of the faults. Raises ValueError for a value out of range."""
        for name, value in values.items():
            if not 0 <= value <= LIMITS[name]:
                raise ValueError(f"{name} must be from 0 to {LIMITS[name]}, not {value}.")
        with self._lock:
            for name, value in values.items():
                setattr(self, name, value)

    def use_refusal(self) -> bool:
        """Return whether to refuse this request, and count it."""
        with self._lock:
            is_left = self.refuse > 0
            self.refuse -= is_left
            return is_left

    def use_failure(self) -> bool:
        """Return whether to fail this request, and count it."""
        with self._lock:
            is_left = self.fail > 0
            self.fail -= is_left
            return is_left

    def is_rate_limited(self) -> bool:
        """Return whether a new message exceeds the limit per second."""
        if not self.per_second:
            return False
        now = time.monotonic()
        with self._lock:
            while self._accepted_at and self._accepted_at[0] <= now - 1:
                self._accepted_at.popleft()
            is_over_limit = len(self._accepted_at) >= self.per_second
            if not is_over_limit:
                self._accepted_at.append(now)
            return is_over_limit

    @property
    def latency(self) -> float:
        return self.latency_ms / 1000


class SimulatorContext:
    """State of one running simulator."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.data_dir / "simulator.db")
        self.account = Account(config.data_dir, self.store)
        self.media = MediaFiles(self.store)
        self.windows = Windows(self.store)
        self.templates = Templates(self.store)
        self.timeline = Timeline(self.store, self.account, self.media)
        self.posts = Posts(self.store)
        self.records = RecordStore(self.store)
        self.calls = Calls(self.records)
        self.line = Line(self.calls, self.account, config.public_url)
        self.slack = Workspace(self.account.credentials, self.records, config.public_url)
        self.slack_messages = Messages(self.posts, self.slack)
        self.telegram = Telegram(self.account.credentials, self.posts, self.records)
        self.teams = Workflow(self.account.credentials)
        self.webhooks = WebhookLog(self.account.credentials, self.records)
        self.faults = Faults()
        self.mailbox = Mailbox(self.posts, self.records)
        self.mail_server = MailServer(
            config.simulator_mail_bind,
            self.account.credentials,
            Handler(self.mailbox, self.store, self.faults, self.send_email_back),
            config.data_dir,
        )

        self.event_webhook = EventWebhook(self.account.credentials, config.public_url)

    def start(self) -> None:
        if not self.store.setting("templates_made", False):
            self.templates.save(*sample_templates.templates())
            self.store.set("templates_made", True)
        self.timeline.start()
        self.line.start()
        self.mail_server.start()

    def stop(self) -> None:
        self.timeline.stop()
        self.line.stop()
        self.mail_server.stop()
        self.event_webhook.stop()
        self.telegram.updates.stop()

    def send_email_back(self, content: bytes) -> HubResponse:
        """Post an email to the hub that answers one of its own."""
        return post_to_hub(self.account.credentials, self.config.public_url, content)

    def pause(self, seconds: float) -> None:
        """Wait, at most until the simulator stops."""
        if seconds:
            self.timeline.stopping.wait(seconds)

    def attach(self, app: Flask) -> None:
        app.extensions["simulator"] = self


def current_simulator() -> SimulatorContext:
    """Return the simulator of the current request."""
    return cast(SimulatorContext, current_app.extensions["simulator"])
