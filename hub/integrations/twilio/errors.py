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
PAUSE = 10.0  # seconds to leave a sender alone when Twilio only says that it is too much


@dataclass(frozen=True)
class Known:
    """One entry of the data file, whose head explains the fields."""

    code: str
    kind: str
    says: str
    do: str
    when: str
    switch: bool = False
    after_repeat: bool = False
    retry_minutes: int = 0
    scope: str = "sender"

    @property
    def sentence(self) -> str:
        return f"{self.says} {self.do}"


@cache
def catalog() -> Mapping[str, Known]:
    """Return every known code."""
    text = files(__package__).joinpath("errors.toml").read_text("utf-8")
    return MappingProxyType(
        {code: Known(code=code, **entry) for code, entry in tomllib.loads(text).items()}
    )


def known(code: str) -> Known | None:
    """Return what is known of a code."""
    return catalog().get(code)


def explain(code: str) -> Problem | None:
    """Say what a code means, or None when it is not known."""
    entry = known(code)
    return (
        Problem(code=code, text=entry.says, remedy=entry.do, url=f"{PAGES}/{code}")
        if entry
        else None
    )


def error_of(code: str) -> SendError | None:
    """Return the error that a call refused with this code raises; None for an unknown code."""
    return _error_of(code) if code in catalog() else None


@cache
def _error_of(code: str) -> SendError:
    return _error(catalog()[code])


def raise_for(status: int, code: str, message: str, retry_after: float | None) -> NoReturn:
    """Raise what a refused call comes to: by its code, else by its HTTP status.

    `retry_after` in seconds.
    """
    del message  # it may quote the recipient's number, so it goes into no exception and no log
    entry = known(code)
    if status >= 500 and (entry is None or entry.kind == "transient"):
        _raise_for_5xx(status, code, entry, retry_after)
    if entry is None:
        _raise_for_status(status, code, retry_after)
    raise _error(entry, status, retry_after)


def _error(entry: Known, status: int = 400, retry_after: float | None = None) -> SendError:
    if entry.kind == "throttle" or (entry.kind == "transient" and status == 429):
        pause = _first(retry_after, entry.retry_minutes * 60.0 or PAUSE)
        return SlowDown(
            entry.sentence,
            entry.code,
            pause,
            scope=Scope.ACCOUNT if status == 429 else Scope(entry.scope),
        )
    if entry.kind == "transient":
        return TransientError(
            entry.sentence, entry.code, _first(retry_after, entry.retry_minutes * 60.0 or None)
        )
    return OUTCOMES[entry.kind](entry.sentence, entry.code)


def _raise_for_5xx(
    status: int, code: str, entry: Known | None, retry_after: float | None
) -> NoReturn:
    # https://www.twilio.com/docs/api/errors/20500: after a 500 the message may be on its way
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
        raise SlowDown(BUSY, code or "http_429", _first(retry_after, PAUSE), scope=Scope.ACCOUNT)
    if not 400 <= status < 500:
        raise OutcomeUnknown(FAILED, code or f"http_{status}")
    if not code:  # each refusal of Twilio's has one
        raise gateway_error("Twilio", status, "HUB_TWILIO_API_URL")
    error = ConnectionBroken if status in (401, 403) else PermanentError
    raise error(UNKNOWN_CODE, code)


def _first(given: float | None, otherwise: float | None) -> float | None:
    return otherwise if given is None else given


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
    "Twilio rejected the message with a code that Signpost does not know. Look up the"
    f" code at {PAGES}."
)
