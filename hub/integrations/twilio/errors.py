"""The meanings of Twilio's error codes, from errors.toml, and the errors of refused calls."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from hub.integrations.api import (
    ConnectionBroken,
    ErrorCode,
    ErrorTable,
    OutcomeUnknown,
    PermanentError,
    ProviderResponse,
    Scope,
    SendError,
    SlowDown,
    TransientError,
    read_error_codes,
)

PAGES = "https://www.twilio.com/docs/api/errors"
PAUSE = 10.0  # seconds to wait if Twilio limits the rate without a time
BUSY = "Twilio is temporarily rate limiting requests. If this continues, check status.twilio.com."
UNKNOWN = "Twilio rejected the message with a code that Signpost does not recognize."
LOOK_UP = f"Look up the code at {PAGES}."
ERRORS = ErrorTable(
    "Twilio",
    read_error_codes(__package__),
    docs_url=f"{PAGES}/{{code}}",
    settings="HUB_TWILIO_API_URL",
    unknown=ErrorCode(PermanentError, UNKNOWN, LOOK_UP),
    explains_statuses=False,  # all refusals by Twilio have a code
)


@cache
def reported_error(code: str) -> SendError | None:
    """Return the error of a code that Twilio reports, or None for an unknown code."""
    return ERRORS.error(code) if code in ERRORS.codes else None


def error_for(response: ProviderResponse, code: str) -> SendError:
    """Return the error of a refused call, by its code, or else by its HTTP status.

    The response is not quoted, because it may contain the recipient's number.
    """
    status = response.status
    wait = response.retry_after
    entry = ERRORS.codes.get(code)
    is_temporary = entry is None or entry.error is TransientError
    is_limit = status == 429 or (status == 503 and wait is not None)
    if is_limit and is_temporary:
        pause = entry.retry_after if entry else None
        wait = (pause or PAUSE) if wait is None else wait
        text = entry.sentence if entry else BUSY
        return SlowDown(text, code or f"http_{status}", wait, scope=Scope.ACCOUNT)
    if status >= 500 and is_temporary:
        # https://www.twilio.com/docs/api/errors/20500: after a 500 the message may still be sent
        failed = ERRORS.error_for(ProviderResponse(status, {}, b""))
        text = entry.sentence if entry else str(failed)
        return OutcomeUnknown(text, code or failed.code)
    if entry is not None:
        is_account_limit = status == 429 and entry.error is SlowDown
        meaning = replace(entry, scope=Scope.ACCOUNT) if is_account_limit else entry
        return meaning.new_error(code, wait)
    if code and status in (401, 403):
        return ConnectionBroken(f"{UNKNOWN} {LOOK_UP}", code)
    return ERRORS.error_for(response, code)
