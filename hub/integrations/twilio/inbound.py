"""Read messages that people send to a Twilio number: texts, files, button presses.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urljoin

from hub.integrations.api import (
    Address,
    Attachment,
    Channel,
    ConnectFailed,
    Inbound,
    PermanentError,
    ProviderHttpClient,
    ResponseLost,
    TransientError,
    WebhookRequest,
    phones,
)
from hub.integrations.twilio.kinds import contents

WHATSAPP = "whatsapp:"
MAX_FILES = 10
# statuses of a person's message that only handlers receive
HANDLER_RECEIPTS = {"receiving": "The provider is receiving a message of a contact"}
OPT_OUT_TYPES = {"STOP": "stop", "START": "start", "HELP": "help"}
MAX_FILE_SIZE = 16 * 1024 * 1024  # bytes
HOPS = 4
MAX_NAME_LENGTH = 200  # characters of a person's name or ID
# a business-scoped user ID, such as US.13491208655302741918: a country, a dot, letters and digits
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
# numbers that replace a withheld one: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on a
# keypad https://help.twilio.com/articles/223179988
WITHHELD = ("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253")
OFFICIAL = "https://api.twilio.com/"


def read_inbound(form: Mapping[str, str]) -> Inbound:
    """Read the form of a person's message."""
    channel = Channel.WHATSAPP if form.get("From", "").lower().startswith(WHATSAPP) else Channel.SMS
    kind, address = _person(form)
    external = without_channel(form.get("ExternalUserId", ""))
    return Inbound(
        provider_id=form.get("MessageSid") or form.get("SmsSid", ""),
        channel=channel,
        senders=_senders(form, WHATSAPP if channel == Channel.WHATSAPP else ""),
        kind=kind,
        address=address,
        external_id=external if external != address else "",
        name=form.get("ProfileName") or ("" if address else form.get("From", "")[:MAX_NAME_LENGTH]),
        text=_text(form),
        media=_files(form),
        contents=contents(form),
        button=form.get("ButtonPayload") or form.get("ButtonText") or form.get("ListId", ""),
        receipt=inbound_status(form),
        in_reply_to=form.get("OriginalRepliedMessageSid", ""),
        keyword=OPT_OUT_TYPES.get(form.get("OptOutType", "").upper(), ""),
    )


def inbound_status(form: Mapping[str, str]) -> str:
    """Return the status of a person's message that only handlers receive, or ""."""
    status = (form.get("MessageStatus") or form.get("SmsStatus", "")).lower()
    return status if status in HANDLER_RECEIPTS else ""


def _person(form: Mapping[str, str]) -> tuple[Address, str]:
    """Return the kind and the address of a person: the number, or WhatsApp's ID for this business.

    The address is "" if no reply is possible: the number is withheld, or the sender is a name or
    a short code, which cannot receive replies.
    """
    sent_from = without_channel(form.get("From", ""))
    for number in (_with_plus(form.get("From", "")), f"+{form.get('WaId', '')}"):
        with suppress(ValueError):
            if number not in WITHHELD:
                return Address.PHONE, phones.parse_typed(number)
    user_id = sent_from if _USER_ID.fullmatch(sent_from) else ""
    external = without_channel(form.get("ExternalUserId", "")) or user_id
    return Address.EXTERNAL, external if len(external) <= MAX_NAME_LENGTH else ""


def _with_plus(sent_from: str) -> str:
    """Return a sender with the plus sign that form decoding or WhatsApp removed."""
    number = without_channel(sent_from)
    lost_plus = sent_from.startswith(" ") or sent_from.strip().lower().startswith(WHATSAPP)
    return f"+{number}" if lost_plus and re.fullmatch(r"[1-9][0-9]{9,14}", number) else number


def _text(form: Mapping[str, str]) -> str:
    """Return the text that a person wrote, or that of the button or list entry they chose."""
    if form.get("MessageType", "").lower() == "reaction":
        return ""
    return form.get("Body") or form.get("ButtonText") or form.get("ListTitle", "")


def _senders(form: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    """Return the receivers of a message: a number in all its forms, and its Messaging Service.

    The settings may contain the number in another form.
    """
    to = without_channel(form.get("To", ""))
    try:
        names = dict.fromkeys([to, *phones.written_forms(phones.parse_strict(to))])
    except ValueError:
        names = dict.fromkeys([to])
    return tuple(prefix + name for name in [*names, form.get("MessagingServiceSid", "")] if name)


def without_channel(address: str) -> str:
    """Return an address without its channel, which Twilio adds as in rcs:+13175550142."""
    return _CHANNEL_PREFIX.sub("", address.strip()).strip()


# https://www.twilio.com/docs/messaging/channels
_CHANNEL_PREFIX = re.compile(r"^(whatsapp|rcs|sms|mms):", re.IGNORECASE)


def _files(form: Mapping[str, str]) -> tuple[Attachment, ...]:
    # NumMedia is not read, because it may be missing
    return tuple(
        Attachment(url, form.get(f"MediaContentType{number}", ""))
        for number in range(MAX_FILES)
        if (url := form.get(f"MediaUrl{number}", ""))
    )


def parse_fields(request: WebhookRequest) -> Mapping[str, str]:
    """Return the fields of a webhook, from a form or from a JSON object with the same names."""
    if request.form or not request.headers.get("content-type", "").lower().startswith(
        "application/json"
    ):
        return request.form
    return {name: value for name, value in request.json.items() if isinstance(value, str)}


def fetch_file(
    url: str, base: str, http: ProviderHttpClient, account: tuple[str, str]
) -> tuple[str, bytes]:
    """Return the content type and the content of a file that a person sent.

    Twilio may require the credentials, and redirects to the server that stores the file.
    """
    if url.startswith(OFFICIAL):  # a configured proxy or simulator also replaces this host
        url = base + url.removeprefix(OFFICIAL.rstrip("/"))
    if not url.startswith(base + "/"):
        raise PermanentError("The file URL is not on a Twilio host.", "bad_address")
    headers = {"Authorization": "Basic " + b64encode(":".join(account).encode()).decode()}
    for _ in range(HOPS):
        try:
            response = http.request("GET", url, headers=headers, largest=MAX_FILE_SIZE)
        except (ConnectFailed, ResponseLost) as error:
            raise TransientError(f"Could not reach Twilio: {error}", "unreachable") from None
        if response.status in (301, 302, 303, 307, 308) and response.headers.get("location"):
            try:
                url = urljoin(url, response.headers["location"])
                headers = {}  # other servers must not receive the credentials
            except ValueError:
                break
            continue
        if response.status != 200:
            raise PermanentError(
                f"Twilio returned HTTP {response.status}. The file may have been deleted there.",
                str(response.status),
            )
        content_type = response.headers.get("content-type", "application/octet-stream")
        return content_type.partition(";")[0].strip(), response.body
    raise PermanentError("The file URL redirects too many times.", "bad_address")
