"""The people and groups of the simulated Telegram, and the bot's state in each chat."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from hub.simulator.fault import find_fault
from hub.simulator.record_store import RecordStore
from hub.simulator.sample_people import PEOPLE
from hub.simulator.telegram import scripted_faults
from hub.simulator.telegram.bot import Bot
from hub.simulator.telegram.errors import TelegramError

KIND = "telegram chat"
TEAM = "Acme signing"


@dataclass(frozen=True)
class Chat:
    """A person's chat with the bot, or a group.

    `state` is none (the bot was never started), member, or kicked (blocked or removed).
    """

    id: int
    type: str  # private, group, supergroup
    name: str
    state: str = "member"
    moved_to: int = 0  # ID of the supergroup that this group became

    @property
    def private(self) -> bool:
        return self.type == "private"

    @property
    def user(self) -> dict[str, Any]:
        """The person in the API's format."""
        first, _, last = self.name.partition(" ")
        username = "".join(self.name.lower().split())
        return (
            {"id": self.id, "is_bot": False, "first_name": first}
            | ({"last_name": last} if last else {})
            | {
                "username": username,
                "language_code": "en",
            }
        )

    @property
    def chat_json(self) -> dict[str, Any]:
        """The chat in the API's format."""
        if not self.private:
            return {"id": self.id, "title": self.name, "type": self.type}
        return {
            name: value
            for name, value in self.user.items()
            if name not in ("is_bot", "language_code")
        } | {"type": "private"}


class Chats:
    """All chats. A requested person is created if needed."""

    def __init__(self, bot: Bot, records: RecordStore) -> None:
        self._bot = bot
        self._records = records

    def all(self) -> list[Chat]:
        """Return the groups and people: the team's group first, then the default people."""
        stored = {int(name): Chat(**record) for name, record in self._records.all(KIND).items()}
        defaults = [
            Chat(self._bot.team_chat, "supergroup", TEAM),
            *(Chat(user_id(name), "private", name, "none") for name in PEOPLE),
        ]
        return [stored.pop(chat.id, chat) for chat in defaults] + list(stored.values())

    def get(self, chat_id: int) -> Chat | None:
        return next((chat for chat in self.all() if chat.id == chat_id), None)

    def person(self, name: str) -> Chat:
        """Return the person with this name, creating them if needed."""
        chat = self.get(user_id(name))
        if chat is None:
            chat = Chat(user_id(name), "private", name, "none")
            self.save(chat)
        return chat

    def find_group(self, title: str) -> Chat | None:
        """Return the group with this title that still accepts messages."""
        return next(
            (
                chat
                for chat in self.all()
                if not chat.private and chat.name == title and not chat.moved_to
            ),
            None,
        )

    def create_group(self, title: str) -> Chat:
        chat = Chat(
            -self._records.next_number("telegram group", 4_000_000_001), "group", title, "none"
        )
        self.save(chat)
        return chat

    def save(self, chat: Chat) -> None:
        self._records.put(KIND, str(chat.id), asdict(chat))

    def upgrade(self, chat: Chat) -> Chat:
        """Convert a group to a supergroup with a new ID. Raises ValueError if that is not
        possible.
        """
        if chat.type != "group" or chat.moved_to:
            raise ValueError(f"{chat.name} is not a group that can be upgraded.")
        supergroup = Chat(
            -int(f"100{self._records.next_number('telegram supergroup', 2_000_000_001)}"),
            "supergroup",
            chat.name,
            chat.state,
        )
        self.save(supergroup)
        self.save(replace(chat, moved_to=supergroup.id))
        return supergroup

    def find_reachable(self, chat_id_param: Any) -> Chat:
        """Return the chat with an ID, if the bot may write to it. Raises TelegramError
        otherwise.
        """
        if chat_id_param in (None, ""):
            raise TelegramError(400, "Bad Request: chat_id is empty")
        try:
            chat_id = int(chat_id_param)
        except (TypeError, ValueError):
            raise TelegramError(400, scripted_faults.NOT_FOUND) from None
        chat = self.get(chat_id)
        if chat is None and (
            find_fault(scripted_faults.CHATS, str(chat_id))
            or chat_id in [fault.moved_to for fault in scripted_faults.CHATS]
        ):
            chat = Chat(chat_id, chat_type(chat_id), str(chat_id))
        if chat is None:
            raise TelegramError(400, scripted_faults.NOT_FOUND)
        if chat.moved_to:
            raise TelegramError(400, scripted_faults.UPGRADED, migrate_to_chat_id=chat.moved_to)
        if chat.state == "kicked":
            raise TelegramError(
                403,
                (
                    scripted_faults.BLOCKED
                    if chat.private
                    else f"Forbidden: bot was kicked from the {chat.type} chat"
                ),
            )
        if chat.state == "none":
            raise TelegramError(
                403,
                (
                    scripted_faults.NEVER_STARTED
                    if chat.private
                    else f"Forbidden: bot is not a member of the {chat.type} chat"
                ),
            )
        return chat


def chat_type(chat_id: int) -> str:
    """Return the kind of chat with this ID. IDs of supergroups begin with -100."""
    if chat_id > 0:
        return "private"
    return "supergroup" if re.fullmatch(r"-100\d{10,}", str(chat_id)) else "group"


def user_id(name: str) -> int:
    """Return the numeric ID of the person with this name."""
    return (
        int(hashlib.sha256(" ".join(name.split()).encode()).hexdigest()[:12], 16) % 9_000_000_000
        + 1_000_000_000
    )


def now() -> int:
    return int(time.time())
