"""The errors of refused messages, by HTTP status, because the services have their own codes."""

from __future__ import annotations

from functools import cache

from hub.integrations.api import (
    ConnectionBroken,
    DestinationUnavailable,
    ErrorCode,
    ErrorTable,
    OutcomeUnknown,
    PermanentError,
)

FIELD = "url"
ENTER_AGAIN = "Enter a current Apprise URL, then test the connection."
OF_SIGNPOST = {
    "not_supported": ErrorCode(
        ConnectionBroken,
        "This version of Signpost does not send to this Apprise URL.",
        ENTER_AGAIN,
        FIELD,
        from_signpost=True,
    ),
    "other_host": ErrorCode(
        ConnectionBroken,
        "The Apprise URL leads to a host that is not allowed.",
        "Enter your own server’s host in the settings, then test the connection.",
        FIELD,
        from_signpost=True,
    ),
    "bad_answer": ErrorCode(
        OutcomeUnknown,
        "The service responded, and Apprise could not read the response.",
        "Check there whether the message arrived.",
        from_signpost=True,
    ),
    "second_request": ErrorCode(
        OutcomeUnknown,
        "The service needs more than one request for a message, and Signpost makes one.",
        "Check there whether the message arrived. Use an Apprise URL with one receiver.",
        FIELD,
        from_signpost=True,
    ),
    "other_channel": ErrorCode(
        PermanentError,
        "An Apprise connection posts only to the service of its URL.",
        "Remove the address, or use the connection of that service.",
        from_signpost=True,
    ),
}


@cache
def error_table(service: str) -> ErrorTable:
    """Return the errors of a service, which their texts name."""
    refused = ErrorCode(
        DestinationUnavailable,
        f"{service} did not accept the message, or not from this Apprise URL.",
        "Test the connection. If the test fails, enter a current Apprise URL.",
        FIELD,
        sure=False,
    )
    gone = ErrorCode(
        DestinationUnavailable,
        f"{service} no longer knows the webhook, channel or device of the Apprise URL.",
        ENTER_AGAIN,
        FIELD,
    )
    return ErrorTable(
        service,
        {
            **OF_SIGNPOST,
            "http_400": refused,
            "http_404": gone,
            "http_410": gone,
            "refused": refused,
        },
        credential=FIELD,
        destination=FIELD,
        server="own_server",
        settings="the Apprise URL",
        unknown=refused,
    )
