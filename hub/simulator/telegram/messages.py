"""Messages of the simulated Telegram: from the bot, from people, and service messages."""

from __future__ import annotations

from typing import Any

from hub.simulator.posts import Post, Posts
from hub.simulator.record_store import RecordStore
from hub.simulator.telegram.bot import Bot
from hub.simulator.telegram.chats import Chat, Chats, chat_type
from hub.simulator.telegram.checks import Keyboard
from hub.simulator.telegram.entities import Formatted
from hub.simulator.telegram.errors import TelegramError

PROVIDER = "telegram"


class Messages:
    """All messages, by chat and number."""

    def __init__(self, bot: Bot, chats: Chats, posts: Posts, records: RecordStore) -> None:
        self._bot = bot
        self._chats = chats
        self._posts = posts
        self._records = records

    def add(
        self,
        chat: Chat,
        formatted: Formatted,
        keyboard: Keyboard | None = None,
        *,
        author: Chat | None = None,
        reply_to: str = "",
        service: dict[str, Any] | None = None,
    ) -> Post:
        """Post a message from a person or the bot. `reply_to` is the number of the original
        message.
        """
        body = {
            "text": formatted.text,
            "entities": formatted.entities,
            "html": str(formatted.html),
            "keyboard": keyboard or [],
            "history": [],
            "by": author.name if author else "",
            "service": service or {},
        }
        number = self._records.next_number("telegram message")
        return self._posts.add(PROVIDER, str(chat.id), str(number), body, reply_to)

    def get(self, chat: Chat, number: int) -> Post | None:
        return self._posts.get(PROVIDER, str(chat.id), str(number))

    def with_buttons(self, chat: Chat, number: int = 0) -> list[Post]:
        """Return the bot's messages in a chat, newest first, or the one with a number."""
        posts = reversed(self._posts.list_posts(PROVIDER, str(chat.id)))
        return [post for post in posts if not post.body["by"] and number in (0, int(post.name))]

    def editable(self, chat: Chat, number: int) -> Post:
        """Return a message that the bot may edit."""
        post = self.get(chat, number)
        if post is None:
            raise TelegramError(400, "Bad Request: message to edit not found")
        if post.body["by"] or post.body["service"]:
            raise TelegramError(400, "Bad Request: message can't be edited")
        return post

    def edit(self, post: Post, formatted: Formatted | None, keyboard: Keyboard) -> Post:
        """Replace a message's text and buttons, or only its buttons."""
        changes: dict[str, Any] = {"keyboard": keyboard}
        if formatted:
            changes |= {
                "text": formatted.text,
                "entities": formatted.entities,
                "html": str(formatted.html),
            }
        if all(post.body[name] == value for name, value in changes.items()):
            raise TelegramError(
                400,
                "Bad Request: message is not modified: specified new message content and reply"
                " markup are exactly the same as a current content and reply markup of the message",
            )
        return self._posts.change(
            post,
            lambda body: {**body, **changes, "history": [*body["history"], body["keyboard"]]},
            edited=True,
        )

    def message_json(self, post: Post) -> dict[str, Any]:
        """Return a message in the API's format."""
        chat = self._chats.get(int(post.destination)) or Chat(
            int(post.destination), chat_type(int(post.destination)), post.destination
        )
        author = self._chats.person(post.body["by"]).user if post.body["by"] else self._bot.user
        message: dict[str, Any] = {
            "message_id": int(post.name),
            "from": author,
            "chat": chat.chat_json,
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
        original = self.get(chat, int(post.thread)) if post.thread else None
        if original:
            message["reply_to_message"] = {
                name: value
                for name, value in self.message_json(original).items()
                if name != "reply_to_message"
            }
        return {**message, **post.body["service"]}
