"""The parts of the simulated Telegram, put together."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.posts import Posts
from hub.simulator.record_store import Record, Shelf
from hub.simulator.telegram.bot import Bot
from hub.simulator.telegram.chats import Chats
from hub.simulator.telegram.messages import Messages
from hub.simulator.telegram.updates import Updates

QUERIES = "telegram query"
KEPT = 500
TOO_OLD = 60.0  # seconds after which a press can no longer be answered


@dataclass(frozen=True)
class Press:
    """A button that somebody pressed: it spins until the bot answers."""

    id: str
    who: str
    chat: int
    message: int
    text: str  # of the button
    data: str
    made: float
    answered: bool = False
    said: str = ""  # what the bot answered
    alert: bool = False

    @property
    def open(self) -> bool:
        return not self.answered and time.time() < self.made + TOO_OLD


class Telegram:
    """One bot, its chats, and what happens in them."""

    def __init__(self, credentials: SimulatorCredentials, posts: Posts, shelf: Shelf) -> None:
        self._shelf = shelf
        self.bot = Bot(credentials, shelf)
        self.chats = Chats(self.bot, shelf)
        self.messages = Messages(self.bot, self.chats, posts, shelf)
        self.updates = Updates(shelf, self.bot)

    def presses(self) -> list[Press]:
        return [Press(id=name, **record) for name, record in self._shelf.all(QUERIES).items()]

    def pressed(self, press: Press) -> None:
        """Keep a press, or what became of it."""
        record: Record = asdict(press)
        self._shelf.put(QUERIES, record.pop("id"), record)
        self._shelf.keep_newest(QUERIES, KEPT)
