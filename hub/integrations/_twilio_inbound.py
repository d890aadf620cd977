"""What people send to a Twilio number: texts, files, presses of buttons.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urljoin

from hub import phones
from hub.errors import PermanentError, TransientError
from hub.http import Door, NoAnswer, NotSent
from hub.integrations.base import Attached, Inbound, WebhookRequest
from hub.vocabulary import Address, Channel

WHATSAPP = "whatsapp:"
MOST_FILES = 10
OPT_OUT_TYPES = {"STOP": "stop", "START": "start", "HELP": "help"}
LARGEST_FILE = 16 * 1024 * 1024  # bytes
HOPS = 4
OFFICIAL = "https://api.twilio.com/"


def read_inbound(form: Mapping[str, str]) -> Inbound:
    """Read the form of a person's message."""
    channel = Channel.WHATSAPP if form.get("From", "").lower().startswith(WHATSAPP) else Channel.SMS
    kind, address = _person(form)
    external = bare(form.get("ExternalUserId", ""))
    return Inbound(
        provider_id=form.get("MessageSid") or form.get("SmsSid", ""), channel=channel,
        senders=_senders(form, WHATSAPP if channel == Channel.WHATSAPP else ""),
        kind=kind, address=address, external_id=external if external != address else "", name=form.get("ProfileName", ""),
        text=form.get("Body", ""), media=_files(form), button=form.get("ButtonPayload") or form.get("ListId", ""),
        answers=form.get("OriginalRepliedMessageSid", ""), keyword=OPT_OUT_TYPES.get(form.get("OptOutType", ""), ""),
    )  # fmt: skip


def _person(form: Mapping[str, str]) -> tuple[Address, str]:
    """Return by what a person is known: their number, else the id that WhatsApp gives them for this business."""
    sent_from = bare(form.get("From", ""))
    for number in (sent_from, f"+{form.get('WaId', '')}"):
        with suppress(ValueError):
            return Address.PHONE, phones.clean(number)
    return Address.EXTERNAL, bare(form.get("ExternalUserId", "")) or sent_from


def _senders(form: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    """Return what a message was sent to: a number in each of its forms, since the account may know it by another one."""
    to = bare(form.get("To", ""))
    try:
        names = dict.fromkeys([to, *phones.forms(phones.clean(to))])
    except ValueError:
        names = dict.fromkeys([to])
    return tuple(prefix + name for name in [*names, form.get("MessagingServiceSid", "")] if name)


def bare(address: str) -> str:
    """Return an address without the name of its channel, which Twilio puts before it: rcs:+13175550142 is that number."""
    return _CHANNEL.sub("", address.strip())


# https://www.twilio.com/docs/messaging/channels
_CHANNEL = re.compile(r"^(whatsapp|rcs|sms|mms):", re.IGNORECASE)


def _files(form: Mapping[str, str]) -> tuple[Attached, ...]:
    count = form.get("NumMedia", "0")
    most = min(int(count), MOST_FILES) if count.isdecimal() and len(count) < 4 else 0
    return tuple(
        Attached(url, form.get(f"MediaContentType{n}", "")) for n in range(most) if (url := form.get(f"MediaUrl{n}", ""))
    )  # fmt: skip


def said(request: WebhookRequest) -> Mapping[str, str]:
    """Return the fields of a webhook: those of its form, or the texts of a JSON object, which says the same by the same names."""
    if request.form or not request.headers.get("content-type", "").lower().startswith("application/json"):
        return request.form
    return {name: value for name, value in request.json.items() if isinstance(value, str)}


def is_inbound(form: Mapping[str, str]) -> bool:
    """Tell whether a form is a person's message rather than a status of ours: they may arrive at the same address."""
    return "MessageStatus" not in form and "Body" in form


def fetch_file(url: str, base: str, door: Door, account: tuple[str, str]) -> tuple[str, bytes]:
    """Return a file that a person sent: content type and content. Twilio may ask who wants it, and sends on to where it lies."""
    if url.startswith(OFFICIAL):  # whatever speaks for Twilio here speaks for this host too
        url = base + url.removeprefix(OFFICIAL.rstrip("/"))
    if not url.startswith(base + "/"):
        raise PermanentError("The file is not one of this provider’s.", "bad_address")
    headers = {"Authorization": "Basic " + b64encode(":".join(account).encode()).decode()}
    for _ in range(HOPS):
        try:
            answer = door.request("GET", url, headers=headers, largest=LARGEST_FILE)
        except (NotSent, NoAnswer) as problem:
            raise TransientError(f"Twilio was not reached: {problem}", "unreachable") from None
        if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("location"):
            try:
                url, headers = urljoin(url, answer.headers["location"]), {}  # elsewhere the credentials are nobody's business
            except ValueError:
                break
            continue
        if answer.status != 200:
            raise PermanentError(f"Twilio answered HTTP {answer.status}. It may have been deleted there.", str(answer.status))
        return answer.headers.get("content-type", "application/octet-stream").partition(";")[0].strip(), answer.body
    raise PermanentError("The file leads on and on.", "bad_address")
