"""Tell what a webhook of Twilio is, by the fields that define it, and read contents other than
text.

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
# a message of a person has at least one of these, and a status callback none
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
# fields of products whose webhooks may be signed by the same account, with what each is
STRANGERS = {
    "CallSid": "a call",
    "ConversationSid": "a conversation of Twilio Conversations",
    "ChannelSid": "a channel of Programmable Chat",
    "VerificationSid": "a verification of Twilio Verify",
    "FaxSid": "a fax",
    "RoomSid": "a video room",
    "TaskSid": "a task of TaskRouter",
    "FlowSid": "a flow of Twilio Studio",
    "PayloadType": "the debugger of the Twilio Console",
}
# before the addresses of channels that an integration carries; RCS, SMS and MMS are one channel
# here
CARRIED = ("whatsapp", "rcs", "sms", "mms")
SHOWN = 60  # characters of what Twilio says that appear in a sentence


class Kind(StrEnum):
    """The kinds of webhooks."""

    INBOUND = "inbound"
    STATUS = "status"
    OTHER = "other"


def kind_of(form: Mapping[str, str]) -> Kind:
    """Tell whether a form is a person's message, the status of a sent message, or neither.

    A person's message says `received` and never the status of an outgoing one. It needs no `Body`:
    a picture, a location or a button has none.
    """
    word = (form.get("MessageStatus") or form.get("SmsStatus", "")).lower()
    holds = not CONTENT.isdisjoint(form)
    strange = not word and not STRANGERS.keys().isdisjoint(form)
    if strange or (holds and _medium(form)):
        return Kind.OTHER
    if word in RECEIVED and (holds or "MessageStatus" not in form):
        return Kind.INBOUND
    if "MessageStatus" in form or "SmsStatus" in form:
        return Kind.STATUS
    return Kind.INBOUND if holds and any(form.get(name) for name in SIDS) else Kind.OTHER


def _medium(form: Mapping[str, str]) -> str:
    """Return the unsupported medium in a sender's address, such as `messenger`."""
    found = _PREFIX.match(form.get("From", ""))
    return "" if found is None or found[1].lower() in CARRIED else found[1]


_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,29}):")


def described(form: Mapping[str, str]) -> str:
    """Say in a sentence what a webhook is that is neither a message nor a status."""
    about = next((what for name, what in STRANGERS.items() if name in form), "")
    event = form.get("EventType") or form.get("CallStatus") or form.get("StatusCallbackEvent", "")
    said = f" ({event[:SHOWN]})" if event else ""
    if medium := _medium(form):
        return f"This message arrived over {medium}, which no integration supports."
    if about:
        return f"This webhook is about {about}{said}, which Signpost does not process."
    return f"This webhook is neither a message nor a message status{said}."


def contents(form: Mapping[str, str]) -> tuple[Content, ...]:
    """Return what a person sent beside text, files and buttons."""
    found = (_main(form), _referral(form))
    return tuple(one for one in found if one is not None)


def _main(form: Mapping[str, str]) -> Content | None:
    kind = form.get("MessageType", "").lower()
    entries = form.get("InteractiveData") or form.get("FlowData", "")
    if "Latitude" in form or "Longitude" in form or kind == "location":
        where = (form.get("Latitude"), form.get("Longitude"))
        place = inbound_contents.location(*where, form.get("Label", ""), form.get("Address", ""))
        return place or (inbound_contents.other("location") if _says_nothing(form) else None)
    if kind == "reaction":
        emoji = form.get("ReactionEmoji") or form.get("Body", "")
        return inbound_contents.reaction(emoji, form.get("OriginalRepliedMessageSid", ""))
    if kind == "sticker":
        return inbound_contents.sticker()
    if entries:
        return inbound_contents.form(entries)
    return (
        inbound_contents.other(kind) if _says_nothing(form) and kind not in ("", "text") else None
    )


def _says_nothing(form: Mapping[str, str]) -> bool:
    shown = ("Body", "MediaUrl0", "ButtonText", "ButtonPayload", "ListId", "ListTitle")
    return not any(form.get(name) for name in shown)


def _referral(form: Mapping[str, str]) -> Content | None:
    names = ("Headline", "Body", "SourceUrl", "SourceType", "SourceId")
    return inbound_contents.referral(*(form.get(f"Referral{name}", "") for name in names))
