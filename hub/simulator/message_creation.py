"""Check and create a new message, as Twilio does before it returns 201."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from hub.lib import phones
from hub.simulator import scripted_numbers, segments, whatsapp
from hub.simulator.account import TRIAL_NOTICE
from hub.simulator.content_templates import (
    ERROR_BY_STATUS,
    Filled,
    Template,
    fill,
    variables,
)
from hub.simulator.context import SimulatorContext
from hub.simulator.errors import RestError
from hub.simulator.store import Message

E164 = re.compile(r"\+[1-9]\d{6,14}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+")
MAX_BODY_LENGTH = 1600
MAX_VALIDITY = 36_000
# seconds from now for which a message may be scheduled
EARLIEST_SCHEDULE = 15 * 60
LATEST_SCHEDULE = 35 * 24 * 3600


def create_message(
    form: Mapping[str, str], media: list[str], simulator: SimulatorContext
) -> Message:
    """Check a create request and return its message.

    Raises RestError with Twilio's code for the first error.
    """
    to, sender, service = (form.get(name, "") for name in ("To", "From", "MessagingServiceSid"))
    body = form.get("Body", "")
    if not to:
        raise RestError(21604)
    if not sender and not service:
        raise RestError(21603)
    template = _template(form, simulator)
    _check_content(body, media, template)
    _check_numbers(to, sender, service, simulator)
    _check_options(form)
    now = time.time()
    starts_at = _scheduled_time(form, service, now)
    filled_template = (
        fill(template, variables(form.get("ContentVariables", ""))) if template else None
    )
    text = (TRIAL_NOTICE if simulator.account.trial and not _on_whatsapp(to) else "") + (
        filled_template.body if filled_template else body
    )
    status = "accepted" if service else "queued"
    if starts_at > now:
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
        starts_at=starts_at,
        updated=now,
        failure_code=_failure_code(to, template, filled_template, simulator)
        if _on_whatsapp(to)
        else 0,
        content=template.sid if template else "",
        buttons=filled_template.buttons if filled_template else "",
    )


def _template(form: Mapping[str, str], simulator: SimulatorContext) -> Template | None:
    sid = form.get("ContentSid", "")
    if not sid:
        if form.get("ContentVariables"):
            raise RestError(21654)
        return None
    template = simulator.templates.get(sid)
    if template is None:
        raise RestError(21655, sid)
    return template


def _on_whatsapp(address: str) -> bool:
    return address.startswith(scripted_numbers.PREFIX)


def _failure_code(
    to: str,
    template: Template | None,
    filled_template: Filled | None,
    simulator: SimulatorContext,
) -> int:
    """Return the code with which WhatsApp fails this message after accepting it, or 0."""
    recipient = scripted_numbers.recipient(to)
    if recipient.error and not (template and recipient.accepts_templates):
        return recipient.error
    if (
        template
        and filled_template
        and (code := filled_template.error or ERROR_BY_STATUS.get(template.status, 0))
    ):
        return code
    approved = template is not None and template.status == "approved"
    return (
        0
        if approved or simulator.windows.seconds_left(whatsapp.sender(simulator.account), to)
        else 63016
    )


def _check_content(body: str, media: list[str], template: Template | None) -> None:
    if not body and not media and not template:
        raise RestError(21602)
    if len(body) > MAX_BODY_LENGTH:
        raise RestError(21617)
    if len(media) > 10:
        raise RestError(21623)
    for url in media:
        if not is_url(url):
            raise RestError(21620, url)


def _check_numbers(to: str, sender: str, service: str, simulator: SimulatorContext) -> None:
    account = simulator.account
    if service and not re.fullmatch(r"MG[0-9a-f]{32}", service):
        raise RestError(21705, service)
    if service and service != account.credentials.messaging_service_sid:
        raise RestError(21701, service)
    _check_channels(to, sender, simulator)
    number = to.removeprefix(scripted_numbers.PREFIX)
    if _on_whatsapp(to) and whatsapp.PERSON.fullmatch(number):
        return
    if not E164.fullmatch(number):
        raise RestError(21211, to)
    try:
        phones.parse_strict(number)  # accepts a number in any national format
    except ValueError:
        raise RestError(21211, to) from None
    if to == sender:
        raise RestError(21266, to)
    if _on_whatsapp(to):
        return
    if rejected_sender := scripted_numbers.sender(sender):
        raise RestError(rejected_sender.refuses, sender)
    if sender and sender != account.credentials.phone_number:
        raise RestError(21606 if E164.fullmatch(sender) else 21659, sender)
    if code := scripted_numbers.recipient(to).refuses:
        raise RestError(code, to)


def _check_channels(to: str, sender: str, simulator: SimulatorContext) -> None:
    for address in (to, sender):
        if ":" in address and not _on_whatsapp(address):
            raise RestError(30015, address)
    if sender and _on_whatsapp(to) != _on_whatsapp(sender):
        raise RestError(30016)
    if _on_whatsapp(sender) and sender != whatsapp.sender(simulator.account):
        raise RestError(63007, sender)


def _check_options(form: Mapping[str, str]) -> None:
    callback = form.get("StatusCallback", "")
    if callback and not is_url(callback):
        raise RestError(21609, callback)
    validity = form.get("ValidityPeriod", "")
    if validity and not (validity.isdecimal() and 1 <= int(validity) <= MAX_VALIDITY):
        raise RestError(21624, validity)


def _scheduled_time(form: Mapping[str, str], service: str, now: float) -> float:
    kind = form.get("ScheduleType", "")
    send_at = form.get("SendAt", "")
    if not kind and not send_at:
        return now
    if kind != "fixed":
        raise RestError(20001, "ScheduleType")
    if not send_at:
        raise RestError(35111)
    if not service:
        raise RestError(35118)
    try:
        parsed_time = datetime.fromisoformat(send_at)
    except ValueError:
        raise RestError(20001, "SendAt") from None
    starts_at = parsed_time.replace(tzinfo=parsed_time.tzinfo or UTC).timestamp()
    if not now + EARLIEST_SCHEDULE <= starts_at <= now + LATEST_SCHEDULE:
        raise RestError(35114)
    return starts_at


def is_url(text: str) -> bool:
    """Return whether Twilio accepts this URL.

    It needs http or https, a host without underscores, and printable ASCII characters only.
    """
    if not re.fullmatch(r"https?://[!-~]+", text, re.IGNORECASE):
        return False
    try:
        parts = urlsplit(text)
        return bool(HOST.fullmatch(parts.hostname or "")) and (parts.port or 1) > 0
    except ValueError:
        return False
