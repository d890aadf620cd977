"""Errors of refused calls to a workflow, by HTTP status, because the names of Microsoft's codes
change.

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

PAUSE = 10.0  # seconds, where the workflow names none
OFF = ("WorkflowTriggerIsNotEnabled", "WorkflowNotEnabled", "WorkflowDisabled")


@dataclass(frozen=True)
class Known:
    """An error code of ours: its error class, its cause and its remedy."""

    error: type[SendError]
    says: str
    do: str


def explain(code: str) -> Problem | None:
    """Say what a code means, or None when it is not known."""
    known = CODES.get(code)
    return Problem(code, known.says, known.do) if known else None


def refuse(code: str) -> SendError:
    """Return the error of a code."""
    known = CODES[code]
    return known.error(f"{known.says} {known.do}", code)


def raise_for(response: ProviderResponse) -> NoReturn:
    """Raise what a refused call comes to.

    Nothing of the answer's text is told: it may quote the address.
    """
    status = response.status
    if status == 429 or (status == 503 and response.retry_after is not None):
        known = CODES["too_many"]
        pause = PAUSE if response.retry_after is None else response.retry_after
        raise SlowDown(
            f"{known.says} {known.do}", "too_many" if status == 429 else "http_503", pause
        )
    if status >= 500 or status in (408, 425):
        raise OutcomeUnknown(FAILED, f"http_{status}")
    said = _error(response)
    if said is None or status == 407 or status < 400:  # a workflow writes its errors in JSON
        raise gateway_error("the workflow", status, "the workflow’s URL")
    if said.get("code") in OFF:
        raise refuse("workflow_off")
    if status in BY_STATUS:
        raise refuse(BY_STATUS[status])
    raise DestinationUnavailable(NOT_KNOWN.format(status=status), f"http_{status}", sure=False)


def _error(response: ProviderResponse) -> Mapping[str, Any] | None:
    """Return the error that a workflow wrote, or None when the answer is not a workflow's."""
    try:
        found = json.loads(response.body)["error"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


_OPEN = "Open the workflow in Power Automate"
CODES: Mapping[str, Known] = {
    "url_refused": Known(
        ConnectionBroken,
        "The workflow rejected this URL: its signature is no longer valid, or not"
        " everyone can trigger the workflow.",
        f"{_OPEN} and allow Anyone to trigger it. Copy its URL again, paste it into the"
        " connection and test.",
    ),
    "workflow_gone": Known(
        DestinationUnavailable,
        "The workflow at this URL no longer exists: it was deleted, or its owner left.",
        "Create a new Workflows webhook in the channel. Paste its URL into the connection"
        " and test.",
    ),
    "workflow_off": Known(
        DestinationUnavailable,
        "The workflow is turned off.",
        f"{_OPEN} and turn it on. Then test the connection.",
    ),
    "card_refused": Known(
        PermanentError,
        "The workflow did not accept the card.",
        f"{_OPEN} and check its last run. Its trigger must be “When a Teams webhook"
        " request is received”.",
    ),
    "card_too_large": Known(
        PermanentError,
        "The card is larger than Teams allows.",
        "Shorten the template or its links. Then resend the message.",
    ),
    "too_many": Known(
        SlowDown,
        "The workflow is temporarily rate limiting requests.",
        "Nothing to do. Signpost continues more slowly.",
    ),
    "other_channel": Known(
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
NOT_KNOWN = (
    "The workflow rejected the message (HTTP {status}), and Signpost does not know the"
    " reason. Check its last run in Power Automate."
)
