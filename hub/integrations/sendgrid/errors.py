"""The refusals of SendGrid and what they mean, from errors.toml."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from hub.integrations.api import (
    ErrorTable,
    ProviderResponse,
    SendError,
    SlowDown,
    json_objects,
    read_error_codes,
)

DOCS = "https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send"
ERRORS = ErrorTable("SendGrid", read_error_codes(__package__), docs_url=DOCS, credential="api_key")
MAX_PAUSE = 3600.0  # seconds


def code_of(response: ProviderResponse) -> str:
    """Return the code of a refusal in errors.toml, or '' if only its HTTP status is known."""
    return ERRORS.find_code(response.status, "\n".join(_descriptions(response)))


def is_genuine(response: ProviderResponse) -> bool:
    """Return whether SendGrid wrote a refusal: it lists errors."""
    return bool(_descriptions(response))


def with_reset(error: SendError, response: ProviderResponse) -> SendError:
    """Return the error of a refusal. A rate limit waits until the time that SendGrid names.

    https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits
    """
    if not isinstance(error, SlowDown) or response.retry_after is not None:
        return error
    pause = _seconds_until_reset(response)
    return error if pause is None else SlowDown(str(error), error.code, pause)


def _descriptions(response: ProviderResponse) -> list[str]:
    errors = json_objects(response.json.get("errors"))
    return [f"{error.get('field') or ''}: {error.get('message') or ''}" for error in errors]


def _seconds_until_reset(response: ProviderResponse) -> float | None:
    """Return the seconds until the limit ends, by the clock of SendGrid if it sent the time."""
    try:
        reset_at = float(response.headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    try:
        now = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        now = time.time()
    pause = reset_at - now
    return max(pause, 1.0) if pause <= MAX_PAUSE else None
