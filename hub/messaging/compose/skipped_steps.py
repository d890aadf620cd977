"""Steps that create no message, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SkippedStep:
    """A step that creates no message, and the reason."""

    signer: str  # '': the team
    step: str
    reason: str
    role: str | None = None  # of the person in the request; None: the team

    def as_json(self) -> dict[str, Any]:
        return {
            "signer": self.signer,
            "role": self.role,
            "step": self.step,
            "reason": self.reason,
            "text": REASONS.get(self.reason, self.reason),
        }


LINK_EXPIRED = "link_expired"
ALREADY_NOTIFIED = "already_notified"
NOT_INVITED = "not_invited"
# reasons for which a step is skipped by choice, not because of a problem
EXPECTED = ("no_connection", "connection_broken", "no_consent", "paid_channel", "window_closed")
REASONS = {
    "no_address": "The signer has no address for this channel. Add one in the signing app.",
    "not_wanted": "The signing app excluded this address.",
    "no_connection": (
        "No enabled connection sends over this channel. A test key uses test connections only."
    ),
    "connection_off": (
        "The connection that posts this event to the team is not enabled. Enable it, or"
        " change the events that it posts."
    ),
    "bad_address": "This channel cannot send to this kind of address.",
    "already_signed": "The signer has already signed or declined.",
    "not_their_turn": "Other signers sign first.",
    "request_closed": "The request is completed, declined, expired or canceled.",
    "request_expired": "The request has expired.",
    "connection_broken": "The connection of this channel does not send now, and another does.",
    "no_consent": "The channel requires a consent, and none is recorded for this address.",
    "paid_channel": "The route uses paid channels only while few signatures are missing.",
    "window_closed": (
        "The person has not written recently, and no approved template has this text."
    ),
    ALREADY_NOTIFIED: "The event was sent to this address already.",
    "opted_out": "The recipient opted out, and the route does not continue after an opt-out.",
    "snoozed": "Reminders to this signer are snoozed.",
    "reminded_recently": "The signer was reminded within the last hour.",
    "repeated": "This notification was already sent.",
    "own_action": "The sender is the person whom the event is about.",
    "request_completed": "The notification that the request is completed was sent instead.",
    NOT_INVITED: "The invitation of this signer is scheduled for later, or was canceled.",
    "outdated": "A newer event has changed the state of the request.",
    "text_incomplete": (
        "The text needs a value that the request does not have. Send the value, or change the text."
    ),
    LINK_EXPIRED: "The link in the message has expired. Post the event with a current link.",
    "too_long": "The text is longer than the channel allows, even without the document's title.",
}
