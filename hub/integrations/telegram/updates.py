"""Read Telegram's updates: messages, commands, button clicks, and chats that add or remove the bot.

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
    json_part,
    quoted,
    times,
)
from hub.integrations.telegram.contents import telegram_contents

# without these, the hub misses opt-outs and buttons
REQUIRED_UPDATES = "message", "callback_query", "my_chat_member"
ALLOWED_UPDATES = (*REQUIRED_UPDATES, "edited_message", "message_reaction")
WITH_CHAT = "message", "edited_message", "message_reaction", "my_chat_member"
IGNORED = ("channel_post", "edited_channel_post")  # posts of a channel are not for the hub
PRIVATE = "private"
GROUPS = ("group", "supergroup")
_COMMAND = re.compile(r"/([A-Za-z0-9_]+)(?:@([A-Za-z0-9_]+))?(?:\s+(.*))?", re.DOTALL)
_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")
# commands that mean the hub's keywords; people may also write the keywords
KEYWORDS = {"stop": "STOP", "start": "START", "help": "HELP"}
FILES = ("photo", "video", "voice", "audio", "document", "video_note", "animation")


def parse_update(request: WebhookRequest) -> Mapping[str, Any]:
    """Return the update in a request; {} if there is none."""
    return request.json


def parse_events(update: Mapping[str, Any], bot: str) -> list[WebhookEvent]:
    """Return the events in an update for `bot`, an @name in lower case."""
    readers = {
        "message": _read_message,
        "edited_message": _read_edit,
        "message_reaction": _read_reaction,
        "callback_query": _read_click,
        "my_chat_member": _read_membership,
    }
    if not any(name in update for name in (*readers, *IGNORED)):
        return [Unrecognized(description=_describe(update))]
    results = (read(json_part(update, name), bot) for name, read in readers.items())
    events = [event for event in results if event is not None]
    no_chat = next((name for name in WITH_CHAT if name in update and not _chat(update, name)), "")
    if no_chat and not events:
        sentence = f"Telegram sent an update of type {quoted(no_chat)} without a chat."
        return [Unrecognized(description=sentence)]
    return events


def _chat(update: Mapping[str, Any], name: str) -> str:
    """Return the ID of the chat in a part of an update, or "" if there is none."""
    return _id(json_part(update, f"{name}.chat"))


def _describe(update: Mapping[str, Any]) -> str:
    """Describe an update that Signpost does not process, in a sentence."""
    kind = next((name for name in update if name != "update_id"), "")
    if not kind:
        return "Telegram sent an empty update, or a body that is not an update."
    return (
        f"Telegram sent an update of the kind {quoted(kind[:60])}, which Signpost does not process."
    )


def click_id(update: Mapping[str, Any]) -> str:
    """Return the ID of a button click that needs a response, or '' if there is none."""
    return _text(json_part(update, "callback_query"), "id")


def clicker_language(update: Mapping[str, Any]) -> str:
    """Return the language of the person who clicked a button, or '' if it is unknown."""
    return _text(json_part(json_part(update, "callback_query"), "from"), "language_code")


def clicked_value(update: Mapping[str, Any]) -> str:
    """Return the value of the clicked button, or '' if there is none."""
    return _text(json_part(update, "callback_query"), "data")


def _read_message(message: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    chat = json_part(message, "chat")
    text = _text(message, "text")
    address = _id(chat)
    kind = _text(chat, "type")
    command, payload = _parse_command(text, bot, requires_bot_name=kind != PRIVATE)
    at = _parse_date(message)
    if not address or (kind in GROUPS and command != "start"):
        return None  # messages between members of a group are not for the hub
    if command == "start" and _PAYLOAD.fullmatch(payload) and kind in (PRIVATE, *GROUPS):
        team = kind != PRIVATE
        name = _text(chat, "title") if team else _person_name(json_part(message, "from"))
        return ChatLinked(at=at, token=payload, address=address, name=name, team=team)
    if kind != PRIVATE:
        return None
    shown_text = (
        KEYWORDS.get(command)
        or text
        or _text(message, "caption")
        or next((f"({name})" for name in FILES if name in message), "")
    )
    contents = telegram_contents(message)
    if not (shown_text or contents):
        return None  # a service message, such as a pinned post
    return Inbound(
        at=at,
        provider_id=post_id(message),
        channel=Channel.CHAT,
        senders=(bot,),
        kind=Address.CHAT,
        address=address,
        name=_person_name(json_part(message, "from")),
        text=shown_text,
        contents=contents,
        in_reply_to=post_id(json_part(message, "reply_to_message")),
    )


def _parse_command(text: str, bot: str, *, requires_bot_name: bool) -> tuple[str, str]:
    """Return a command for the bot and the text after it; "" and "" for any other text.

    With `requires_bot_name`, a command must name the bot: in a group, others may be for other bots.
    The link that adds the bot to a group names it.
    """
    match = _COMMAND.fullmatch(text.strip())
    if match is None:
        return "", ""
    command, addressee, rest = match.groups()
    is_for_bot = f"@{addressee}".lower() == bot if addressee else not requires_bot_name
    return (command.lower(), (rest or "").strip()) if is_for_bot else ("", "")


def _read_edit(message: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    """Read an edited message of a person.

    Live locations are ignored, because they are edited continually.
    """
    event = None if "location" in message else _read_message(message, bot)
    if not isinstance(event, Inbound):
        return None
    seconds = message.get("edit_date")
    return replace(
        event,
        at=_parse_date({"date": seconds}) or event.at,
        provider_id=f"{event.provider_id}@{seconds}" if event.provider_id else "",
        contents=(inbound_contents.edit(event.provider_id), *event.contents),
    )


def _read_reaction(change: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    """Read a reaction to a message of the bot. Reactions have no ID."""
    chat = json_part(change, "chat")
    person = json_part(change, "user")
    address = _id(chat)
    post = post_id(change)
    if not address or _text(chat, "type") != PRIVATE:
        return None
    new_reactions = change.get("new_reaction")
    if not isinstance(new_reactions, list):
        new_reactions = []
    reactions = [reaction for reaction in new_reactions if isinstance(reaction, dict)]
    emoji = "".join(
        _text(reaction, "emoji") or f"({_text(reaction, 'type')})" for reaction in reactions
    )
    return Inbound(
        at=_parse_date(change),
        channel=Channel.CHAT,
        senders=(bot,),
        kind=Address.CHAT,
        address=address,
        name=_person_name(person),
        contents=(inbound_contents.reaction(emoji, post),),
        in_reply_to=post,
    )


def _read_click(query: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    del bot
    token = _text(query, "data")
    if not _PAYLOAD.fullmatch(token):
        return None
    return ButtonPress(
        token=token,
        name=_person_name(json_part(query, "from")),
        provider_id=post_id(json_part(query, "message")),
    )


def _read_membership(change: Mapping[str, Any], bot: str) -> WebhookEvent | None:
    del bot
    chat = json_part(change, "chat")
    address = _id(chat)
    is_private = _text(chat, "type") == PRIVATE
    granted = MEMBERSHIPS.get(_text(json_part(change, "new_chat_member"), "status"))
    if not address or granted is None:
        return None
    return ChatPermission(
        at=_parse_date(change),
        allowed=granted,
        address=address,
        kind=Address.CHAT,
        reason=PERMISSION_REASONS[is_private, granted],
        team=not is_private,
    )


def post_id(message: Mapping[str, Any]) -> str:
    """Return the provider ID of a message, `<chat>/<message>`, or '' if it has none.

    Telegram numbers messages within a chat.
    """
    chat = _id(json_part(message, "chat"))
    number = message.get("message_id")
    return f"{chat}/{number}" if chat and isinstance(number, int) else ""


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _id(chat: Mapping[str, Any]) -> str:
    number = chat.get("id")
    is_id = isinstance(number, int) and not isinstance(number, bool) and 0 < abs(number) < 2**63
    return str(number) if is_id else ""


def _person_name(person: Mapping[str, Any]) -> str:
    full = f"{_text(person, 'first_name')} {_text(person, 'last_name')}".strip()
    return full or _text(person, "username")


def _parse_date(value: Mapping[str, Any]) -> datetime | None:
    return times.from_unix(value.get("date"))


# https://core.telegram.org/bots/api#chatmember; `restricted` is missing, because only sending a
# message shows whether it is allowed
MEMBERSHIPS: Mapping[str, bool] = {
    "member": True,
    "administrator": True,
    "creator": True,
    "kicked": False,
    "left": False,
}
PERMISSION_REASONS: Mapping[tuple[bool, bool], str] = {
    (True, True): "The person started or unblocked the bot in Telegram.",
    (True, False): "The person blocked the bot in Telegram.",
    (False, True): "The bot was added to the chat in Telegram.",
    (False, False): "The bot was removed from the chat in Telegram.",
}
