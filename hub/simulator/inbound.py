"""Post messages from the simulated phones, signed, to the account's address for inbound messages.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree

from hub.core.quotes import quoted
from hub.simulator import callbacks, media, segments, whatsapp
from hub.simulator.context import SimulatorContext
from hub.simulator.scripted_numbers import PREFIX
from hub.simulator.store import Message

CHANNELS = ("sms", "whatsapp")
DEFAULT_PATH = "/api/rpc/webhooks/twilio/inbound"
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
SEARCHED_MESSAGES = 50  # newest messages of a chat that are searched for a button


@dataclass(frozen=True)
class Reply:
    """A person's message: text, a pressed button (title or ID), a sample image, or several of
    these.
    """

    phone: str  # a number, or the user ID of a person without one
    channel: str = "sms"
    text: str = ""
    button: str = ""
    media: bool = False
    external_id: str = ""  # in addition to a number


def is_phone(text: str) -> bool:
    """Return whether a person can send messages from this address: a number, or a user ID without a
    number.
    """
    return bool(NUMBER.fullmatch(text) or whatsapp.PERSON.fullmatch(text))


def inbound_address(simulator: SimulatorContext) -> str:
    """Return the address for inbound messages.

    It is the number's own, or one derived from a status callback, or the hub's default.
    """
    return (
        simulator.account.sms_url
        or simulator.account.seen_url
        or simulator.config.public_url.rstrip("/") + DEFAULT_PATH
    )


def remember_inbound_address(simulator: SimulatorContext, callback: str) -> None:
    """Derive the inbound address from a status callback: its last path part becomes `inbound`."""
    parts = urlsplit(callback)
    if parts.netloc:
        path = parts.path.rstrip("/").rpartition("/")[0] + "/inbound"
        simulator.account.remember_possible_url(
            urlunsplit((parts.scheme, parts.netloc, path, "", parts.fragment))
        )


def post_reply(reply: Reply, simulator: SimulatorContext) -> Message:
    """Store a message from a person and post it; return it with the hub's response.

    Raises ValueError for invalid values.
    """
    _check(reply)
    prefix = PREFIX if reply.channel == "whatsapp" else ""
    person = prefix + reply.phone
    recent_messages = list(reversed(simulator.store.chat(person, SEARCHED_MESSAGES)))
    button = _find_button(reply.button, recent_messages)
    message = _message(
        reply,
        text=reply.text or button.title,
        sender=person,
        recipient=prefix + simulator.account.credentials.phone_number,
        service=next((recent.service for recent in recent_messages if not recent.inbound), ""),
    )
    simulator.store.add(message)
    fields = _fields(message, simulator)
    if reply.media:
        fields |= _media_fields(message, simulator)
    if reply.channel == "whatsapp":
        simulator.windows.open(message.recipient, person)
        fields |= _whatsapp_fields(reply, button, message.recipient)
    return _post(message, fields, simulator)


def _check(reply: Reply) -> None:
    on_whatsapp = reply.channel == "whatsapp"
    if reply.channel not in CHANNELS:
        raise ValueError(
            f"Choose {' or '.join(CHANNELS)} as the channel, not {quoted(reply.channel)}."
        )
    if not is_phone(reply.phone) or (not on_whatsapp and not NUMBER.fullmatch(reply.phone)):
        raise ValueError(
            "Enter a phone number such as +13175551234, or for WhatsApp a user ID such as"
            " US.13491208655302741918."
        )
    if not (reply.text or reply.button or reply.media):
        raise ValueError("Enter a text, press a button or attach the sample image.")


def _message(reply: Reply, *, text: str, sender: str, recipient: str, service: str) -> Message:
    now = time.time()
    return Message(
        sid=("MM" if reply.media else "SM") + secrets.token_hex(16),
        recipient=recipient,
        sender=sender,
        service=service,
        body=text,
        media=int(reply.media),
        segments=segments.count(text),
        status="received",
        error=0,
        callback="",
        created=now,
        starts_at=now,
        updated=now,
        sent=now,
        direction="inbound",
    )


def _post(message: Message, fields: dict[str, str], simulator: SimulatorContext) -> Message:
    """Post a message to the hub, send the replies in its response, and return the message
    with it.
    """
    failure, status, body = callbacks.call(
        inbound_address(simulator),
        fields,
        simulator.account,
        token=callbacks.idempotency_token(message, "received"),
        subject=message.sid,
    )
    if not failure:
        _send_answers(body, message, simulator)
    simulator.store.change(message.sid, answer=str(status or failure))
    return replace(message, answer=str(status or failure))


@dataclass(frozen=True)
class PressedButton:
    """A pressed button and its message, which is None if no button was pressed."""

    message: Message | None = None
    title: str = ""
    id: str = ""


def _find_button(button: str, messages: list[Message]) -> PressedButton:
    """Find a button by its title or ID on the newest message that has it.

    Raises ValueError if there is none.
    """
    if not button:
        return PressedButton()
    for message in messages:
        for candidate in json.loads(message.buttons or "[]"):
            if button in (candidate.get("id"), candidate["title"]):
                return PressedButton(
                    message, candidate["title"], candidate.get("id", candidate["title"])
                )
    raise ValueError(f"No message on this phone has a button {quoted(button)}.")


def _media_fields(message: Message, simulator: SimulatorContext) -> dict[str, str]:
    image = media.Fetched("image/png", "signature.png", media.sample_image())
    stored = simulator.media.add(message.sid, "", image)
    return {
        "MediaUrl0": simulator.config.simulator_url + stored.path(simulator.account.sid),
        "MediaContentType0": stored.type,
    }


def _fields(message: Message, simulator: SimulatorContext) -> dict[str, str]:
    fields = {
        "AccountSid": simulator.account.sid,
        "ApiVersion": "2010-04-01",
        "Body": message.body,
        "From": message.sender,
        "MessageSid": message.sid,
        "NumMedia": str(message.media),
        "NumSegments": str(message.segments),
        "SmsMessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsStatus": "received",
        "To": message.recipient,
    }
    return fields | ({"MessagingServiceSid": message.service} if message.service else {})


def _whatsapp_fields(reply: Reply, button: PressedButton, own_address: str) -> dict[str, str]:
    fields = {"ProfileName": "Ada Byron", "MessageType": "image" if reply.media else "text"}
    if reply.phone.startswith("+"):
        fields["WaId"] = reply.phone.lstrip("+")
    if external_id := reply.external_id or ("" if reply.phone.startswith("+") else reply.phone):
        fields["ExternalUserId"] = PREFIX + external_id.removeprefix(PREFIX)
    if button.message:
        fields |= {
            "MessageType": "button",
            "ButtonText": button.title,
            "ButtonPayload": button.id,
            "OriginalRepliedMessageSid": button.message.sid,
            "OriginalRepliedMessageSender": own_address,
        }
    return fields


def _send_answers(twiml: bytes, message: Message, simulator: SimulatorContext) -> None:
    """Send the messages in a TwiML response. A response that is not TwiML is ignored."""
    try:
        messages = ElementTree.fromstring(twiml).iter("Message")  # noqa: S314 - the hub's own
        texts = [(node.findtext("Body") or node.text or "").strip() for node in messages]
    except ElementTree.ParseError:
        return
    for text in filter(None, texts):
        now = time.time()
        answer = Message(
            sid="SM" + secrets.token_hex(16),
            recipient=message.sender,
            sender=message.recipient,
            service="",
            body=text,
            media=0,
            segments=segments.count(text),
            status="queued",
            error=0,
            callback="",
            created=now,
            starts_at=now,
            updated=now,
            direction="outbound-reply",
        )
        simulator.store.add(answer)
        simulator.timeline.follow(answer)
