"""Actions of people in the simulated Telegram: start, write, press, block, add to a group, upgrade
it. Each makes an update.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from hub.simulator.posts import Post
from hub.simulator.telegram import entities
from hub.simulator.telegram.bot import USERNAME
from hub.simulator.telegram.chats import Chat, now
from hub.simulator.telegram.service import Press, Telegram

PAYLOAD = re.compile(r"[A-Za-z0-9_-]{0,64}")
PATIENCE = 5.0  # seconds that a person watches what comes of it


@dataclass(frozen=True)
class Done:
    """The result of an action: its chat, its update ('' for none), and the hub's answer."""

    chat: Chat
    update: str
    answer: str
    query: str = ""


def start(here: Telegram, who: str, payload: str = "") -> Done:
    """Press Start in the chat with the bot, through a deep link if there is a `payload`; who
    blocked it unblocks it.
    """
    chat = here.chats.person(who)
    if chat.state == "kicked":
        chat = _set_state(here, chat, "member", who)
    elif chat.state == "none":
        chat = replace(chat, state="member")
        here.chats.keep(chat)
    return write(here, chat, f"/start {payload}".strip())


def start_group(here: Telegram, title: str, who: str, payload: str = "") -> Done:
    """Add the bot to a group, made if there is none of this title, through a deep link if there is
    a `payload`.
    """
    chat = here.chats.group(title) or here.chats.make_group(title)
    if chat.state != "member":
        chat = _set_state(here, chat, "member", who)
    return write(here, chat, f"/start@{USERNAME} {payload}".strip(), who)


def write(here: Telegram, chat: Chat, text: str, who: str = "") -> Done:
    """Write a text; in a group only commands are told to the bot, as long as its privacy mode is
    on.
    """
    author = chat if chat.private else here.chats.person(who)
    _check(chat)
    post = here.messages.add(chat, entities.plain(text), by=author)
    if not chat.private and not text.startswith("/"):
        return Done(chat, "", "not sent, because bots in groups receive only commands")
    return _told(here, chat, "message", _message(here, post), str(chat.id))


def block(here: Telegram, chat: Chat, who: str = "", *, blocked: bool = True) -> Done:
    """Block the bot or unblock it; in a group, remove it or add it again."""
    state = "kicked" if blocked else "member"
    if (chat.state == "kicked") == blocked:
        raise ValueError(
            f"{chat.name} has {'blocked the bot already' if blocked else 'not blocked the bot'}."
        )
    chat, content = _changed(here, chat, state, who)
    return _told(here, chat, "my_chat_member", content, str(chat.id))


def press(here: Telegram, chat: Chat, wanted: str, number: int = 0, who: str = "") -> Done:
    """Press a button by its text or its data, of the message `number` or of the newest that has
    one.

    A button that an edit took away can still be pressed, by somebody whose screen shows the message
    as it was.
    """
    person = chat if chat.private else here.chats.person(who)
    post, button = _button(here, chat, wanted, number)
    query = Press(
        str(secrets.randbelow(10**18)),
        person.name,
        chat.id,
        int(post.name),
        button["text"],
        button["callback_data"],
        time.time(),
    )
    here.pressed(query)
    content = {
        "id": query.id,
        "from": person.user,
        "message": here.messages.shown(post),
        "chat_instance": str(-(chat.id * 31)),
        "data": query.data,
    }
    # other people's presses wait for none of this one's
    done = _told(here, chat, "callback_query", content, f"pressed by {person.id}")
    return replace(done, query=query.id)


def upgrade(here: Telegram, chat: Chat, who: str = "") -> Done:
    """Let a group become a supergroup: it goes on under another id, and both sides say so."""
    fresh = here.chats.upgrade(chat)
    author = here.chats.person(who)
    nothing = entities.plain("")
    old = here.messages.add(chat, nothing, by=author, service={"migrate_to_chat_id": fresh.id})
    new = here.messages.add(fresh, nothing, by=author, service={"migrate_from_chat_id": chat.id})
    here.updates.add("message", here.messages.shown(old), str(chat.id))
    return _told(here, fresh, "message", here.messages.shown(new), str(fresh.id))


def check_payload(payload: str) -> str:
    """Return what a deep link brings along; a text that Telegram would not take is left out."""
    return payload if PAYLOAD.fullmatch(payload) else ""


def _check(chat: Chat) -> None:
    if chat.moved_to:
        raise ValueError(f"{chat.name} became a supergroup. Use its new ID {chat.moved_to}.")
    if chat.state != "member":
        raise ValueError(
            f"{chat.name} has not started the bot."
            if chat.state == "none"
            else f"{chat.name} has blocked the bot."
        )


def _message(here: Telegram, post: Post) -> dict[str, Any]:
    """Write what a person wrote as an update does."""
    return here.messages.shown(post)


def _set_state(here: Telegram, chat: Chat, state: str, who: str) -> Chat:
    chat, content = _changed(here, chat, state, who)
    here.updates.add("my_chat_member", content, str(chat.id))
    return chat


def _changed(here: Telegram, chat: Chat, state: str, who: str) -> tuple[Chat, dict[str, Any]]:
    before = chat.state if chat.state != "none" else "left"
    chat = replace(chat, state=state)
    here.chats.keep(chat)
    author = chat if chat.private else here.chats.person(who)

    def member(status: str) -> dict[str, Any]:
        return {"user": here.bot.user, "status": status} | (
            {"until_date": 0} if status == "kicked" else {}
        )

    return chat, {
        "chat": chat.shown,
        "from": author.user,
        "date": now(),
        "old_chat_member": member(before),
        "new_chat_member": member(state),
    }


def _button(here: Telegram, chat: Chat, wanted: str, number: int) -> tuple[Post, dict[str, Any]]:
    posts = here.messages.pressable(chat, number)
    for post in posts:
        for version in [post.body["keyboard"], *reversed(post.body["history"])]:
            for button in (one for row in version for one in row):
                if (
                    wanted in (button.get("callback_data"), button["text"])
                    and "callback_data" in button
                ):
                    return post, button
    raise ValueError(f"No message in this chat has a button {wanted!r}.")


def _told(here: Telegram, chat: Chat, kind: str, content: dict[str, Any], lane: str) -> Done:
    number = here.updates.add(kind, content, lane)
    return Done(chat, number, here.updates.outcome(number, PATIENCE))
