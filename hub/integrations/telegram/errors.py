"""Meanings of Telegram's errors, and the errors of refused calls.

The knowledge is data: _telegram_errors.toml.
"""

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
PAUSE = 5.0  # seconds, where Telegram names none


class Unparsed(PermanentError):
    """Telegram could not read the formatting: the plain text may go."""


class NotHere(PermanentError):
    """The group or channel takes no messages: only the team's own is worth waiting for."""


class Unknown(PermanentError):
    """A refusal in words that are not known: it may be about the message or about the chat."""


class Unchanged(PermanentError):
    """An edit that changes nothing: the message shows this already."""


@dataclass(frozen=True)
class Known:
    """One entry of the data file, whose head explains the fields."""

    code: str
    status: int
    kind: str
    says: str
    do: str
    words: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return f"{self.says} {self.do}"

    def fits(self, status: int, description: str) -> bool:
        return status == self.status and (
            not self.words or any(word in description for word in self.words)
        )


@cache
def catalog() -> Mapping[str, Known]:
    """Return every known refusal by its code, in the order in which they are tried."""
    text = files(__package__).joinpath("errors.toml").read_text("utf-8")
    entries = tomllib.loads(text).items()
    return MappingProxyType(
        {
            code: Known(code=code, **{**entry, "words": tuple(entry.get("words", ()))})
            for code, entry in entries
        }
    )


def explain(code: str) -> Problem | None:
    """Say what a code means, or None when it is not known."""
    entry = catalog().get(code)
    return Problem(code=code, text=entry.says, remedy=entry.do, url=PAGE) if entry else None


def error(code: str) -> SendError:
    """Return the error of a known code."""
    known = catalog()[code]
    return OUTCOMES[known.kind](known.sentence, code)


def refuses_posts(member: Mapping[str, Any]) -> str:
    """Return the code of why a chat takes no posts of this member, as getChatMember describes it;
    '' when it does.
    """
    if member.get("status") in ("left", "kicked"):
        return "bot_removed"
    denied = any(member.get(right) is False for right in ("can_send_messages", "can_post_messages"))
    return "no_rights" if denied else ""


def result_of(response: ProviderResponse) -> Any:
    """Return what a call brought.

    Raises a SendError for everything that Telegram refused, or that is not from Telegram.
    """
    said = response.json
    if response.status < 300:
        if said.get("ok") is True:
            return said.get("result")
        raise OutcomeUnknown("Telegram’s response could not be read.", "bad_answer")
    _raise_for(response, said)


def _raise_for(response: ProviderResponse, said: Mapping[str, Any]) -> NoReturn:
    status = response.status
    # it may quote the message: it is never told
    description = str(said.get("description") or "").lower()
    given = said.get("parameters")
    parameters: Mapping[str, Any] = given if isinstance(given, dict) else {}
    if status >= 500:
        if status == 503 and response.retry_after is not None:
            raise SlowDown(BUSY, "http_503", response.retry_after)
        raise OutcomeUnknown(FAILED, f"http_{status}")
    # a gateway or a proxy: no fault of a message, and no word on what went through
    if said.get("ok") is not False:
        raise gateway_error("Telegram", status, "HUB_TELEGRAM_API_URL")
    entry = next((one for one in catalog().values() if one.fits(status, description)), None)
    if entry is None:
        raise Unknown(NOT_KNOWN.format(status=status), f"http_{status}")
    new = parameters.get("migrate_to_chat_id")
    wait = parameters.get("retry_after")
    if entry.kind == "moved":
        if not isinstance(new, int):
            raise RecipientRefused(entry.sentence, entry.code)
        raise RecipientMoved(entry.sentence, entry.code, new=str(new))
    if entry.kind == "throttle":
        # a flood limit is one chat's: to slow down the whole bot would let everybody wait for the
        # busiest group
        pause = times.pause(wait) if isinstance(wait, int | float) else response.retry_after
        raise TransientError(
            entry.sentence, entry.code, PAUSE if pause is None else pause, scope=Scope.RECIPIENT
        )
    raise OUTCOMES[entry.kind](entry.sentence, entry.code)


OUTCOMES: Mapping[str, type[SendError]] = {
    "suppress": RecipientRefused,
    "permanent": PermanentError,
    "markup": Unparsed,
    "same": Unchanged,
    "broken": ConnectionBroken,
    "destination": NotHere,
}
BUSY = "Telegram is temporarily rate limiting requests."
FAILED = "Telegram failed before it reported whether it accepted the message."
NOT_KNOWN = (
    "Telegram rejected the message (HTTP {status}) with a reason that Signpost does not"
    " know. Test the connection, and check the chat."
)
