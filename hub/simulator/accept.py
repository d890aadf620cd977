"""Taking a message, or refusing it: what Twilio checks before it answers 201."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from hub.lib import phones
from hub.simulator import content, scripted_numbers, segments, whatsapp
from hub.simulator.account import TRIAL_NOTICE
from hub.simulator.context import Bench
from hub.simulator.errors import RestError
from hub.simulator.store import Message

E164 = re.compile(r"\+[1-9]\d{6,14}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+")
LONGEST_BODY = 1600
LONGEST_VALIDITY = 36_000
SOONEST = 15 * 60
LATEST = 35 * 24 * 3600  # how far ahead a message may be scheduled, seconds


def message(form: Mapping[str, str], media: list[str], here: Bench) -> Message:
    """Check a create request and make its message; raise RestError with Twilio's code for the first
    thing wrong.
    """
    to, sender, service = (form.get(name, "") for name in ("To", "From", "MessagingServiceSid"))
    body = form.get("Body", "")
    if not to:
        raise RestError(21604)
    if not sender and not service:
        raise RestError(21603)
    template = _template(form, here)
    _check_content(body, media, template)
    _check_numbers(to, sender, service, here)
    _check_options(form)
    now = time.time()
    starts = _schedule(form, service, now)
    filled = (
        content.fill(template, content.variables(form.get("ContentVariables", "")))
        if template
        else None
    )
    text = (TRIAL_NOTICE if here.account.trial and not _on_whatsapp(to) else "") + (
        filled.body if filled else body
    )
    status = "accepted" if service else "queued"
    if starts > now:
        status = "scheduled"
    return Message(
        sid=("MM" if media or template else "SM") + secrets.token_hex(16),
        recipient=to,
        sender=sender,
        service=service,
        body=text,
        media=len(media),
        segments=segments.count(text),
        status=status,
        error=0,
        callback=form.get("StatusCallback", ""),
        created=now,
        starts=starts,
        updated=now,
        fate=_fate(to, template, filled, here) if _on_whatsapp(to) else 0,
        content=template.sid if template else "",
        buttons=filled.buttons if filled else "",
    )


def _template(form: Mapping[str, str], here: Bench) -> content.Template | None:
    sid = form.get("ContentSid", "")
    if not sid:
        if form.get("ContentVariables"):
            raise RestError(21654)
        return None
    template = here.templates.get(sid)
    if template is None:
        raise RestError(21655, sid)
    return template


def _on_whatsapp(address: str) -> bool:
    return address.startswith(scripted_numbers.PREFIX)


def _fate(
    to: str, template: content.Template | None, filled: content.Filled | None, here: Bench
) -> int:
    """Find the code with which WhatsApp will refuse this message after it was accepted; 0: it will
    not.
    """
    habit = scripted_numbers.recipient(to)
    if habit.error and not (template and habit.takes_templates):
        return habit.error
    if template and filled and (code := filled.error or content.REFUSED.get(template.status, 0)):
        return code
    approved = template is not None and template.status == "approved"
    return 0 if approved or here.windows.left(whatsapp.sender(here.account), to) else 63016


def _check_content(body: str, media: list[str], template: content.Template | None) -> None:
    if not body and not media and not template:
        raise RestError(21602)
    if len(body) > LONGEST_BODY:
        raise RestError(21617)
    if len(media) > 10:
        raise RestError(21623)
    for url in media:
        if not is_url(url):
            raise RestError(21620, url)


def _check_numbers(to: str, sender: str, service: str, here: Bench) -> None:
    account = here.account
    if service and not re.fullmatch(r"MG[0-9a-f]{32}", service):
        raise RestError(21705, service)
    if service and service != account.credentials.messaging_service_sid:
        raise RestError(21701, service)
    _check_channels(to, sender, here)
    number = to.removeprefix(scripted_numbers.PREFIX)
    if _on_whatsapp(to) and whatsapp.PERSON.fullmatch(number):
        return
    if not E164.fullmatch(number):
        raise RestError(21211, to)
    try:
        phones.parse_strict(number)  # a number in any form that a country's carriers write
    except ValueError:
        raise RestError(21211, to) from None
    if to == sender:
        raise RestError(21266, to)
    if _on_whatsapp(to):
        return
    if refused := scripted_numbers.sender(sender):
        raise RestError(refused.refuses, sender)
    if sender and sender != account.credentials.phone_number:
        raise RestError(21606 if E164.fullmatch(sender) else 21659, sender)
    if code := scripted_numbers.recipient(to).refuses:
        raise RestError(code, to)


def _check_channels(to: str, sender: str, here: Bench) -> None:
    for address in (to, sender):
        if ":" in address and not _on_whatsapp(address):
            raise RestError(30015, address)
    if sender and _on_whatsapp(to) != _on_whatsapp(sender):
        raise RestError(30016)
    if _on_whatsapp(sender) and sender != whatsapp.sender(here.account):
        raise RestError(63007, sender)


def _check_options(form: Mapping[str, str]) -> None:
    callback = form.get("StatusCallback", "")
    if callback and not is_url(callback):
        raise RestError(21609, callback)
    validity = form.get("ValidityPeriod", "")
    if validity and not (validity.isdecimal() and 1 <= int(validity) <= LONGEST_VALIDITY):
        raise RestError(21624, validity)


def _schedule(form: Mapping[str, str], service: str, now: float) -> float:
    kind = form.get("ScheduleType", "")
    at = form.get("SendAt", "")
    if not kind and not at:
        return now
    if kind != "fixed":
        raise RestError(20001, "ScheduleType")
    if not at:
        raise RestError(35111)
    if not service:
        raise RestError(35118)
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        raise RestError(20001, "SendAt") from None
    starts = when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    if not now + SOONEST <= starts <= now + LATEST:
        raise RestError(35114)
    return starts


def is_url(text: str) -> bool:
    """Tell whether Twilio would take this as a URL: http or https, a host without underscore, no
    odd characters.
    """
    if not re.fullmatch(r"https?://[!-~]+", text, re.IGNORECASE):
        return False
    try:
        parts = urlsplit(text)
        return bool(HOST.fullmatch(parts.hostname or "")) and (parts.port or 1) > 0
    except ValueError:
        return False
