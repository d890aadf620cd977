"""Post messages of the people behind the phones, signed, to the account's address for incoming
messages.

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

from hub.simulator import callbacks, media, segments, whatsapp
from hub.simulator.context import Bench
from hub.simulator.scripted_numbers import PREFIX
from hub.simulator.store import Message

CHANNELS = ("sms", "whatsapp")
DEFAULT_PATH = "/api/rpc/webhooks/twilio/inbound"
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
LOOK_BACK = 50  # so many messages of a chat are looked through for what is answered


@dataclass(frozen=True)
class Reply:
    """A person's message: a text, a button press (by title or id), a sample image, or several of
    these.
    """

    phone: str  # a number, or the user id of somebody without one
    channel: str = "sms"
    text: str = ""
    button: str = ""
    media: bool = False
    external_id: str = ""  # beside a number


def is_phone(text: str) -> bool:
    """Tell whether somebody could write from this: a number, or the user id of a person without
    one.
    """
    return bool(NUMBER.fullmatch(text) or whatsapp.PERSON.fullmatch(text))


def address(here: Bench) -> str:
    """Return where messages are posted: as set at the number, else beside the status callbacks
    seen, else at the hub.
    """
    return (
        here.account.sms_url
        or here.account.seen_url
        or here.config.public_url.rstrip("/") + DEFAULT_PATH
    )


def learn(here: Bench, callback: str) -> None:
    """Derive the address from a status callback: the same place, its last part replaced by
    `inbound`.
    """
    parts = urlsplit(callback)
    if parts.netloc:
        path = parts.path.rstrip("/").rpartition("/")[0] + "/inbound"
        here.account.see(urlunsplit((parts.scheme, parts.netloc, path, "", parts.fragment)))


def write(reply: Reply, here: Bench) -> Message:
    """Take what a person wrote and post it; return it with what the hub answered.

    Raise ValueError for what cannot be.
    """
    _check(reply)
    prefix = PREFIX if reply.channel == "whatsapp" else ""
    person = prefix + reply.phone
    before = list(reversed(here.store.chat(person, LOOK_BACK)))
    button = _find_button(reply.button, before)
    message = _message(
        reply,
        text=reply.text or button.title,
        sender=person,
        recipient=prefix + here.account.credentials.phone_number,
        service=next((one.service for one in before if not one.inbound), ""),
    )
    here.store.add(message)
    fields = _fields(message, here)
    if reply.media:
        fields |= _media_fields(message, here)
    if reply.channel == "whatsapp":
        here.windows.open(message.recipient, person)
        fields |= _whatsapp_fields(reply, button, message.recipient)
    return _post(message, fields, here)


def _check(reply: Reply) -> None:
    on_whatsapp = reply.channel == "whatsapp"
    if reply.channel not in CHANNELS:
        raise ValueError(f"Choose {' or '.join(CHANNELS)} as the channel, not {reply.channel!r}.")
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
        starts=now,
        updated=now,
        sent=now,
        direction="inbound",
    )


def _post(message: Message, fields: dict[str, str], here: Bench) -> Message:
    """Post a message to the hub, send what its answer says, and return the message with it."""
    failure, status, body = callbacks.call(
        address(here),
        fields,
        here.account,
        token=callbacks.idempotency_token(message, "received"),
        subject=message.sid,
    )
    if not failure:
        _answer(body, message, here)
    here.store.change(message.sid, answer=str(status or failure))
    return replace(message, answer=str(status or failure))


@dataclass(frozen=True)
class PressedButton:
    """A button that a person pressed, and the message it stands on; None if none was pressed."""

    message: Message | None = None
    title: str = ""
    id: str = ""


def _find_button(button: str, before: list[Message]) -> PressedButton:
    """Find a button by its title or id on the newest message that has it.

    Raise ValueError if there is none.
    """
    if not button:
        return PressedButton()
    for message in before:
        for one in json.loads(message.buttons or "[]"):
            if button in (one.get("id"), one["title"]):
                return PressedButton(message, one["title"], one.get("id", one["title"]))
    raise ValueError(f"No message on this phone has a button {button!r}.")


def _media_fields(message: Message, here: Bench) -> dict[str, str]:
    image = media.Fetched("image/png", "signature.png", media.sample())
    kept = here.media.add(message.sid, "", image)
    return {
        "MediaUrl0": here.config.simulator_url + kept.path(here.account.sid),
        "MediaContentType0": kept.type,
    }


def _fields(message: Message, here: Bench) -> dict[str, str]:
    fields = {
        "AccountSid": here.account.sid,
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


def _whatsapp_fields(reply: Reply, button: PressedButton, ours: str) -> dict[str, str]:
    fields = {"ProfileName": "Ada Byron", "MessageType": "image" if reply.media else "text"}
    if reply.phone.startswith("+"):
        fields["WaId"] = reply.phone.lstrip("+")
    if external := reply.external_id or ("" if reply.phone.startswith("+") else reply.phone):
        fields["ExternalUserId"] = PREFIX + external.removeprefix(PREFIX)
    if button.message:
        fields |= {
            "MessageType": "button",
            "ButtonText": button.title,
            "ButtonPayload": button.id,
            "OriginalRepliedMessageSid": button.message.sid,
            "OriginalRepliedMessageSender": ours,
        }
    return fields


def _answer(twiml: bytes, message: Message, here: Bench) -> None:
    """Send what the answer's TwiML says, if it says anything; what is no TwiML says nothing."""
    try:
        messages = ElementTree.fromstring(twiml).iter("Message")  # noqa: S314 - the hub's own
        said = [(node.findtext("Body") or node.text or "").strip() for node in messages]
    except ElementTree.ParseError:
        return
    for text in filter(None, said):
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
            starts=now,
            updated=now,
            direction="outbound-reply",
        )
        here.store.add(answer)
        here.timeline.follow(answer)
