"""Check the URL of a bot's webhook, and describe the result of getWebhookInfo.

https://core.telegram.org/bots/api#getwebhookinfo
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from babel.dates import format_datetime

from hub.integrations.api import is_loopback, times
from hub.integrations.telegram.updates import REQUIRED_UPDATES

PORTS = (443, 80, 88, 8443)
BUTTON = "**Set webhook** under **Webhook URLs**"
MANY = 20  # pending updates that suggest a slow hub


def find_url_error(webhook_url: str, *, stand_in: bool) -> str:
    """Return a sentence with the reason why Telegram would not send to a URL, or '' if it would.

    Pass `stand_in` if the API is a simulator or a proxy instead of Telegram itself.
    """
    try:
        parts = urlsplit(webhook_url)
        port = parts.port
    except ValueError:
        return f"{webhook_url} is not a valid URL. Correct HUB_PUBLIC_URL."
    if stand_in and is_loopback(parts.hostname or ""):
        return ""
    if parts.scheme != "https" or is_loopback(parts.hostname or ""):
        return (
            "Telegram sends only to https URLs on the public internet, but the"
            f" URL of Signpost is {webhook_url}. Set HUB_PUBLIC_URL to a public https"
            " URL."
        )
    if (port or 443) not in PORTS:
        return (
            "Telegram sends only to the ports 443, 80, 88 and 8443, but the port of this"
            f" URL is {port}. Set HUB_PUBLIC_URL to a URL with one of them."
        )
    return ""


def warnings(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences with the problems of receiving updates and their remedies."""
    if not info.get("url"):
        return (
            (
                "No webhook is set, so Signpost receives no button actions, no /stop and no new"
                f" chats. Choose {BUTTON}."
            ),
        )
    problems = []
    allowed = info.get("allowed_updates")  # missing if Telegram sends its default updates
    missing = []
    if isinstance(allowed, list) and allowed:
        missing = [name for name in REQUIRED_UPDATES if name not in allowed]
    if missing:
        problems.append(
            f"Telegram does not send some updates to Signpost ({', '.join(missing)})."
            f" Choose {BUTTON}."
        )
    if error := _describe_last_error(info):
        problems.append(f"{error} Then choose {BUTTON}.")
    return tuple(problems)


def describe(info: Mapping[str, Any], bot: str, webhook_url: str) -> str:
    """Describe the receiver of updates, pending updates, the last error and its remedy."""
    url = str(info.get("url") or "")
    if not url:
        return (
            f"No webhook is set. Telegram keeps the updates of {bot} for 24 hours. Choose"
            " Set webhook to receive them."
        )
    sentences = [f"Telegram sends the updates of {bot} to {url}."]
    if url != webhook_url:
        sentences = [
            f"Telegram sends the updates of {bot} to another URL, {url}. Choose Set"
            " webhook to receive them."
        ]
    pending = info.get("pending_update_count")
    if isinstance(pending, int) and pending:
        sentences.append(
            f"{pending:,} {'update is' if pending == 1 else 'updates are'} waiting to be delivered."
        )
    if error := _describe_last_error(info):
        sentences.append(f"{error} Then choose Set webhook to repair it.")
    elif url == webhook_url:
        sentences.append(
            "No delivery failed."
            if not pending or pending < MANY
            else "Check that Signpost responds quickly enough."
        )
    return " ".join(sentences)


def _describe_last_error(info: Mapping[str, Any]) -> str:
    """Return the last error of a delivery, in Telegram's words, and its remedy, or '' if none."""
    message = str(info.get("last_error_message") or "").strip().rstrip(".")
    if not message:
        return ""
    remedy = next(
        (remedy for words, remedy in REMEDIES if any(word in message.lower() for word in words)),
        OTHER_REMEDY,
    )
    date = _format_date(info.get("last_error_date"))
    return f"Telegram could not deliver an update{date}: {message}. {remedy}"


def _format_date(seconds: Any) -> str:
    failed_at = times.from_unix(seconds)
    if failed_at is None:
        return ""
    date = format_datetime(failed_at, "MMMM d 'at' HH:mm", locale="en_US")
    return f" on {date} UTC"


REMEDIES = (
    (
        ("ssl", "certificate"),
        "Install a valid certificate with its full chain on the host of HUB_PUBLIC_URL.",
    ),
    (
        ("403", "401", "unauthorized", "forbidden"),
        "The secret in Telegram’s request does not match this connection.",
    ),
    (
        ("404", "405", "moved", "301", "302", "307", "308"),
        "Check that HUB_PUBLIC_URL leads to Signpost without a redirect.",
    ),
    (
        ("resolve", "timed out", "timeout", "refused", "unreachable", "reserved"),
        "Check that HUB_PUBLIC_URL can be reached from the internet.",
    ),
    (
        ("500", "502", "503", "504"),
        "Check the log of Signpost and of the proxies in front of it.",
    ),
)
OTHER_REMEDY = "Check that HUB_PUBLIC_URL can be reached from the internet."
