"""Chats and tokens that make the simulated Telegram misbehave, as data: what it does and what its
page says.

A group's id is below zero. Wordings: https://core.telegram.org/bots/api and the source of its
server, tdlib/telegram-bot-api.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.simulator.fault import Trouble

BLOCKED = "Forbidden: bot was blocked by the user"
NEVER_STARTED = "Forbidden: bot can't initiate conversation with a user"
NOT_FOUND = "Bad Request: chat not found"
UPGRADED = "Bad Request: group chat was upgraded to a supergroup chat"


@dataclass(frozen=True)
class Chat(Trouble):
    """A chat that answers so."""

    formatted: bool = False  # to a text with parse_mode only
    moved_to: int = 0  # the group's new id, which takes messages


CHATS = (
    Chat("99940001", NOT_FOUND, "Nobody has this id, or never met the bot", 400),
    Chat("99940002", "Bad Request: chat_id is empty", "Telegram sees no chat_id", 400),
    Chat("99940003", "Bad Request: private chat not found", "The person's chat is gone", 400),
    Chat("99940004", "Bad Request: message text is empty", "Telegram sees no text", 400),
    Chat("99940005", "Bad Request: message is too long", "Telegram finds the text too long", 400),
    Chat(
        "99940006",
        'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0',
        "Takes plain text only",
        400,
        formatted=True,
    ),
    Chat(
        "99940007",
        "Bad Request: Wrong HTTP URL specified",
        "Telegram finds fault with a button's address",
        400,
    ),
    Chat("99940008", "Bad Request: reply markup is too long", "Too many buttons", 400),
    Chat(
        "99940009",
        "Bad Request: BUTTON_DATA_INVALID",
        "Telegram finds fault with a button's data",
        400,
    ),
    Chat(
        "-99940010",
        "Bad Request: not enough rights to send text messages to the chat",
        "The group lets the bot read only",
        400,
    ),
    Chat("-99940011", UPGRADED, "The group goes on as -10099940011", 400, moved_to=-10099940011),
    Chat("99940301", BLOCKED, "The person blocked the bot", 403),
    Chat("99940302", "Forbidden: user is deactivated", "The account was deleted", 403),
    Chat("-99940303", "Forbidden: bot was kicked from the group chat", "The bot was removed", 403),
    Chat(
        "-10099940304",
        "Forbidden: bot was kicked from the supergroup chat",
        "The bot was removed",
        403,
    ),
    Chat(
        "-10099940305",
        "Forbidden: bot was kicked from the channel chat",
        "The bot was removed",
        403,
    ),
    Chat("-10099940012", "Bad Request: TOPIC_CLOSED", "The group's topic is closed", 400),
    Chat(
        "-10099940013",
        "Bad Request: message thread not found",
        "The group's topic was deleted",
        400,
    ),
    Chat(
        "-10099940014",
        "Bad Request: SOMETHING_NEW",
        "Telegram refuses in words that nobody knows",
        400,
    ),
    Chat("-99940306", "Forbidden: the group chat was deleted", "The group is gone", 403),
    Chat("99940307", NEVER_STARTED, "The person never pressed Start", 403),
    Chat(
        "99940901",
        "Conflict: terminated by other getUpdates request",
        "Another program uses the bot's token",
        409,
    ),
    Chat("99942901", "Too Many Requests: retry after 1", "Too fast, retry_after 1", 429, once=True),
    Chat("99950001", "Internal Server Error", "Telegram stumbles", 500, once=True),
    Chat("99950201", "Bad Gateway", "Telegram is away", 502, once=True),
    Chat("99950401", "Gateway Timeout", "Telegram is away", 504, once=True),
    Chat("99950090", "Internal Server Error", "Breaks after taking the message", 500, breaks=True),
    Chat("99950091", "", "Does not answer", hangs=60),
)
TOKENS = (
    Trouble(
        "1000000000:" + "A" * 35,
        "Unauthorized",
        "As any token that is not the bot's: wrong, or revoked",
        401,
    ),
    Trouble("no-token", "Not Found", "As whatever is not written like a token", 404),
)
