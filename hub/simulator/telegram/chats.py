"""The people and groups of the simulated Telegram: who they are, who started the bot, who blocked
or removed it, who moved.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from hub.simulator.fault import find
from hub.simulator.record_store import Shelf
from hub.simulator.sample_people import PEOPLE
from hub.simulator.telegram import scripted_faults
from hub.simulator.telegram.bot import Bot
from hub.simulator.telegram.errors import TelegramError

KIND = "telegram chat"
TEAM = "Acme signing"


@dataclass(frozen=True)
class Chat:
    """A person's chat with the bot, or a group; `state` is the bot's: none (never started), member,
    kicked (blocked, or removed).
    """

    id: int
    type: str  # private, group, supergroup
    name: str
    state: str = "member"
    moved_to: int = 0  # the id of the supergroup that a group became

    @property
    def private(self) -> bool:
        return self.type == "private"

    @property
    def user(self) -> dict[str, Any]:
        """Write a person as the API does."""
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
    def shown(self) -> dict[str, Any]:
        """Write the chat as the API does."""
        if not self.private:
            return {"id": self.id, "title": self.name, "type": self.type}
        return {
            name: value
            for name, value in self.user.items()
            if name not in ("is_bot", "language_code")
        } | {"type": "private"}


class Chats:
    """All chats; a person who is named is there from then on."""

    def __init__(self, bot: Bot, shelf: Shelf) -> None:
        self._bot = bot
        self._shelf = shelf

    def all(self) -> list[Chat]:
        """List the groups and people there are: the team's first, then the people who are always
        there.
        """
        kept = {int(name): Chat(**record) for name, record in self._shelf.all(KIND).items()}
        always = [
            Chat(self._bot.team_chat, "supergroup", TEAM),
            *(Chat(user_id(name), "private", name, "none") for name in PEOPLE),
        ]
        return [kept.pop(one.id, one) for one in always] + list(kept.values())

    def get(self, chat_id: int) -> Chat | None:
        return next((one for one in self.all() if one.id == chat_id), None)

    def person(self, name: str) -> Chat:
        """Return the person of this name, who is here from now on."""
        known = self.get(user_id(name))
        if known is None:
            known = Chat(user_id(name), "private", name, "none")
            self.keep(known)
        return known

    def group(self, title: str) -> Chat | None:
        """Return the group of this title that messages still go to."""
        return next(
            (
                one
                for one in self.all()
                if not one.private and one.name == title and not one.moved_to
            ),
            None,
        )

    def make_group(self, title: str) -> Chat:
        chat = Chat(-self._shelf.number("telegram group", 4_000_000_001), "group", title, "none")
        self.keep(chat)
        return chat

    def keep(self, chat: Chat) -> None:
        self._shelf.put(KIND, str(chat.id), asdict(chat))

    def upgrade(self, chat: Chat) -> Chat:
        """Let a group become a supergroup with another id; raise ValueError when it is none, or
        became one before.
        """
        if chat.type != "group" or chat.moved_to:
            raise ValueError(f"{chat.name} is not a group that can be upgraded.")
        fresh = Chat(
            -int(f"100{self._shelf.number('telegram supergroup', 2_000_000_001)}"),
            "supergroup",
            chat.name,
            chat.state,
        )
        self.keep(fresh)
        self.keep(replace(chat, moved_to=fresh.id))
        return fresh

    def reached(self, given: Any) -> Chat:
        """Return the chat that `chat_id` names and the bot may write to; raise TelegramError that
        says why not.
        """
        if given in (None, ""):
            raise TelegramError(400, "Bad Request: chat_id is empty")
        try:
            chat_id = int(given)
        except (TypeError, ValueError):
            raise TelegramError(400, scripted_faults.NOT_FOUND) from None
        chat = self.get(chat_id)
        if chat is None and (
            find(scripted_faults.CHATS, str(chat_id))
            or chat_id in [one.moved_to for one in scripted_faults.CHATS]
        ):
            chat = Chat(chat_id, kind_of(chat_id), str(chat_id))
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


def kind_of(chat_id: int) -> str:
    """Return the kind of chat that has this id: supergroups' begin with -100."""
    if chat_id > 0:
        return "private"
    return "supergroup" if re.fullmatch(r"-100\d{10,}", str(chat_id)) else "group"


def user_id(name: str) -> int:
    """Return the numeric id of the person of this name."""
    return (
        int(hashlib.sha256(" ".join(name.split()).encode()).hexdigest()[:12], 16) % 9_000_000_000
        + 1_000_000_000
    )


def now() -> int:
    return int(time.time())
