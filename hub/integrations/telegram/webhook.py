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
        return f"{here} is no web address. Correct HUB_PUBLIC_URL."
    if stand_in and is_loopback(parts.hostname or ""):
        return ""
    if parts.scheme != "https" or is_loopback(parts.hostname or ""):
        return (
            f"Telegram sends to https addresses on the public internet only, and ours is {here}."
            " Set HUB_PUBLIC_URL to such a one."
        )
    if (port or 443) not in PORTS:
        return (
            f"Telegram sends to the ports 443, 80, 88 and 8443 only, and ours is {port}. Let"
            " HUB_PUBLIC_URL name one of them."
        )
    return ""


def warnings(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what keeps updates from arriving, sentences with the remedy."""
    if not info.get("url"):
        return (
            (
                "No webhook is set, so presses of buttons, /stop and new chats do not reach us."
                f" Choose {BUTTON}."
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
            f"Telegram keeps some updates from us ({', '.join(missing)}). Choose {BUTTON}."
        )
    if trouble := _trouble(info):
        found.append(f"{trouble} Then choose {BUTTON}.")
    return tuple(found)


def described(info: Mapping[str, Any], bot: str, here: str) -> str:
    """Say where updates go, what waits, what failed last, and what to do."""
    url = str(info.get("url") or "")
    if not url:
        return (
            f"No webhook is set: Telegram keeps the updates of {bot} for 24 hours. Choose Set"
            " webhook to get them here."
        )
    sentences = [f"Telegram sends the updates of {bot} to {url}."]
    if url != here:
        sentences = [
            f"Telegram sends the updates of {bot} to another address, {url}. Choose Set webhook to"
            " get them here."
        ]
    waiting = info.get("pending_update_count")
    if isinstance(waiting, int) and waiting:
        sentences.append(f"{waiting:,} {'waits' if waiting == 1 else 'wait'} to be delivered.")
    if trouble := _trouble(info):
        sentences.append(f"{trouble} Then choose Set webhook, which repairs it.")
    elif url == here:
        sentences.append(
            "Nothing failed."
            if not waiting or waiting < MANY
            else "Look whether the hub answers quickly enough."
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
    return f" on {moment:%-d %B at %H:%M} UTC" if moment else ""


REMEDIES = (
    (
        ("ssl", "certificate"),
        "Give HUB_PUBLIC_URL’s host a certificate that is valid and complete with its chain.",
    ),
    (
        ("403", "401", "unauthorized", "forbidden"),
        "The secret that Telegram sends along is not this connection’s.",
    ),
    (
        ("404", "405", "moved", "301", "302", "307", "308"),
        "Look whether HUB_PUBLIC_URL leads to this hub, without a redirect.",
    ),
    (
        ("resolve", "timed out", "timeout", "refused", "unreachable", "reserved"),
        "Look whether HUB_PUBLIC_URL is reached from outside.",
    ),
    (
        ("500", "502", "503", "504"),
        "Look into the log of the hub, and of what stands in front of it.",
    ),
)
OTHERWISE = "Look whether HUB_PUBLIC_URL is reached from outside."
