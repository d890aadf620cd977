"""Chats and tokens of the simulated Telegram that fail on purpose.

A group's ID is negative. Texts: https://core.telegram.org/bots/api and the source of its server,
tdlib/telegram-bot-api.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.simulator.fault import Fault

BLOCKED = "Forbidden: bot was blocked by the user"
NEVER_STARTED = "Forbidden: bot can't initiate conversation with a user"
NOT_FOUND = "Bad Request: chat not found"
UPGRADED = "Bad Request: group chat was upgraded to a supergroup chat"


@dataclass(frozen=True)
class Chat(Fault):
    """A chat that fails on purpose."""

    formatted: bool = False  # only texts with a parse_mode fail
    moved_to: int = 0  # the group's new ID, which accepts messages


CHATS = (
    Chat("99940001", NOT_FOUND, "Unknown ID, or never started the bot", 400),
    Chat("99940002", "Bad Request: chat_id is empty", "No chat_id", 400),
    Chat("99940003", "Bad Request: private chat not found", "Chat was deleted", 400),
    Chat("99940004", "Bad Request: message text is empty", "Empty text", 400),
    Chat("99940005", "Bad Request: message is too long", "Text too long", 400),
    Chat(
        "99940006",
        'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0',
        "Plain text only",
        400,
        formatted=True,
    ),
    Chat(
        "99940007",
        "Bad Request: Wrong HTTP URL specified",
        "Invalid button address",
        400,
    ),
    Chat("99940008", "Bad Request: reply markup is too long", "Too many buttons", 400),
    Chat(
        "99940009",
        "Bad Request: BUTTON_DATA_INVALID",
        "Invalid button data",
        400,
    ),
    Chat(
        "-99940010",
        "Bad Request: not enough rights to send text messages to the chat",
        "Bot can only read the group",
        400,
    ),
    Chat("-99940011", UPGRADED, "Group became -10099940011", 400, moved_to=-10099940011),
    Chat("99940301", BLOCKED, "Person blocked the bot", 403),
    Chat("99940302", "Forbidden: user is deactivated", "Account was deleted", 403),
    Chat("-99940303", "Forbidden: bot was kicked from the group chat", "Bot was removed", 403),
    Chat(
        "-10099940304",
        "Forbidden: bot was kicked from the supergroup chat",
        "Bot was removed",
        403,
    ),
    Chat(
        "-10099940305",
        "Forbidden: bot was kicked from the channel chat",
        "Bot was removed",
        403,
    ),
    Chat("-10099940012", "Bad Request: TOPIC_CLOSED", "Topic is closed", 400),
    Chat(
        "-10099940013",
        "Bad Request: message thread not found",
        "Topic was deleted",
        400,
    ),
    Chat(
        "-10099940014",
        "Bad Request: SOMETHING_NEW",
        "Rejected with an unknown reason",
        400,
    ),
    Chat("-99940306", "Forbidden: the group chat was deleted", "Group was deleted", 403),
    Chat("99940307", NEVER_STARTED, "Person never pressed Start", 403),
    Chat(
        "99940901",
        "Conflict: terminated by other getUpdates request",
        "Another program uses the bot's token",
        409,
    ),
    Chat(
        "99942901",
        "Too Many Requests: retry after 1",
        "Rate limited, retry_after 1",
        429,
        fails_once=True,
    ),
    Chat("99950001", "Internal Server Error", "Internal error", 500, fails_once=True),
    Chat("99950201", "Bad Gateway", "Telegram is unavailable", 502, fails_once=True),
    Chat("99950401", "Gateway Timeout", "Telegram is unavailable", 504, fails_once=True),
    Chat(
        "99950090", "Internal Server Error", "Error after accepting the message", 500, breaks=True
    ),
    Chat("99950091", "", "No response", hangs=60),
)
TOKENS = (
    Fault(
        "1000000000:" + "A" * 35,
        "Unauthorized",
        "Unknown token: wrong or revoked",
        401,
    ),
    Fault("no-token", "Not Found", "Malformed token", 404),
)
