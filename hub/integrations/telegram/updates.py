"""Read Telegram's updates: starts, stops, messages, button presses, and chats that add or remove
the bot.

https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from hub.integrations.api import (
    Address,
    ButtonPress,
    Channel,
    ChatLinked,
    ChatPermission,
    Inbound,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
    inbound_contents,
    times,
)
from hub.integrations.telegram.contents import telegram_contents

# without these, the hub misses opt-outs and buttons
NEEDED = "message", "callback_query", "my_chat_member"
WANTED = (*NEEDED, "edited_message", "message_reaction")
IN_CHATS = "message", "edited_message", "message_reaction", "my_chat_member"
IGNORED = ("channel_post", "edited_channel_post")  # what a channel says is not for us
PRIVATE = "private"
GROUPS = ("group", "supergroup")
_COMMAND = re.compile(r"/([A-Za-z0-9_]+)(?:@([A-Za-z0-9_]+))?(?:\s+(.*))?", re.DOTALL)
_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")
# as the hub knows them; a person may also write the words themselves
KEYWORDS = {"stop": "STOP", "start": "START", "help": "HELP"}
FILES = ("photo", "video", "voice", "audio", "document", "video_note", "animation")


def update_of(request: WebhookRequest) -> Mapping[str, Any]:
    """Return the update that a request holds; an empty one when it holds none."""
    return request.json


def facts_of(update: Mapping[str, Any], bot: str) -> list[WebhookEvent]:
    """Read an update that is sent to `bot`, as @name in small letters."""
    readers = {
        "message": _message,
        "edited_message": _edit,
        "message_reaction": _reaction,
        "callback_query": _press,
        "my_chat_member": _membership,
    }
    if not any(name in update for name in (*readers, *IGNORED)):
        return [Unrecognized(description=_described(update))]
    found = (read(_part(update, name), bot) for name, read in readers.items())
    facts = [fact for fact in found if fact is not None]
    nowhere = next((name for name in IN_CHATS if name in update and not _chat(update, name)), "")
    if nowhere and not facts:
        description = f"Telegram sent an update of the kind {nowhere!r} that names no chat."
        return [Unrecognized(description=description)]
    return facts


def _chat(update: Mapping[str, Any], name: str) -> str:
    """Return the id of the chat that a part of an update happened in; "" where there is none."""
    return _id(_part(_part(update, name), "chat"))


def _described(update: Mapping[str, Any]) -> str:
    """Say in a sentence what an update is that Signpost does not read."""
    kind = next((name for name in update if name != "update_id"), "")
    if not kind:
        return "Telegram sent an empty update, or a body that is not an update."
    return f"Telegram sent an update of the kind {kind[:60]!r}, which Signpost does not process."


def pressed(update: Mapping[str, Any]) -> str:
    """Return the id of the press that waits for an answer, '' when none does."""
    return _text(_part(update, "callback_query"), "id")


def data_of(update: Mapping[str, Any]) -> str:
    """Return what the pressed button holds, '' when nothing."""
    return _text(_part(update, "callback_query"), "data")


def _message(message: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    chat = _part(message, "chat")
    text = _text(message, "text")
    address = _id(chat)
    kind = _text(chat, "type")
    command, payload = _command(text, bot, named=kind != PRIVATE)
    at = _moment(message)
    if not address or (kind in GROUPS and command != "start"):
        return None  # what people in a group say to each other is not for us
    if command == "start" and _PAYLOAD.fullmatch(payload) and kind in (PRIVATE, *GROUPS):
        team = kind != PRIVATE
        name = _text(chat, "title") if team else _name(_part(message, "from"))
        return ChatLinked(at=at, token=payload, address=address, name=name, team=team)
    if kind != PRIVATE:
        return None
    written = (
        KEYWORDS.get(command)
        or text
        or _text(message, "caption")
        or next((f"({what})" for what in FILES if what in message), "")
    )
    contents = telegram_contents(message)
    if not (written or contents):
        return None  # a service message: a group that moved, a pinned post
    return Inbound(
        at=at,
        provider_id=post_id(message),
        channel=Channel.CHAT,
        senders=(bot,),
        kind=Address.CHAT,
        address=address,
        name=_name(_part(message, "from")),
        text=written,
        contents=contents,
        in_reply_to=post_id(_part(message, "reply_to_message")),
    )


def _command(text: str, bot: str, *, named: bool) -> tuple[str, str]:
    """Return a command for the bot and what follows it; "" and "" where the text is none.

    `named`: only a command that names the bot counts. In a group, others may be meant for other
    bots; the link that adds the bot to a group names it.
    """
    match = _COMMAND.fullmatch(text.strip())
    if match is None:
        return "", ""
    command, addressee, rest = match.groups()
    if addressee:
        meant = f"@{addressee}".lower() == bot
    else:
        meant = not named
    return (command.lower(), (rest or "").strip()) if meant else ("", "")


def _edit(message: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    """Read an edited message of a person.

    A location that moves is edited all the time, and says nothing new.
    """
    came = None if "location" in message else _message(message, bot)
    if not isinstance(came, Inbound):
        return None
    seconds = message.get("edit_date")
    return replace(
        came,
        at=_moment({"date": seconds}) or came.at,
        provider_id=f"{came.provider_id}@{seconds}" if came.provider_id else "",
        contents=(inbound_contents.edit(came.provider_id), *came.contents),
    )


def _reaction(change: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    """Read a reaction to one of our messages. It has no id of its own."""
    chat = _part(change, "chat")
    person = _part(change, "user")
    address = _id(chat)
    post = post_id(change)
    if not address or _text(chat, "type") != PRIVATE:
        return None
    found = change.get("new_reaction")
    marks = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    emoji = "".join(_text(one, "emoji") or f"({_text(one, 'type')})" for one in marks)
    return Inbound(
        at=_moment(change),
        channel=Channel.CHAT,
        senders=(bot,),
        kind=Address.CHAT,
        address=address,
        name=_name(person),
        contents=(inbound_contents.reaction(emoji, post),),
        in_reply_to=post,
    )


def _press(query: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    del bot
    token = _text(query, "data")
    if not _PAYLOAD.fullmatch(token):
        return None
    return ButtonPress(
        token=token, name=_name(_part(query, "from")), provider_id=post_id(_part(query, "message"))
    )


def _membership(change: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    del bot
    chat = _part(change, "chat")
    address = _id(chat)
    alone = _text(chat, "type") == PRIVATE
    allowed = MEMBERSHIPS.get(_text(_part(change, "new_chat_member"), "status"))
    if not address or allowed is None:
        return None
    return ChatPermission(
        at=_moment(change),
        allowed=allowed,
        address=address,
        kind=Address.CHAT,
        reason=REASONS[alone, allowed],
        team=not alone,
    )


def post_id(message: Mapping[str, Any]) -> str:
    """Return how a message is named here, `<chat>/<message>`; '' when it is none.

    Telegram numbers them within a chat.
    """
    chat = _id(_part(message, "chat"))
    number = message.get("message_id")
    return f"{chat}/{number}" if chat and isinstance(number, int) else ""


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = whole.get(name)
    return found if isinstance(found, dict) else {}


def _text(whole: Mapping[str, Any], name: str) -> str:
    found = whole.get(name)
    return found if isinstance(found, str) else ""


def _id(chat: Mapping[str, Any]) -> str:
    found = chat.get("id")
    return (
        str(found)
        if isinstance(found, int) and not isinstance(found, bool) and 0 < abs(found) < 2**63
        else ""
    )


def _name(person: Mapping[str, Any]) -> str:
    full = f"{_text(person, 'first_name')} {_text(person, 'last_name')}".strip()
    return full or _text(person, "username")


def _moment(whole: Mapping[str, Any]) -> datetime | None:
    return times.from_unix(whole.get("date"))


# https://core.telegram.org/bots/api#chatmember; `restricted` says too little: whether one may write
# shows when one does
MEMBERSHIPS: Mapping[str, bool] = {
    "member": True,
    "administrator": True,
    "creator": True,
    "kicked": False,
    "left": False,
}
REASONS: Mapping[tuple[bool, bool], str] = {
    (True, True): "The person started or unblocked the bot in Telegram.",
    (True, False): "The person blocked the bot in Telegram.",
    (False, True): "The bot was added to the chat in Telegram.",
    (False, False): "The bot was removed from the chat in Telegram.",
}
