"""Validate URLs of Teams workflows, with errors for retired hosts and a setting for other clouds.

https://learn.microsoft.com/power-automate/oauth-authentication
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from wtforms.validators import ValidationError

HOST = re.compile(r"[a-z0-9]+\.[0-9a-f]{2}\.environment\.api\.powerplatform\.com")
OTHER_HOST = r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+\Z"
_WORKFLOW = re.compile(r"(?<=/)workflows/([0-9a-fA-F]{32})/triggers/")
_CREATE = (
    "In Teams, open the channel’s menu, choose Workflows, then “Post to a channel when a"
    " webhook request is received”. Allow Anyone to trigger it, and paste its URL."
)
RETIRED = (
    (
        re.compile(r"[a-z0-9.-]+\.webhook\.office\.com|outlook\.office(365)?\.com"),
        (f"This is the URL of an Office 365 connector, which Microsoft has retired. {_CREATE}"),
    ),
    (
        re.compile(r"[a-z0-9.-]+\.logic\.azure\.com"),
        (
            "This URL stopped working on November 30, 2025, when Microsoft moved all"
            " workflows. Open the workflow in Power Automate, and paste the new URL of"
            " its trigger."
        ),
    ),
)
UNKNOWN_HOST = (
    "This is not the URL of a Teams workflow. Its host must end in"
    f" .environment.api.powerplatform.com. {_CREATE}"
)
UNSAFE = (
    "The URL must start with https://, without a user name and without a port other than"
    " 443. Copy it from the workflow again."
)
INCOMPLETE = "The URL is not complete. Paste the complete URL, from https:// to the end of sig=…."


def parse_workflow_id(url: str) -> str:
    """Return the ID of the workflow in a URL, 32 hexadecimal digits, or '' if there is none.

    The ID is not secret.
    """
    match = _WORKFLOW.search(url.partition("?")[0])
    return match[1].lower() if match else ""


def url_error(url: str, other_host: str) -> str:
    """Return the error of an invalid URL with its remedy, or '' for a valid one."""
    try:
        parts = urlsplit(url)
        is_safe = (
            parts.scheme == "https"
            and (parts.port or 443) == 443
            and parts.username is None
            and parts.password is None
        )
    except ValueError:
        return UNKNOWN_HOST
    host = (parts.hostname or "").lower()
    for pattern, sentence in RETIRED:
        if pattern.fullmatch(host):
            return sentence
    if not HOST.fullmatch(host) and not _is_other(host, other_host.lower()):
        return UNKNOWN_HOST
    if not is_safe:
        return UNSAFE
    return "" if _is_complete(url, parts) else INCOMPLETE


def validate_url(form: Any, field: Any) -> None:
    """Validate the setting for the URL of a workflow. Raises ValidationError."""
    if error := url_error(field.data, form.other_host.data or ""):
        raise ValidationError(error)


def _is_other(host: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return host.endswith(allowed[1:]) and host != allowed[1:]
    return bool(allowed) and host == allowed


def _is_complete(url: str, parts: SplitResult) -> bool:
    return bool(
        re.fullmatch(r"[!-~]+", url)
        and parse_workflow_id(url)
        and not parts.fragment
        and parse_qs(parts.query).get("sig")
    )
