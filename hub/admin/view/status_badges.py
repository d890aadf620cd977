"""How each state looks: an icon and a word, in this order of weight; the hue comes from the
stylesheet by the state's name.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.core.vocabulary import Channel, ConnectionState, RequestState, SignerState, Status
from hub.messaging.send import provider_health


class Look(NamedTuple):
    """One state: `hue` is the suffix of its `sp-state-…` class, `icon` a Bootstrap icon, `word`
    what it is called.
    """

    hue: str
    icon: str
    word: str


def state_look(state: str) -> Look:
    """Return how a message's state looks; a word we do not know is shown as it is."""
    return MESSAGES.get(state) or Look("none", "circle", state.replace("_", " ").capitalize())


def connection_look(state: str | None) -> Look:
    """Return how a connection's state looks; None is an integration nobody connected yet."""
    return CONNECTIONS.get(state or "") or NOT_SET_UP


def request_look(state: str) -> Look:
    """Return how a signing request's state looks."""
    return REQUESTS.get(state) or state_look(state)


def signer_look(state: str) -> Look:
    """Return how a signer's state looks."""
    return SIGNERS.get(state) or state_look(state)


def channel_title(channel: str) -> str:
    """Return a channel's name as a heading writes it."""
    return CHANNELS.get(channel) or channel.capitalize()


MESSAGES: dict[str, Look] = {
    Status.QUEUED: Look("queued", "clock", "Queued"),
    Status.SENDING: Look("sending", "arrow-up-right-square", "Sending"),
    Status.UNKNOWN: Look("unknown", "question-diamond-fill", "Unknown"),
    Status.SUPPRESSED: Look("suppressed", "slash-circle", "Suppressed"),
    Status.CANCELED: Look("canceled", "x-lg", "Canceled"),
    Status.EXPIRED: Look("expired", "hourglass-bottom", "Expired"),
    Status.ACCEPTED: Look("accepted", "check2", "Accepted"),
    Status.SENT: Look("sent", "send", "Sent"),
    Status.FAILED: Look("failed", "x-octagon-fill", "Failed"),
    Status.UNDELIVERED: Look("undelivered", "arrow-return-left", "Undelivered"),
    Status.DELIVERED: Look("delivered", "check-circle-fill", "Delivered"),
    Status.READ: Look("read", "eye-fill", "Read"),
}

NOT_SET_UP = Look("none", "plus-circle", "Not set up")
CONNECTIONS: dict[str, Look] = {
    ConnectionState.NEW: Look("disabled", "toggle-off", "Not enabled yet"),
    ConnectionState.ENABLED: Look("enabled", "toggle-on", "Enabled"),
    ConnectionState.DISABLED: Look("disabled", "toggle-off", "Disabled"),
    ConnectionState.BROKEN: Look("broken", "exclamation-triangle-fill", "Broken"),
    provider_health.UNREACHABLE: Look("unknown", "cloud-slash", "Not reachable"),
    provider_health.SLOWED: Look("queued", "hourglass-split", "Slowed down"),
    "destination": Look("queued", "hourglass-split", "Posts paused"),
    "archived": Look("disabled", "archive", "Archived"),
}

REQUESTS: dict[str, Look] = {
    RequestState.OPEN: Look("sending", "pen", "Open"),
    RequestState.COMPLETED: Look("delivered", "check-circle-fill", "Completed"),
    RequestState.DECLINED: Look("failed", "x-octagon-fill", "Declined"),
    RequestState.EXPIRED: Look("expired", "hourglass-bottom", "Expired"),
    RequestState.CANCELED: Look("canceled", "x-lg", "Canceled"),
}

SIGNERS: dict[str, Look] = {
    SignerState.PENDING: Look("queued", "hourglass-split", "Has to sign"),
    SignerState.VIEWED: Look("read", "eye-fill", "Opened it"),
    SignerState.SIGNED: Look("delivered", "check-circle-fill", "Signed"),
    SignerState.DECLINED: Look("failed", "x-octagon-fill", "Declined"),
}

CHANNELS: dict[str, str] = {
    Channel.SMS: "SMS",
    Channel.WHATSAPP: "WhatsApp",
    Channel.VOICE: "Voice",
    Channel.EMAIL: "E-mail",
    Channel.CHAT: "Chat",
    Channel.WEBHOOK: "Webhook",
}
