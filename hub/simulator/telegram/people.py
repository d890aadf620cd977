"""Actions of people in the simulated Telegram: start, write, press, block, add, upgrade.

Each action creates an update.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from hub.core.quotes import quoted
from hub.simulator.posts import Post
from hub.simulator.telegram import entities
from hub.simulator.telegram.bot import USERNAME
from hub.simulator.telegram.chats import Chat, now
from hub.simulator.telegram.service import Press, Telegram

PAYLOAD = re.compile(r"[A-Za-z0-9_-]{0,64}")
TIMEOUT = 5.0  # seconds to wait for the hub's response


@dataclass(frozen=True)
class ActionResult:
    """The result of an action: its chat, its update ('' for none), and the hub's response."""

    chat: Chat
    update: str
    answer: str
    query: str = ""


def start(telegram: Telegram, person_name: str, payload: str = "") -> ActionResult:
    """Press Start in the chat with the bot, which also unblocks it. `payload` is from a
    deep link.
    """
    chat = telegram.chats.person(person_name)
    if chat.state == "kicked":
        chat = _set_state(telegram, chat, "member", person_name)
    elif chat.state == "none":
        chat = replace(chat, state="member")
        telegram.chats.save(chat)
    return write(telegram, chat, f"/start {payload}".strip())


def start_group(
    telegram: Telegram, title: str, person_name: str, payload: str = ""
) -> ActionResult:
    """Add the bot to a group, which is created if needed. `payload` is from a deep link."""
    chat = telegram.chats.find_group(title) or telegram.chats.create_group(title)
    if chat.state != "member":
        chat = _set_state(telegram, chat, "member", person_name)
    return write(telegram, chat, f"/start@{USERNAME} {payload}".strip(), person_name)


def write(telegram: Telegram, chat: Chat, text: str, person_name: str = "") -> ActionResult:
    """Write text. In groups, only commands are sent to the bot, because of its privacy mode."""
    author = chat if chat.private else telegram.chats.person(person_name)
    _check_reachable(chat)
    post = telegram.messages.add(chat, entities.plain(text), author=author)
    if not chat.private and not text.startswith("/"):
        return ActionResult(chat, "", "not sent, because bots in groups receive only commands")
    return _add_update(telegram, chat, "message", _message_json(telegram, post), str(chat.id))


def block(
    telegram: Telegram, chat: Chat, person_name: str = "", *, blocked: bool = True
) -> ActionResult:
    """Block or unblock the bot; in a group, remove it or add it again."""
    state = "kicked" if blocked else "member"
    if (chat.state == "kicked") == blocked:
        raise ValueError(
            f"{chat.name} has {'blocked the bot already' if blocked else 'not blocked the bot'}."
        )
    chat, content = _change_state(telegram, chat, state, person_name)
    return _add_update(telegram, chat, "my_chat_member", content, str(chat.id))


def press(
    telegram: Telegram, chat: Chat, button_name: str, number: int = 0, person_name: str = ""
) -> ActionResult:
    """Press a button by its text or its data, on the message `number` or the newest that has it.

    A button that an edit removed can still be pressed, because a person may see the old version.
    """
    person = chat if chat.private else telegram.chats.person(person_name)
    post, button = _find_button(telegram, chat, button_name, number)
    query = Press(
        str(secrets.randbelow(10**18)),
        person.name,
        chat.id,
        int(post.name),
        button["text"],
        button["callback_data"],
        time.time(),
    )
    telegram.save_press(query)
    content = {
        "id": query.id,
        "from": person.user,
        "message": telegram.messages.message_json(post),
        "chat_instance": str(-(chat.id * 31)),
        "data": query.data,
    }
    # presses of one person do not delay those of another
    result = _add_update(telegram, chat, "callback_query", content, f"pressed by {person.id}")
    return replace(result, query=query.id)


def upgrade(telegram: Telegram, chat: Chat, person_name: str = "") -> ActionResult:
    """Convert a group to a supergroup. Both chats get a service message."""
    supergroup = telegram.chats.upgrade(chat)
    author = telegram.chats.person(person_name)
    no_text = entities.plain("")
    old = telegram.messages.add(
        chat, no_text, author=author, service={"migrate_to_chat_id": supergroup.id}
    )
    new = telegram.messages.add(
        supergroup, no_text, author=author, service={"migrate_from_chat_id": chat.id}
    )
    telegram.updates.add("message", telegram.messages.message_json(old), str(chat.id))
    return _add_update(
        telegram, supergroup, "message", telegram.messages.message_json(new), str(supergroup.id)
    )


def valid_payload(payload: str) -> str:
    """Return the payload of a deep link, or '' if Telegram does not accept it."""
    return payload if PAYLOAD.fullmatch(payload) else ""


def _check_reachable(chat: Chat) -> None:
    if chat.moved_to:
        raise ValueError(f"{chat.name} became a supergroup. Use its new ID {chat.moved_to}.")
    if chat.state != "member":
        raise ValueError(
            f"{chat.name} has not started the bot."
            if chat.state == "none"
            else f"{chat.name} has blocked the bot."
        )


def _message_json(telegram: Telegram, post: Post) -> dict[str, Any]:
    """Return a person's message in the format of an update."""
    return telegram.messages.message_json(post)


def _set_state(telegram: Telegram, chat: Chat, state: str, person_name: str) -> Chat:
    chat, content = _change_state(telegram, chat, state, person_name)
    telegram.updates.add("my_chat_member", content, str(chat.id))
    return chat


def _change_state(
    telegram: Telegram, chat: Chat, state: str, person_name: str
) -> tuple[Chat, dict[str, Any]]:
    former_state = chat.state if chat.state != "none" else "left"
    chat = replace(chat, state=state)
    telegram.chats.save(chat)
    author = chat if chat.private else telegram.chats.person(person_name)

    def member(status: str) -> dict[str, Any]:
        return {"user": telegram.bot.user, "status": status} | (
            {"until_date": 0} if status == "kicked" else {}
        )

    return chat, {
        "chat": chat.chat_json,
        "from": author.user,
        "date": now(),
        "old_chat_member": member(former_state),
        "new_chat_member": member(state),
    }


def _find_button(
    telegram: Telegram, chat: Chat, button_name: str, number: int
) -> tuple[Post, dict[str, Any]]:
    posts = telegram.messages.with_buttons(chat, number)
    for post in posts:
        for version in [post.body["keyboard"], *reversed(post.body["history"])]:
            for button in (candidate for row in version for candidate in row):
                if (
                    button_name in (button.get("callback_data"), button["text"])
                    and "callback_data" in button
                ):
                    return post, button
    raise ValueError(f"No message in this chat has a button {quoted(button_name)}.")


def _add_update(
    telegram: Telegram, chat: Chat, kind: str, content: dict[str, Any], lane: str
) -> ActionResult:
    number = telegram.updates.add(kind, content, lane)
    return ActionResult(chat, number, telegram.updates.outcome(number, TIMEOUT))
