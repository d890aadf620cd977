"""Titles of events and of message templates, as pages show them."""

from __future__ import annotations

from hub.core.vocabulary import Audience, EventType
from hub.models import Template

EVENT_TITLES = {
    EventType.SENT: "Document sent",
    EventType.VIEWED: "Document opened by a signer",
    EventType.SIGNED: "Document signed by a signer",
    EventType.DECLINED: "Signing declined by a signer",
    EventType.COMPLETED: "Document completed",
    EventType.REMINDER: "Reminder sent to signers",
    EventType.EXPIRED: "Request expired",
    EventType.CANCELED: "Request canceled by the sender",
}
TEMPLATE_TITLES = {
    "request_sent": "Document sent",
    "request_reminder": "Reminder to sign",
    "request_viewed_sender": "Opened, to the sender",
    "request_signed_actor": "Signature recorded",
    "request_signed_others": "Signed by another signer",
    "request_signed_sender": "Signed, to the sender",
    "request_declined_sender": "Declined, to the sender",
    "request_declined_others": "Declined, to those who signed",
    "request_completed": "Document completed",
    "request_completed_sender": "Document completed, to the sender",
    "request_completed_observers": "Document completed, to observers",
    "request_expired_sender": "Expired, to the sender",
    "request_expired_others": "Expired, to those who signed",
    "request_canceled": "Request canceled",
}
AUDIENCE_TITLES = {
    Audience.SIGNER: "To the signer",
    Audience.OTHERS: "To the other signers",
    Audience.SENDER: "To the sender",
    Audience.OBSERVERS: "To observers",
    Audience.TEAM: "Post to a team",
}


def template_title(template: Template) -> str:
    """Return the title of a template, or that of its event for a post to a team."""
    if template.audience == Audience.TEAM and template.event_type in {*EventType}:
        return f"Team post: {EVENT_TITLES[EventType(template.event_type)]}"
    return TEMPLATE_TITLES.get(template.name, template.name.replace("_", " ").capitalize())
