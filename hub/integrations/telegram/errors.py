"""The meanings of Telegram's errors, from errors.toml, and the errors of refused calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.integrations.api import (
    DestinationUnavailable,
    ErrorCode,
    ErrorTable,
    OutcomeUnknown,
    PermanentError,
    ProviderResponse,
    RecipientMoved,
    SendError,
    read_error_codes,
    times,
)

PAGE = "https://core.telegram.org/bots/api"


class InvalidMarkup(PermanentError):
    """Telegram could not parse the formatting; the plain text can be sent."""


class Unchanged(PermanentError):
    """An edit that changes nothing, because the message already has this content."""


ERRORS = ErrorTable(
    "Telegram",
    read_error_codes(__package__, errors=(InvalidMarkup, Unchanged)),
    docs_url=PAGE,
    settings="HUB_TELEGRAM_API_URL",
    unknown=ErrorCode(
        DestinationUnavailable,
        "Telegram rejected the message with a reason that Signpost does not know.",
        "Test the connection, and check the chat.",
        sure=False,  # it may concern the message or the chat
    ),
    explains_statuses=False,
)


def posting_problem(member: Mapping[str, Any]) -> str:
    """Return the code of the reason why a member cannot post in a chat, or '' if it can.

    `member` is the result of getChatMember.
    """
    if member.get("status") in ("left", "kicked"):
        return "bot_removed"
    denied = any(member.get(right) is False for right in ("can_send_messages", "can_post_messages"))
    return "no_rights" if denied else ""


def parse_result(response: ProviderResponse) -> Any:
    """Return the result of a call.

    Raises a SendError if Telegram refused the call, or if the response is not from Telegram.
    """
    body = response.json
    if response.status < 300:
        if body.get("ok") is True:
            return body.get("result")
        raise OutcomeUnknown("Telegram’s response could not be read.", "bad_answer")
    raise _error_for(response, body)


def _error_for(response: ProviderResponse, body: Mapping[str, Any]) -> SendError:
    status = response.status
    is_genuine = body.get("ok") is False and status < 500
    if not is_genuine:  # a gateway or a proxy wrote it, or Telegram failed
        return ERRORS.error_for(response)
    # only matched and never shown, because it may quote the message
    code = ERRORS.find_code(status, str(body.get("description") or ""))
    parameters = body.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    new_chat = parameters.get("migrate_to_chat_id")
    if code == "chat_moved" and isinstance(new_chat, int):
        return RecipientMoved(ERRORS.codes[code].sentence, code, new=str(new_chat))
    wait = parameters.get("retry_after")
    if code and isinstance(wait, int | float):
        return ERRORS.error(code, times.pause(wait))
    return ERRORS.error_for(response, code or f"http_{status}")
