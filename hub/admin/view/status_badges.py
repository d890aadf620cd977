"""Define the badge of each state: an icon and text. The stylesheet defines its color."""

from __future__ import annotations

from typing import NamedTuple

from hub.core.vocabulary import (
    Channel,
    ConnectionState,
    DeliveryState,
    RequestState,
    SignerState,
    Status,
)
from hub.messaging.send import provider_health


class Badge(NamedTuple):
    """The badge of one state."""

    color: str  # the suffix of its `sp-state-…` class
    icon: str  # the name of a Bootstrap icon
    label: str


def message_badge(state: str) -> Badge:
    """Return the badge of a message's state. An unknown state is its own text."""
    return MESSAGES.get(state) or Badge("none", "circle", state.replace("_", " ").capitalize())


def connection_badge(state: str | None) -> Badge:
    """Return the badge of a connection's state, or None for an integration without connections."""
    return CONNECTIONS.get(state or "") or NOT_SET_UP


def request_badge(state: str) -> Badge:
    """Return the badge of a signing request's state."""
    return REQUESTS.get(state) or message_badge(state)


def signer_badge(state: str) -> Badge:
    """Return the badge of a signer's state."""
    return SIGNERS.get(state) or message_badge(state)


def endpoint_badge(word: str) -> Badge:
    """Return the badge of a webhook endpoint, by the word for its state."""
    return ENDPOINTS[word]


def delivery_badge(state: str) -> Badge:
    """Return the badge of an event for a webhook endpoint."""
    return DELIVERIES.get(state) or message_badge(state)


def handler_event_badge(state: str) -> Badge:
    """Return the badge of an event for a handler."""
    return SUCCEEDED if state == DeliveryState.DELIVERED else delivery_badge(state)


def channel_title(channel: str) -> str:
    """Return a channel's name for people, such as `WhatsApp`."""
    return Channel(channel).title if channel in {*Channel} else channel.capitalize()


MESSAGES: dict[str, Badge] = {
    Status.QUEUED: Badge("queued", "clock", "Queued"),
    Status.SENDING: Badge("sending", "arrow-up-right-square", "Sending"),
    Status.UNKNOWN: Badge("unknown", "question-diamond-fill", "Unknown"),
    Status.SUPPRESSED: Badge("suppressed", "slash-circle", "Suppressed"),
    Status.CANCELED: Badge("canceled", "x-lg", "Canceled"),
    Status.EXPIRED: Badge("expired", "hourglass-bottom", "Expired"),
    Status.ACCEPTED: Badge("accepted", "check2", "Accepted"),
    Status.SENT: Badge("sent", "send", "Sent"),
    Status.FAILED: Badge("failed", "x-octagon-fill", "Failed"),
    Status.UNDELIVERED: Badge("undelivered", "arrow-return-left", "Undelivered"),
    Status.DELIVERED: Badge("delivered", "check-circle-fill", "Delivered"),
    Status.READ: Badge("read", "eye-fill", "Read"),
}

NOT_SET_UP = Badge("none", "plus-circle", "Not set up")
CONNECTIONS: dict[str, Badge] = {
    ConnectionState.NEW: Badge("disabled", "toggle-off", "Not enabled yet"),
    ConnectionState.ENABLED: Badge("enabled", "toggle-on", "Enabled"),
    ConnectionState.DISABLED: Badge("disabled", "toggle-off", "Disabled"),
    ConnectionState.BROKEN: Badge("broken", "exclamation-triangle-fill", "Broken"),
    provider_health.UNREACHABLE: Badge("unknown", "cloud-slash", "Unreachable"),
    provider_health.SLOWED: Badge("queued", "hourglass-split", "Rate limited"),
    "destination": Badge("queued", "hourglass-split", "Posts paused"),
    "archived": Badge("disabled", "archive", "Archived"),
}

REQUESTS: dict[str, Badge] = {
    RequestState.OPEN: Badge("sending", "pen", "Open"),
    RequestState.COMPLETED: Badge("delivered", "check-circle-fill", "Completed"),
    RequestState.DECLINED: Badge("failed", "x-octagon-fill", "Declined"),
    RequestState.EXPIRED: Badge("expired", "hourglass-bottom", "Expired"),
    RequestState.CANCELED: Badge("canceled", "x-lg", "Canceled"),
}

SIGNERS: dict[str, Badge] = {
    SignerState.PENDING: Badge("queued", "hourglass-split", "Not signed"),
    SignerState.VIEWED: Badge("read", "eye-fill", "Opened"),
    SignerState.SIGNED: Badge("delivered", "check-circle-fill", "Signed"),
    SignerState.DECLINED: Badge("failed", "x-octagon-fill", "Declined"),
}

ENDPOINTS: dict[str, Badge] = {  # by the word of an endpoint's summary
    "working": Badge("delivered", "check-circle-fill", "Working"),
    "failing": Badge("broken", "exclamation-triangle-fill", "Failing"),
    "disabled": Badge("disabled", "toggle-off", "Disabled"),
    "new": Badge("queued", "clock", "No events yet"),
    "removed": Badge("disabled", "slash-circle", "Code removed"),
}

SUCCEEDED = Badge("delivered", "check-circle-fill", "Succeeded")

DELIVERIES: dict[str, Badge] = {
    DeliveryState.PENDING: Badge("queued", "clock", "Pending"),
    DeliveryState.DELIVERED: Badge("delivered", "check-circle-fill", "Delivered"),
    DeliveryState.FAILED: Badge("failed", "x-octagon-fill", "Failed"),
    DeliveryState.MISSED: Badge("suppressed", "slash-circle", "Missed"),
    DeliveryState.SKIPPED: Badge("suppressed", "slash-circle", "Skipped"),
}
