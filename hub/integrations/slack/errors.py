"""Turn refused calls of Slack into errors of the hub.

https://docs.slack.dev/apis/web-api/#responses
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from hub.integrations.api import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    Problem,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TransientError,
    gateway_error,
)
from hub.integrations.slack.error_codes import CODES, HOOK, SIGNPOST_CODES

METHODS = "https://docs.slack.dev/reference/methods/chat.postMessage"
WEBHOOKS = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"
PAUSE = 10.0  # seconds to wait if Slack limits the rate without a time


def explain(code: str) -> Problem | None:
    """Explain a code. Returns None for an unknown code."""
    known = CODES.get(code)
    if known is None:
        return None
    if code in SIGNPOST_CODES:
        return Problem(code, known.cause, known.remedy)
    page = WEBHOOKS if known.field == HOOK else METHODS
    return Problem(code, known.cause, known.remedy, page)


def error(code: str, text: str = "") -> SendError:
    """Return the error of a known code, for a call to the connection's own channel."""
    known = CODES[code]
    return OUTCOMES[known.kind](text or f"{known.cause} {known.remedy}", code)


def raise_for(
    status: int,
    code: str,
    retry_after: float | None,
    *,
    own: bool = True,
    scope: Scope = Scope.RECIPIENT,
) -> NoReturn:
    """Raise the error of a refused call, by its code, or else by its HTTP status.

    `retry_after` is in seconds. `own` is true for a call to the connection's own channel. `scope`
    is the scope of rate limits: the channel's for posts, and the method's for all other calls.
    https://docs.slack.dev/apis/web-api/rate-limits
    """
    known = CODES.get(code)
    if (
        status == 429
        or (known and known.kind == "slow")
        or (status == 503 and retry_after is not None)
    ):
        text = f"{known.cause} {known.remedy}" if known else BUSY
        is_account_limit = status == 503 or code in WORKSPACE
        pause = PAUSE if retry_after is None else retry_after
        limit_scope = Scope.ACCOUNT if is_account_limit else scope
        raise SlowDown(text, code or f"http_{status}", pause, scope=limit_scope)
    if known is None:
        _raise_unknown(status, code, own=own)
    if known.kind == "again":
        raise TransientError(f"{known.cause} {known.remedy}", code, retry_after)
    if known.kind == "place" and not own:
        raise PermanentError(f"{known.cause} {known.remedy}", code)
    raise error(code)


def _raise_unknown(status: int, code: str, *, own: bool) -> NoReturn:
    if not code:
        raise (
            OutcomeUnknown(FAILED, f"http_{status}")
            if status >= 500
            else gateway_error("Slack", status, SETTINGS)
        )
    # the Web API refuses calls with status 200
    if not (status == 200 or 400 <= status < 500) or status in UNFINISHED:
        raise OutcomeUnknown(FAILED, code)
    if own:  # the error may concern the channel or only the post
        raise DestinationUnavailable(UNKNOWN_CODE, code, sure=False)
    raise PermanentError(UNKNOWN_CODE, code)


BUSY = "Slack is temporarily rate limiting requests. If this continues, check slack-status.com."
FAILED = (
    "Slack failed before it reported whether it accepted the message. If this continues,"
    " check slack-status.com."
)
UNKNOWN_CODE = (
    "Slack rejected the message with a code that Signpost does not recognize. Look up the code"
    f" at {METHODS}."
)
WORKSPACE = ("message_limit_exceeded",)  # limits for all posts to a workspace
SETTINGS = "HUB_SLACK_API_URL, HUB_SLACKHOOKS_API_URL"
# after these statuses it is unknown whether Slack accepted the request
UNFINISHED = (408, 425)
OUTCOMES: Mapping[str, type[SendError]] = {
    "broken": ConnectionBroken,
    "place": DestinationUnavailable,
    "permanent": PermanentError,
    "recipient": RecipientRefused,
    "again": TransientError,
    "slow": SlowDown,
    "unknown": OutcomeUnknown,
}
