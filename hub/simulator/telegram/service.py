"""The parts of the simulated Telegram, put together."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.posts import Posts
from hub.simulator.record_store import Record, RecordStore
from hub.simulator.telegram.bot import Bot
from hub.simulator.telegram.chats import Chats
from hub.simulator.telegram.messages import Messages
from hub.simulator.telegram.updates import Updates

QUERIES = "telegram query"
MAX_PRESSES = 500
TOO_OLD = 60.0  # seconds, Telegram's limit for an answer


@dataclass(frozen=True)
class Press:
    """A button that a person pressed. It shows progress until the bot answers."""

    id: str
    who: str
    chat: int
    message: int
    text: str  # of the button
    data: str
    created: float
    answered: bool = False
    said: str = ""  # the bot's answer
    alert: bool = False

    @property
    def is_open(self) -> bool:
        return not self.answered and time.time() < self.created + TOO_OLD


class Telegram:
    """One bot and its chats."""

    def __init__(
        self, credentials: SimulatorCredentials, posts: Posts, records: RecordStore
    ) -> None:
        self._records = records
        self.bot = Bot(credentials, records)
        self.chats = Chats(self.bot, records)
        self.messages = Messages(self.bot, self.chats, posts, records)
        self.updates = Updates(records, self.bot)

    def presses(self) -> list[Press]:
        return [Press(id=name, **record) for name, record in self._records.all(QUERIES).items()]

    def save_press(self, press: Press) -> None:
        """Store a press or its new state."""
        record: Record = asdict(press)
        self._records.put(QUERIES, record.pop("id"), record)
        self._records.keep_newest(QUERIES, MAX_PRESSES)
