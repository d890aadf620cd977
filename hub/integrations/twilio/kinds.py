"""Determine the kind of a webhook of Twilio by its fields, and read contents other than text.

https://www.twilio.com/docs/messaging/guides/webhook-request
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from hub.integrations.api import Content, inbound_contents

RECEIVED = ("received", "receiving")
SIDS = ("MessageSid", "SmsSid", "SmsMessageSid")
# a message of a person has at least one of these fields, and a status callback has none
CONTENT = frozenset(
    {
        "Body",
        "NumMedia",
        "MediaUrl0",
        "Latitude",
        "Longitude",
        "ButtonText",
        "ButtonPayload",
        "ListId",
        "InteractiveData",
        "MessageType",
        "ReferralBody",
        "ReferralSourceId",
    }
)
# fields of other products whose webhooks the same account may sign, with their subjects
OTHER_PRODUCTS = {
    "ConversationSid": "a conversation of Twilio Conversations",
    "ChannelSid": "a channel of Programmable Chat",
    "VerificationSid": "a verification of Twilio Verify",
    "FaxSid": "a fax",
    "RoomSid": "a video room",
    "TaskSid": "a task of TaskRouter",
    "FlowSid": "a flow of Twilio Studio",
    "PayloadType": "the debugger of the Twilio Console",
}
# prefixes of addresses on supported channels; RCS, SMS and MMS are one channel
SUPPORTED = ("whatsapp", "rcs", "sms", "mms")
SHOWN = 60  # characters of Twilio's event names in sentences


class Kind(StrEnum):
    """The kinds of webhooks."""

    INBOUND = "inbound"
    STATUS = "status"
    CALL = "call"
    OTHER = "other"


def classify_webhook(form: Mapping[str, str]) -> Kind:
    """Return whether a form is a person's message, the status of one that was sent, or of a call.

    A person's message has the status `received`, and never that of an outgoing message. It may have
    no `Body`, for example if it is a picture, a location or a click of a button.
    """
    status = (form.get("MessageStatus") or form.get("SmsStatus", "")).lower()
    if "CallSid" in form and not status:
        return Kind.CALL
    has_content = not CONTENT.isdisjoint(form)
    is_other_product = not status and not OTHER_PRODUCTS.keys().isdisjoint(form)
    if is_other_product or (has_content and _unsupported_channel(form)):
        return Kind.OTHER
    if status in RECEIVED and (has_content or "MessageStatus" not in form):
        return Kind.INBOUND
    if "MessageStatus" in form or "SmsStatus" in form:
        return Kind.STATUS
    return Kind.INBOUND if has_content and any(form.get(name) for name in SIDS) else Kind.OTHER


def _unsupported_channel(form: Mapping[str, str]) -> str:
    """Return the unsupported channel in a sender's address, such as `messenger`."""
    prefix = _PREFIX.match(form.get("From", ""))
    return "" if prefix is None or prefix[1].lower() in SUPPORTED else prefix[1]


_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,29}):")


def describe(form: Mapping[str, str]) -> str:
    """Describe a webhook that is neither a message nor a status, in a sentence."""
    subject = next((subject for name, subject in OTHER_PRODUCTS.items() if name in form), "")
    event = form.get("EventType") or form.get("CallStatus") or form.get("StatusCallbackEvent", "")
    detail = f" ({event[:SHOWN]})" if event else ""
    if channel := _unsupported_channel(form):
        return f"This message arrived over {channel}, which no integration supports."
    if subject:
        return f"This webhook is about {subject}{detail}, which Signpost does not process."
    return f"This webhook is neither a message nor a message status{detail}."


def contents(form: Mapping[str, str]) -> tuple[Content, ...]:
    """Return the contents of a person's message other than text, files and buttons."""
    contents = (_main_content(form), _referral(form))
    return tuple(content for content in contents if content is not None)


def _main_content(form: Mapping[str, str]) -> Content | None:
    kind = form.get("MessageType", "").lower()
    entries = form.get("InteractiveData") or form.get("FlowData", "")
    if "Latitude" in form or "Longitude" in form or kind == "location":
        location = inbound_contents.location(
            form.get("Latitude"),
            form.get("Longitude"),
            form.get("Label", ""),
            form.get("Address", ""),
        )
        return location or (inbound_contents.other("location") if _is_empty(form) else None)
    if kind == "reaction":
        emoji = form.get("ReactionEmoji") or form.get("Body", "")
        return inbound_contents.reaction(emoji, form.get("OriginalRepliedMessageSid", ""))
    if kind == "sticker":
        return inbound_contents.sticker()
    if entries:
        return inbound_contents.form(entries)
    if kind in ("", "text") or not _is_empty(form):
        return None
    return inbound_contents.other(kind)


def _is_empty(form: Mapping[str, str]) -> bool:
    """Return whether a message has no text, no file and no choice of a button or list entry."""
    visible = ("Body", "MediaUrl0", "ButtonText", "ButtonPayload", "ListId", "ListTitle")
    return not any(form.get(name) for name in visible)


def _referral(form: Mapping[str, str]) -> Content | None:
    names = ("Headline", "Body", "SourceUrl", "SourceType", "SourceId")
    return inbound_contents.referral(*(form.get(f"Referral{name}", "") for name in names))
