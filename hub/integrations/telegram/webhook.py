"""Check the address of a bot's webhook, and describe what getWebhookInfo reports.

https://core.telegram.org/bots/api#getwebhookinfo
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hub.integrations.api import is_loopback, times
from hub.integrations.telegram.updates import NEEDED

PORTS = (443, 80, 88, 8443)
BUTTON = "**Set webhook** under **Webhook URLs**"
MANY = 20  # updates that wait: more than a moment's


def refuses(here: str, *, stand_in: bool) -> str:
    """Return why Telegram would not send to an address, a sentence; '' when it would.

    `stand_in`: it is not Telegram itself.
    """
    try:
        parts = urlsplit(here)
        port = parts.port
    except ValueError:
        return f"{here} is not a web address. Correct HUB_PUBLIC_URL."
    if stand_in and is_loopback(parts.hostname or ""):
        return ""
    if parts.scheme != "https" or is_loopback(parts.hostname or ""):
        return (
            "Telegram sends only to https addresses on the public internet, but the"
            f" address of this hub is {here}. Set HUB_PUBLIC_URL to a public https"
            " address."
        )
    if (port or 443) not in PORTS:
        return (
            "Telegram sends only to the ports 443, 80, 88 and 8443, but the port of this"
            f" hub is {port}. Set HUB_PUBLIC_URL to an address with one of them."
        )
    return ""


def warnings(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what keeps updates from arriving, sentences with the remedy."""
    if not info.get("url"):
        return (
            (
                "No webhook is set, so Signpost receives no button clicks, no /stop and"
                f" no new chats. Choose {BUTTON}."
            ),
        )
    found = []
    allowed = info.get("allowed_updates")  # left out when Telegram sends what it usually does
    missing = (
        [name for name in NEEDED if name not in allowed]
        if isinstance(allowed, list) and allowed
        else []
    )
    if missing:
        found.append(
            f"Telegram does not send some updates to Signpost ({', '.join(missing)})."
            f" Choose {BUTTON}."
        )
    if trouble := _trouble(info):
        found.append(f"{trouble} Then choose {BUTTON}.")
    return tuple(found)


def described(info: Mapping[str, Any], bot: str, here: str) -> str:
    """Say where updates go, what waits, what failed last, and what to do."""
    url = str(info.get("url") or "")
    if not url:
        return (
            f"No webhook is set. Telegram keeps the updates of {bot} for 24 hours. Choose"
            " Set webhook to receive them."
        )
    sentences = [f"Telegram sends the updates of {bot} to {url}."]
    if url != here:
        sentences = [
            f"Telegram sends the updates of {bot} to another address, {url}. Choose Set"
            " webhook to receive them."
        ]
    waiting = info.get("pending_update_count")
    if isinstance(waiting, int) and waiting:
        sentences.append(
            f"{waiting:,} {'update is' if waiting == 1 else 'updates are'} waiting to be delivered."
        )
    if trouble := _trouble(info):
        sentences.append(f"{trouble} Then choose Set webhook to repair it.")
    elif url == here:
        sentences.append(
            "No delivery failed."
            if not waiting or waiting < MANY
            else "Check that the hub responds quickly enough."
        )
    return " ".join(sentences)


def _trouble(info: Mapping[str, Any]) -> str:
    """Return what failed last, as Telegram tells it, and what to do; '' when nothing did."""
    said = str(info.get("last_error_message") or "").strip().rstrip(".")
    if not said:
        return ""
    remedy = next(
        (remedy for words, remedy in REMEDIES if any(word in said.lower() for word in words)),
        OTHERWISE,
    )
    return (
        f"Telegram could not deliver an update{_when(info.get('last_error_date'))}: {said}."
        f" {remedy}"
    )


def _when(seconds: Any) -> str:
    moment = times.from_unix(seconds)
    return f" on {moment:%B} {moment.day} at {moment:%H:%M} UTC" if moment else ""


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
        "Check that HUB_PUBLIC_URL leads to this hub without a redirect.",
    ),
    (
        ("resolve", "timed out", "timeout", "refused", "unreachable", "reserved"),
        "Check that HUB_PUBLIC_URL can be reached from the internet.",
    ),
    (
        ("500", "502", "503", "504"),
        "Check the log of the hub and of the proxies in front of it.",
    ),
)
OTHERWISE = "Check that HUB_PUBLIC_URL can be reached from the internet."
