"""The errors of refused calls to a workflow, by HTTP status, because Microsoft's codes change.

https://learn.microsoft.com/troubleshoot/power-platform/power-automate/flow-run-issues/troubleshoot-flows
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from hub.integrations.api import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    Problem,
    ProviderResponse,
    SendError,
    SlowDown,
    gateway_error,
)

PAUSE = 10.0  # seconds to wait if the workflow limits the rate without a time
TURNED_OFF = ("WorkflowTriggerIsNotEnabled", "WorkflowNotEnabled", "WorkflowDisabled")


@dataclass(frozen=True)
class KnownError:
    """One of the hub's codes for errors of workflows: its error class, its cause, its remedy."""

    error: type[SendError]
    cause: str
    remedy: str


def explain(code: str) -> Problem | None:
    """Explain a code. Returns None for an unknown code."""
    known = CODES.get(code)
    return Problem(code, known.cause, known.remedy) if known else None


def create_error(code: str) -> SendError:
    """Return the error of a code."""
    known = CODES[code]
    return known.error(f"{known.cause} {known.remedy}", code)


def raise_for(response: ProviderResponse) -> NoReturn:
    """Raise the error of a refused call.

    The error quotes nothing from the response, which may contain the URL.
    """
    status = response.status
    if status == 429 or (status == 503 and response.retry_after is not None):
        known = CODES["too_many"]
        pause = PAUSE if response.retry_after is None else response.retry_after
        raise SlowDown(
            f"{known.cause} {known.remedy}", "too_many" if status == 429 else "http_503", pause
        )
    if status >= 500 or status in (408, 425):
        raise OutcomeUnknown(FAILED, f"http_{status}")
    details = _error_details(response)
    if details is None or status == 407 or status < 400:  # errors of a workflow are JSON
        raise gateway_error("the workflow", status, "the workflow’s URL")
    if details.get("code") in TURNED_OFF:
        raise create_error("workflow_off")
    if status in BY_STATUS:
        raise create_error(BY_STATUS[status])
    raise DestinationUnavailable(UNKNOWN_REASON.format(status=status), f"http_{status}", sure=False)


def _error_details(response: ProviderResponse) -> Mapping[str, Any] | None:
    """Return the error in a workflow's response, or None if a workflow did not write it."""
    try:
        details = json.loads(response.body)["error"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return details if isinstance(details, dict) else None


_OPEN = "Open the workflow in Power Automate"
CODES: Mapping[str, KnownError] = {
    "url_refused": KnownError(
        ConnectionBroken,
        "The workflow rejected this URL: its signature is no longer valid, or not"
        " everyone can trigger the workflow.",
        f"{_OPEN} and allow Anyone to trigger it. Copy its URL again, paste it into the"
        " connection and test.",
    ),
    "workflow_gone": KnownError(
        DestinationUnavailable,
        "The workflow at this URL no longer exists: it was deleted, or its owner left.",
        "Create a new Workflows webhook in the channel. Paste its URL into the connection"
        " and test.",
    ),
    "workflow_off": KnownError(
        DestinationUnavailable,
        "The workflow is turned off.",
        f"{_OPEN} and turn it on. Then test the connection.",
    ),
    "card_refused": KnownError(
        PermanentError,
        "The workflow did not accept the card.",
        f"{_OPEN} and check its last run. Its trigger must be “When a Teams webhook"
        " request is received”.",
    ),
    "card_too_large": KnownError(
        PermanentError,
        "The card is larger than Teams allows.",
        "Shorten the template or its links. Then resend the message.",
    ),
    "too_many": KnownError(
        SlowDown,
        "The workflow is temporarily rate limiting requests.",
        "Nothing to do. Signpost continues more slowly.",
    ),
    "other_channel": KnownError(
        PermanentError,
        "Teams posts to the channel of its workflow only.",
        "Remove the address, or use the connection of that channel.",
    ),
}
BY_STATUS: Mapping[int, str] = {
    400: "card_refused",
    401: "url_refused",
    403: "url_refused",
    404: "workflow_gone",
    405: "workflow_gone",
    410: "workflow_gone",
    413: "card_too_large",
}
FAILED = (
    "Teams failed before it reported whether the workflow accepted the message. Check the channel."
)
UNKNOWN_REASON = (
    "The workflow rejected the message (HTTP {status}), and Signpost does not know the"
    " reason. Check its last run in Power Automate."
)
