"""The meanings of Telegram's errors, from errors.toml, and the errors of refused calls."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NoReturn

from hub.integrations.api import (
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    Problem,
    ProviderResponse,
    RecipientMoved,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TransientError,
    gateway_error,
    times,
)

PAGE = "https://core.telegram.org/bots/api"
PAUSE = 5.0  # seconds to wait if Telegram limits the rate without a time


class InvalidMarkup(PermanentError):
    """Telegram could not parse the formatting; the plain text can be sent."""


class ChatUnavailable(PermanentError):
    """The group or channel accepts no messages. Posts to the team's own chat wait for it."""


class UnknownRefusal(PermanentError):
    """An error with an unknown description, which may concern the message or the chat."""


class Unchanged(PermanentError):
    """An edit that changes nothing, because the message already has this content."""


@dataclass(frozen=True)
class KnownError:
    """One entry of errors.toml, which explains the fields."""

    code: str
    status: int
    kind: str
    cause: str
    remedy: str
    words: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return f"{self.cause} {self.remedy}"

    def matches(self, status: int, description: str) -> bool:
        return status == self.status and (
            not self.words or any(word in description for word in self.words)
        )


@cache
def catalog() -> Mapping[str, KnownError]:
    """Return all known errors by code, in the order in which they are matched."""
    text = files(__package__).joinpath("errors.toml").read_text("utf-8")
    entries = tomllib.loads(text).items()
    return MappingProxyType(
        {
            code: KnownError(code=code, **{**entry, "words": tuple(entry.get("words", ()))})
            for code, entry in entries
        }
    )


def explain(code: str) -> Problem | None:
    """Explain a code. Returns None for an unknown code."""
    entry = catalog().get(code)
    return Problem(code=code, text=entry.cause, remedy=entry.remedy, url=PAGE) if entry else None


def error(code: str) -> SendError:
    """Return the error of a known code."""
    entry = catalog()[code]
    return OUTCOMES[entry.kind](entry.sentence, code)


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
    _raise_for(response, body)


def _raise_for(response: ProviderResponse, body: Mapping[str, Any]) -> NoReturn:
    status = response.status
    # only matched and never shown, because it may quote the message
    description = str(body.get("description") or "").lower()
    parameters = body.get("parameters")
    if not isinstance(parameters, dict):
        parameters = {}
    if status >= 500:
        if status == 503 and response.retry_after is not None:
            raise SlowDown(BUSY, "http_503", response.retry_after)
        raise OutcomeUnknown(FAILED, f"http_{status}")
    # a gateway or a proxy wrote the response
    if body.get("ok") is not False:
        raise gateway_error("Telegram", status, "HUB_TELEGRAM_API_URL")
    entries = catalog().values()
    entry = next((entry for entry in entries if entry.matches(status, description)), None)
    if entry is None:
        raise UnknownRefusal(UNKNOWN_REASON.format(status=status), f"http_{status}")
    new_chat = parameters.get("migrate_to_chat_id")
    wait = parameters.get("retry_after")
    if entry.kind == "moved":
        if not isinstance(new_chat, int):
            raise RecipientRefused(entry.sentence, entry.code)
        raise RecipientMoved(entry.sentence, entry.code, new=str(new_chat))
    if entry.kind == "throttle":
        # this limit applies to one chat: all other chats of the bot need not wait for it
        pause = times.pause(wait) if isinstance(wait, int | float) else response.retry_after
        raise TransientError(
            entry.sentence, entry.code, PAUSE if pause is None else pause, scope=Scope.RECIPIENT
        )
    raise OUTCOMES[entry.kind](entry.sentence, entry.code)


OUTCOMES: Mapping[str, type[SendError]] = {
    "suppress": RecipientRefused,
    "permanent": PermanentError,
    "markup": InvalidMarkup,
    "same": Unchanged,
    "broken": ConnectionBroken,
    "destination": ChatUnavailable,
}
BUSY = "Telegram is temporarily rate limiting requests."
FAILED = "Telegram failed before it reported whether it accepted the message."
UNKNOWN_REASON = (
    "Telegram rejected the message (HTTP {status}) with a reason that Signpost does not"
    " know. Test the connection, and check the chat."
)
