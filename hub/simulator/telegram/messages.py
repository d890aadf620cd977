"""Messages of the simulated Telegram: the bot's, people's, and what the service itself notes in a
chat.
"""

from __future__ import annotations

from typing import Any

from hub.simulator.posts import Post, Posts
from hub.simulator.record_store import Shelf
from hub.simulator.telegram.bot import Bot
from hub.simulator.telegram.chats import Chat, Chats, kind_of
from hub.simulator.telegram.checks import Keyboard
from hub.simulator.telegram.entities import Formatted
from hub.simulator.telegram.errors import TelegramError

PROVIDER = "telegram"


class Messages:
    """All messages, by chat and number."""

    def __init__(self, bot: Bot, chats: Chats, posts: Posts, shelf: Shelf) -> None:
        self._bot = bot
        self._chats = chats
        self._posts = posts
        self._shelf = shelf

    def add(
        self,
        chat: Chat,
        said: Formatted,
        keyboard: Keyboard | None = None,
        *,
        by: Chat | None = None,
        answers: str = "",
        service: dict[str, Any] | None = None,
    ) -> Post:
        """Post a message `by` a person, or the bot; `answers` names the message it replies to."""
        body = {
            "text": said.text,
            "entities": said.entities,
            "html": str(said.html),
            "keyboard": keyboard or [],
            "history": [],
            "by": by.name if by else "",
            "service": service or {},
        }
        number = self._shelf.number("telegram message")
        return self._posts.add(PROVIDER, str(chat.id), str(number), body, answers)

    def get(self, chat: Chat, number: int) -> Post | None:
        return self._posts.get(PROVIDER, str(chat.id), str(number))

    def pressable(self, chat: Chat, number: int = 0) -> list[Post]:
        """List the bot's messages of a chat, newest first, or that of one number."""
        found = reversed(self._posts.listed(PROVIDER, str(chat.id)))
        return [post for post in found if not post.body["by"] and number in (0, int(post.name))]

    def mine(self, chat: Chat, number: int) -> Post:
        """Return a message that the bot may edit."""
        post = self.get(chat, number)
        if post is None:
            raise TelegramError(400, "Bad Request: message to edit not found")
        if post.body["by"] or post.body["service"]:
            raise TelegramError(400, "Bad Request: message can't be edited")
        return post

    def edit(self, post: Post, said: Formatted | None, keyboard: Keyboard) -> Post:
        """Let a message say something else, or keep its text and take other buttons."""
        fresh: dict[str, Any] = {"keyboard": keyboard}
        if said:
            fresh |= {"text": said.text, "entities": said.entities, "html": str(said.html)}
        if all(post.body[name] == value for name, value in fresh.items()):
            raise TelegramError(
                400,
                "Bad Request: message is not modified: specified new message content and reply"
                " markup are exactly the same as a current content and reply markup of the message",
            )
        return self._posts.change(
            post,
            lambda body: {**body, **fresh, "history": [*body["history"], body["keyboard"]]},
            edited=True,
        )

    def shown(self, post: Post) -> dict[str, Any]:
        """Write a message as the API does."""
        chat = self._chats.get(int(post.place)) or Chat(
            int(post.place), kind_of(int(post.place)), post.place
        )
        author = self._chats.person(post.body["by"]).user if post.body["by"] else self._bot.user
        message: dict[str, Any] = {
            "message_id": int(post.name),
            "from": author,
            "chat": chat.shown,
            "date": int(post.created),
        }
        if post.body["text"]:
            message["text"] = post.body["text"]
        if post.body["entities"]:
            message["entities"] = post.body["entities"]
        if post.body["keyboard"]:
            message["reply_markup"] = {"inline_keyboard": post.body["keyboard"]}
        if post.edits:
            message["edit_date"] = int(post.created)
        answered = self.get(chat, int(post.thread)) if post.thread else None
        if answered:
            message["reply_to_message"] = {
                name: value
                for name, value in self.shown(answered).items()
                if name != "reply_to_message"
            }
        return {**message, **post.body["service"]}
