"""Titles of events and of message templates, as an admin reads them."""

from __future__ import annotations

from hub.core.vocabulary import Channel, EventType
from hub.models import Template

EVENT_TITLES = {
    EventType.SENT: "Document sent",
    EventType.VIEWED: "Document opened by a signer",
    EventType.SIGNED: "Document signed by a signer",
    EventType.DECLINED: "Signing declined by a signer",
    EventType.COMPLETED: "Request completed",
    EventType.REMINDER: "Reminder sent to signers",
    EventType.EXPIRED: "Request expired",
    EventType.CANCELED: "Request canceled by the sender",
}
TEMPLATE_TITLES = {
    "request_sent": "Signature requested",
    "request_signed_others": "Signed by another signer",
    "request_signed_actor": "Signature recorded",
    "request_completed": "Document completed",
    "request_reminder": "Reminder to sign",
}


def template_title(template: Template) -> str:
    """Return the title of a template: of its own, or that of its event for a post to a team."""
    if template.channel == Channel.CHAT and template.event_type in {*EventType}:
        return f"Team post: {EVENT_TITLES[EventType(template.event_type)]}"
    return TEMPLATE_TITLES.get(template.name, template.name.replace("_", " ").capitalize())
