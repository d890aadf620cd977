"""Values about phone calls that integrations receive and return."""

from __future__ import annotations

from dataclasses import dataclass

from hub.integrations.values import WebhookEvent


@dataclass(frozen=True)
class CallReport(WebhookEvent):
    """A status of a call that belongs to no message: another program or a person made it.

    `event` is the name of the platform event without its prefix. `senders` are possible names of
    the connection's number, and `address` is the person's number in normal form, or "".
    """

    event: str = ""
    senders: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True)
class CallOptOut(WebhookEvent):
    """An opt-out by a key, during a call to one of the connection's numbers."""

    senders: tuple[str, ...] = ()
    address: str = ""
    text: str = ""  # the pressed keys


@dataclass(frozen=True)
class CallInProgress:
    """A call that waits for a text to speak: about a message, or with a person who called back."""

    message_id: str = ""
    attempt: int = 0
    senders: tuple[str, ...] = ()
    address: str = ""
