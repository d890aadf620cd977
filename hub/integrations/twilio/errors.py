"""Meanings of Twilio's error codes, and the errors of refused calls.

The knowledge is data: _twilio_errors.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NoReturn

from hub.integrations.api import (
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    Problem,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TemplateRequired,
    TransientError,
    gateway_error,
)

PAGES = "https://www.twilio.com/docs/api/errors"
PAUSE = 10.0  # seconds to wait if Twilio limits the rate without a time


@dataclass(frozen=True)
class KnownError:
    """One entry of errors.toml, which explains the fields."""

    code: str
    kind: str
    cause: str
    remedy: str
    when: str
    switch: bool = False
    after_repeat: bool = False
    retry_minutes: int = 0
    scope: str = "sender"

    @property
    def sentence(self) -> str:
        return f"{self.cause} {self.remedy}"


@cache
def catalog() -> Mapping[str, KnownError]:
    """Return all known errors by code."""
    text = files(__package__).joinpath("errors.toml").read_text("utf-8")
    return MappingProxyType(
        {code: KnownError(code=code, **entry) for code, entry in tomllib.loads(text).items()}
    )


def explain(code: str) -> Problem | None:
    """Explain a code. Returns None for an unknown code."""
    entry = catalog().get(code)
    if entry is None:
        return None
    return Problem(code=code, text=entry.cause, remedy=entry.remedy, url=f"{PAGES}/{code}")


def create_error(code: str) -> SendError | None:
    """Return the error for a call that was refused with a code, or None for an unknown code."""
    return _cached_error(code) if code in catalog() else None


@cache
def _cached_error(code: str) -> SendError:
    return _new_error(catalog()[code])


def raise_for(status: int, code: str, message: str, retry_after: float | None) -> NoReturn:
    """Raise the error of a refused call, by its code, or else by its HTTP status.

    `retry_after` is in seconds.
    """
    del message  # it may quote the recipient's number, so no exception and no log contains it
    entry = catalog().get(code)
    if status >= 500 and (entry is None or entry.kind == "transient"):
        _raise_for_5xx(status, code, entry, retry_after)
    if entry is None:
        _raise_for_status(status, code, retry_after)
    raise _new_error(entry, status, retry_after)


def _new_error(entry: KnownError, status: int = 400, retry_after: float | None = None) -> SendError:
    if entry.kind == "throttle" or (entry.kind == "transient" and status == 429):
        pause = entry.retry_minutes * 60.0 or PAUSE
        return SlowDown(
            entry.sentence,
            entry.code,
            pause if retry_after is None else retry_after,
            scope=Scope.ACCOUNT if status == 429 else Scope(entry.scope),
        )
    if entry.kind == "transient":
        wait = entry.retry_minutes * 60.0 or None
        return TransientError(
            entry.sentence, entry.code, wait if retry_after is None else retry_after
        )
    return OUTCOMES[entry.kind](entry.sentence, entry.code)


def _raise_for_5xx(
    status: int, code: str, entry: KnownError | None, retry_after: float | None
) -> NoReturn:
    # https://www.twilio.com/docs/api/errors/20500: after a 500 the message may still be sent
    if status == 503 and retry_after is not None:
        raise SlowDown(
            entry.sentence if entry else BUSY,
            code or f"http_{status}",
            retry_after,
            scope=Scope.ACCOUNT,
        )
    raise OutcomeUnknown(entry.sentence if entry else FAILED, code or f"http_{status}")


def _raise_for_status(status: int, code: str, retry_after: float | None) -> NoReturn:
    if status == 429:
        pause = PAUSE if retry_after is None else retry_after
        raise SlowDown(BUSY, code or "http_429", pause, scope=Scope.ACCOUNT)
    if not 400 <= status < 500:
        raise OutcomeUnknown(FAILED, code or f"http_{status}")
    if not code:  # all refusals by Twilio have a code
        raise gateway_error("Twilio", status, "HUB_TWILIO_API_URL")
    error = ConnectionBroken if status in (401, 403) else PermanentError
    raise error(UNKNOWN_CODE, code)


OUTCOMES: Mapping[str, type[SendError]] = {
    "permanent": PermanentError,
    "switch": PermanentError,
    "setup": PermanentError,
    "hook": PermanentError,
    "info": PermanentError,
    "suppress": RecipientRefused,
    "template": TemplateRequired,
    "broken": ConnectionBroken,
}
BUSY = "Twilio is temporarily rate limiting requests. If this continues, check status.twilio.com."
FAILED = (
    "Twilio failed before it reported whether it accepted the message. If this continues,"
    " check status.twilio.com."
)
UNKNOWN_CODE = (
    "Twilio rejected the message with a code that Signpost does not recognize. Look up the"
    f" code at {PAGES}."
)
