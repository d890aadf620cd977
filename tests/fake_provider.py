"""A provider of the tests' own, made as a package of somebody else would be: it does what the loft
says.
"""

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
class Loft:
    """Messages that the pigeons carried, the next outcomes, and the loft's answers."""

    flown: list[Outbound] = field(default_factory=list)
    most_at_once: int = 0
    fly: Callable[[Outbound], Accepted] = lambda outbound: Accepted(
        f"{outbound.id}-{outbound.attempt}"
    )
    look: Callable[[Outbound], list[Accepted]] = lambda outbound: []
    ask: Callable[[str], StatusUpdate] = lambda provider_id: StatusUpdate(word="flying")
    asked: list[str] = field(default_factory=list)
    _flying: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, outbound: Outbound) -> Accepted:
        with self._lock:
            self.flown.append(outbound)
            self._flying += 1
            self.most_at_once = max(self.most_at_once, self._flying)
        try:
            return self.fly(outbound)
        finally:
            with self._lock:
                self._flying -= 1


class Pigeon(Integration):
    """Carry a message by pigeon; nobody can tell afterwards what arrived."""

    contract = 2
    name = "pigeon"
    title = "Pigeon post"
    provider = "The pigeon post"
    summary = "Short messages over short distances."
    docs_url = "https://pigeons.example"
    reach = "Any roof"
    cost = "Corn"
    setup = "A loft"
    channel = Channel.CHAT
    address = Address.CHAT
    event_prefix = "pigeon"
    reports = False
    concurrency = 4
    retries = 3
    loft = Loft()

    def check(self) -> CheckResult:
        return CheckResult(True, "The loft is open.")

    def send(self, message: Outbound) -> Accepted:
        return Pigeon.loft.send(message)

    def render(self, message: Outbound) -> dict[str, Any]:
        return {"to": message.to, "text": message.text}

    @classmethod
    def clean_address(cls, address: str) -> str:
        return address.strip()


class HomingPigeon(Pigeon):
    """Carry a message by a pigeon that comes back: the loft knows what was carried."""

    name = "homing_pigeon"
    title = "Homing pigeons"

    def find(self, message: Outbound, since: datetime) -> list[Accepted]:
        return Pigeon.loft.look(message)


class RingedPigeon(Pigeon):
    """Carry a message by a pigeon with a number on its ring: the loft can be asked where that one
    is.
    """

    name = "ringed_pigeon"
    reports = True
    title = "Ringed pigeons"

    def fetch_status(self, provider_id: str) -> StatusUpdate:
        Pigeon.loft.asked.append(provider_id)
        return Pigeon.loft.ask(provider_id)


class ManyPigeons(Pigeon):
    """Carry a message again when in doubt."""

    name = "many_pigeons"
    title = "Many pigeons"
    resend_unknown = True


class FlockOfPigeons(Pigeon):
    """Post to a roof where many look: one whose place begins with T keeps threads, one with W
    changes nothing afterwards.
    """

    name = "flock"
    title = "Flock of pigeons"
    direct_address_kind = Address.CHAT

    @classmethod
    def destination_of(cls, settings: Mapping[str, Any]) -> str:
        return str(settings.get("place", ""))

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        return Senders("flock")

    @classmethod
    def keeps_threads(cls, place: str) -> bool:
        return place.startswith("T")

    @classmethod
    def edits_posts(cls, place: str) -> bool:
        return not place.startswith("W")

    def invite(self, token: str, *, team: bool = False) -> str:
        return f"https://flock.example/{'roof' if team else 'nest'}/{token}"


def lost(outbound: Outbound) -> Accepted:
    """Fly away, and not be seen again."""
    raise OutcomeUnknown("The pigeon is not back.", "not_back")


@pytest.fixture
def loft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loft]:
    """Install the pigeons as a package that names them in the entry-point group; give their loft,
    empty.
    """
    kinds = (Pigeon, HomingPigeon, RingedPigeon, ManyPigeons, FlockOfPigeons)
    install(
        tmp_path / "site", monkeypatch, {cls.name: f"{__name__}:{cls.__name__}" for cls in kinds}
    )
    Pigeon.loft = Loft()
    yield Pigeon.loft
    monkeypatch.undo()
    integrations.registry.cache_clear()


def install(site: Path, monkeypatch: pytest.MonkeyPatch, points: dict[str, str]) -> None:
    """Put a distribution with these entry points on the path, as pip would."""
    info = site / "pigeon_post-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[hub.integrations]", *lines, ""]))
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    integrations.registry.cache_clear()
