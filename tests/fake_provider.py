"""An integration for tests, installed as a third-party package would be."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hub import integrations
from hub.integrations.api import (
    Accepted,
    Address,
    Channel,
    CheckResult,
    Integration,
    Outbound,
    OutcomeUnknown,
    Senders,
    StatusUpdate,
)


@dataclass
class FakeProvider:
    """The messages that the provider received, and its response to the next calls."""

    sent: list[Outbound] = field(default_factory=list)
    max_concurrent: int = 0
    on_send: Callable[[Outbound], Accepted] = lambda outbound: Accepted(
        f"{outbound.id}-{outbound.attempt}"
    )
    on_find: Callable[[Outbound], list[Accepted]] = lambda outbound: []
    on_fetch_status: Callable[[str], StatusUpdate] = lambda provider_id: StatusUpdate(
        provider_status="pending"
    )
    status_queries: list[str] = field(default_factory=list)
    _in_progress: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, outbound: Outbound) -> Accepted:
        """Record a message and respond as the test specifies."""
        with self._lock:
            self.sent.append(outbound)
            self._in_progress += 1
            self.max_concurrent = max(self.max_concurrent, self._in_progress)
        try:
            return self.on_send(outbound)
        finally:
            with self._lock:
                self._in_progress -= 1


class FakeChat(Integration):
    """A chat without lookups of sent messages."""

    contract = 2
    name = "fake_chat"
    title = "Fake chat"
    provider = "Fake Chat"
    summary = "Short messages over short distances."
    docs_url = "https://fake-chat.example"
    reach = "Any chat"
    cost = "Nothing"
    setup = "An account"
    channel = Channel.CHAT
    address = Address.CHAT
    event_prefix = "fake_chat"
    reports = False
    concurrency = 4
    retries = 3
    fake_provider = FakeProvider()

    def check(self) -> CheckResult:
        return CheckResult(True, "The account is active.")

    def send(self, message: Outbound) -> Accepted:
        return FakeChat.fake_provider.send(message)

    def render(self, message: Outbound) -> dict[str, Any]:
        return {"to": message.to, "text": message.text}

    @classmethod
    def clean_address(cls, address: str) -> str:
        return address.strip()


class SearchableChat(FakeChat):
    """A chat whose provider finds the messages that it received."""

    name = "searchable_chat"
    title = "Searchable chat"

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        return FakeChat.fake_provider.on_find(message)


class PollableChat(FakeChat):
    """A chat whose provider returns the status of a message."""

    name = "pollable_chat"
    reports = True
    title = "Pollable chat"

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        FakeChat.fake_provider.status_queries.append(provider_id)
        return FakeChat.fake_provider.on_fetch_status(provider_id)


class ResendingChat(FakeChat):
    """A chat that sends a message again when the outcome is unknown."""

    name = "resending_chat"
    title = "Resending chat"
    resend_unknown = True


class TeamChat(FakeChat):
    """A chat with team channels: `T…` keeps threads, and posts in `W…` cannot be edited."""

    name = "team_chat"
    title = "Team chat"
    direct_address_kind = Address.CHAT

    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        return str(settings.get("place", ""))

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        return Senders("team_chat")

    @classmethod
    def keeps_threads(cls, destination: str) -> bool:
        return destination.startswith("T")

    @classmethod
    def edits_posts(cls, destination: str) -> bool:
        return not destination.startswith("W")

    def invite(self, token: str, *, team: bool = False) -> str:
        return f"https://team-chat.example/{'group' if team else 'chat'}/{token}"


def lose_response(outbound: Outbound) -> Accepted:
    """Receive a message and lose the response."""
    raise OutcomeUnknown("The response was lost.", "response_lost")


@pytest.fixture
def fake_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """Install the package with the fake integrations and return their provider."""
    kinds = (FakeChat, SearchableChat, PollableChat, ResendingChat, TeamChat)
    install(
        tmp_path / "site", monkeypatch, {cls.name: f"{__name__}:{cls.__name__}" for cls in kinds}
    )
    FakeChat.fake_provider = FakeProvider()
    yield FakeChat.fake_provider
    monkeypatch.undo()
    integrations.registry.cache_clear()


def install(site: Path, monkeypatch: pytest.MonkeyPatch, points: dict[str, str]) -> None:
    """Add a distribution with these entry points to the path, as pip would."""
    info = site / "fake_chat-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-chat\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[hub.integrations]", *lines, ""]))
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    integrations.registry.cache_clear()
