"""The meanings of Slack's error codes, from errors.toml, and the errors of refused calls.

https://docs.slack.dev/apis/web-api/#responses
"""

from __future__ import annotations

from hub.integrations.api import (
    DestinationUnavailable,
    ErrorCode,
    ErrorTable,
    ProviderResponse,
    Scope,
    SendError,
    SlowDown,
    read_error_codes,
)

METHODS = "https://docs.slack.dev/reference/methods/chat.postMessage"
PAUSE = 10.0  # seconds to wait if Slack limits the rate without a time
BUSY = "Slack is temporarily rate limiting requests. If this continues, check slack-status.com."
ERRORS = ErrorTable(
    "Slack",
    read_error_codes(__package__),
    docs_url=METHODS,
    settings="HUB_SLACK_API_URL, HUB_SLACKHOOKS_API_URL",
    unknown=ErrorCode(
        DestinationUnavailable,
        "Slack rejected the message with a code that Signpost does not recognize.",
        f"Look up the code at {METHODS}.",
        sure=False,  # it may concern the channel or only the post
    ),
    explains_statuses=False,
)


def error_for(
    response: ProviderResponse, code: str, *, scope: Scope = Scope.RECIPIENT
) -> SendError:
    """Return the error of a refused call, by its code, or else by its HTTP status.

    `scope` is the scope of rate limits: the channel's for posts, and the method's for all other
    calls. https://docs.slack.dev/apis/web-api/rate-limits
    """
    status = response.status
    wait = response.retry_after
    entry = ERRORS.codes.get(code)
    is_limit = status == 429 or (entry is not None and entry.error is SlowDown)
    if is_limit or (status == 503 and wait is not None):
        # a limit of all posts to a workspace concerns every channel
        concerns_workspace = status == 503 or (entry is not None and entry.scope == Scope.ACCOUNT)
        return SlowDown(
            entry.sentence if entry else BUSY,
            code or f"http_{status}",
            PAUSE if wait is None else wait,
            scope=Scope.ACCOUNT if concerns_workspace else scope,
        )
    return ERRORS.error_for(response, code)
