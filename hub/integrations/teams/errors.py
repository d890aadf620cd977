"""The errors of refused calls to a workflow, by HTTP status, because Microsoft's codes change.

https://learn.microsoft.com/troubleshoot/power-platform/power-automate/flow-run-issues/troubleshoot-flows
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hub.integrations.api import (
    ConnectionBroken,
    DestinationUnavailable,
    ErrorCode,
    ErrorTable,
    OutcomeUnknown,
    PermanentError,
    ProviderResponse,
    SlowDown,
)

FIELD = "workflow_url"
TURNED_OFF = ("WorkflowTriggerIsNotEnabled", "WorkflowNotEnabled", "WorkflowDisabled")
_OPEN = "Open the workflow in Power Automate"
TOO_MANY = ErrorCode(
    SlowDown,
    "The workflow is temporarily rate limiting requests.",
    "No action is needed. Signpost sends more slowly.",
    retry_after=10.0,
)
FAILED = ErrorCode(
    OutcomeUnknown,
    "Teams failed before it reported whether the workflow accepted the message.",
    "Check the channel.",
)
CODES: Mapping[str, ErrorCode] = {
    "url_refused": ErrorCode(
        ConnectionBroken,
        "The workflow rejected this URL: its signature is no longer valid, or not"
        " everyone can trigger the workflow.",
        f"{_OPEN} and allow Anyone to trigger it. Copy its URL again, paste it into the"
        " connection and test.",
        FIELD,
    ),
    "workflow_gone": ErrorCode(
        DestinationUnavailable,
        "The workflow at this URL no longer exists: it was deleted, or its owner left.",
        "Create a new Workflows webhook in the channel. Paste its URL into the connection"
        " and test.",
        FIELD,
    ),
    "workflow_off": ErrorCode(
        DestinationUnavailable,
        "The workflow is turned off.",
        f"{_OPEN} and turn it on. Then test the connection.",
        FIELD,
    ),
    "card_refused": ErrorCode(
        PermanentError,
        "The workflow did not accept the card.",
        f"{_OPEN} and check its last run. Its trigger must be “When a Teams webhook"
        " request is received”.",
    ),
    "card_too_large": ErrorCode(
        PermanentError,
        "The card is larger than Teams allows.",
        "Shorten the template or its links. Then resend the message.",
    ),
    "too_many": TOO_MANY,
    "other_channel": ErrorCode(
        PermanentError,
        "A Teams connection posts only to the channel of its workflow.",
        "Remove the address, or use the connection of that channel.",
    ),
}
ERRORS = ErrorTable(
    "Teams",
    {
        **CODES,
        "http_429": TOO_MANY,
        **{f"http_{status}": FAILED for status in (408, 425, 500, 502, 503, 504)},
    },
    credential=FIELD,
    destination=FIELD,
    settings="the workflow’s URL",
    unknown=ErrorCode(
        DestinationUnavailable,
        "The workflow rejected the message, and Signpost does not know the reason.",
        "Check its last run in Power Automate.",
        FIELD,
        sure=False,
    ),
)
BY_STATUS: Mapping[int, str] = {
    400: "card_refused",
    401: "url_refused",
    403: "url_refused",
    404: "workflow_gone",
    405: "workflow_gone",
    410: "workflow_gone",
    413: "card_too_large",
    429: "too_many",
}


def error_details(response: ProviderResponse) -> Mapping[str, Any] | None:
    """Return the error in a workflow's response, or None if a workflow did not write it."""
    try:
        details = json.loads(response.body)["error"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return details if isinstance(details, dict) else None


def code_of(response: ProviderResponse) -> str:
    """Return Signpost's code for a workflow's error, or "" if the status says all."""
    details = error_details(response)
    if details is None or response.status >= 500:
        return ""
    if details.get("code") in TURNED_OFF and response.status != 429:
        return "workflow_off"
    return BY_STATUS.get(response.status, "")
