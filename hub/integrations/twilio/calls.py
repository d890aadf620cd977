"""Read the webhooks of calls: statuses, pressed keys, and people who call back.

https://www.twilio.com/docs/voice/api/call-resource#statuscallback
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hub.integrations.api import (
    CallInProgress,
    CallOptOut,
    CallReport,
    Feedback,
    Status,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
    phones,
)
from hub.integrations.twilio.errors import ERRORS, reported_error
from hub.integrations.twilio.speech import MAX_READINGS, STOP

NO_KEY = "no_key"
INBOUND = "inbound"
# by Twilio's name of the status
STATUSES = {
    "queued": Status.ACCEPTED,
    "initiated": Status.ACCEPTED,
    "ringing": Status.ACCEPTED,
    "in-progress": Status.SENT,
    # a voicemail is completed too, so only a pressed key proves that a person heard the text
    "completed": Status.UNDELIVERED,
    "busy": Status.UNDELIVERED,
    "no-answer": Status.UNDELIVERED,
    "canceled": Status.UNDELIVERED,
    "failed": Status.UNDELIVERED,
}
# codes of Signpost, because Twilio reports none for them
CODES = {
    "completed": NO_KEY,
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "call_canceled",
    "failed": "call_failed",
}
CALLED_AGAIN = ("busy", "no-answer")
UNANSWERED = ("busy", "no-answer", "canceled", "failed")  # Twilio charges nothing for them
EVENTS = {
    "queued": "it waits at the provider",
    "initiated": "the provider started it",
    "ringing": "the phone rings",
    "in_progress": "a person or a voicemail answered",
    "completed": "it was answered and has ended. A voicemail is completed, too",
    "busy": "the line was busy",
    "failed": "it could not be made",
    "no_answer": "nobody answered",
    "canceled": "it was canceled before it was answered",
}
REPORTED_FIELDS = (
    "CallSid",
    "AccountSid",
    "To",
    "From",
    "CallStatus",
    "CallDuration",
    "SequenceNumber",
    "SipResponseCode",
    "ErrorCode",
)


def read_call(request: WebhookRequest, form: Mapping[str, str]) -> list[WebhookEvent]:
    """Return the event in a webhook of a call."""
    status = form.get("CallStatus", "")
    has_message = bool(request.query.get("message"))
    if "Digits" in form and not has_message:
        return [_opted_out(form)] if form["Digits"] == STOP and person(form) else []
    if form.get("Digits"):
        return [_heard(request, form)]
    if status not in STATUSES:
        return [Unrecognized(description=f"Signpost does not know the call status {status[:60]}.")]
    return [_status(request, form)] if has_message else [_foreign(form)]


def _status(request: WebhookRequest, form: Mapping[str, str]) -> StatusUpdate:
    status = form["CallStatus"]
    return call_status(
        status,
        form.get("ErrorCode", ""),
        **_reference(request),
        provider_id=form.get("CallSid", ""),
        at=_time(form),
        details={name: form[name] for name in REPORTED_FIELDS if name in form},
    )


def call_status(status: str, code: str = "", **fields: Any) -> StatusUpdate:
    """Return the status of a call by Twilio's name of it, and its error code, if any."""
    meaning = STATUSES.get(status)
    code = code if meaning is not Status.UNDELIVERED or code else CODES[status]
    known = ERRORS.codes.get(code)
    return StatusUpdate(
        status=meaning,
        provider_status=status,
        code=code,
        # the key can be reported before or after the end of its call, so the end does not deny it
        reason=known.text if known and code != NO_KEY else "",
        error=None if code in CODES.values() else reported_error(code),
        event=status.replace("-", "_") if status in STATUSES else "",
        try_again=status in CALLED_AGAIN,
        free=status in UNANSWERED,
        **fields,
    )


def _heard(request: WebhookRequest, form: Mapping[str, str]) -> StatusUpdate:
    """Return the proof that a person heard the text: any key that was pressed."""
    key = form["Digits"][:1]
    return StatusUpdate(
        **_reference(request),
        provider_id=form.get("CallSid", ""),
        status=Status.DELIVERED,
        provider_status=f"key {key}".strip(),
        feedback=Feedback.UNSUBSCRIBED if key == STOP else None,
        details={name: form[name] for name in REPORTED_FIELDS if name in form},
    )


def _foreign(form: Mapping[str, str]) -> CallReport:
    """Return the status of a call that another program or a person made."""
    return CallReport(
        provider_id=form.get("CallSid", ""),
        at=_time(form),
        event=form["CallStatus"].replace("-", "_"),
        senders=_senders(form),
        address=person(form),
    )


def _opted_out(form: Mapping[str, str]) -> CallOptOut:
    return CallOptOut(
        provider_id=form.get("CallSid", ""),
        at=_time(form),
        senders=_senders(form),
        address=person(form),
        text=form["Digits"],
    )


def needs_answer(request: WebhookRequest, form: Mapping[str, str]) -> CallInProgress | None:
    """Return the call that needs TwiML in the response, or None for a status callback."""
    if "CallSid" not in form:
        return None
    reference = _reference(request)
    if "Digits" in form and reference["message_id"]:
        return CallInProgress(**reference)
    is_new_call = form.get("Direction") == INBOUND and "SequenceNumber" not in form
    if "Digits" in form or (is_new_call and form.get("CallStatus") in ("ringing", "in-progress")):
        return CallInProgress(senders=_senders(form), address=person(form))
    return None


def reading(request: WebhookRequest) -> int:
    """Return which reading of the text a pressed key follows, from 1."""
    number = request.query.get("reading", "")
    return min(int(number), MAX_READINGS) if number.isdecimal() and len(number) < 3 else 1


def callback_detail(request: WebhookRequest, form: Mapping[str, str]) -> str:
    """Return what distinguishes the webhooks of one call: the status, or the key and its turn."""
    if "Digits" in form:
        return f"key:{reading(request)}:{form['Digits'][:20]}"
    return f"{form.get('CallStatus', '')}:{form.get('ErrorCode', '')}"


def person(form: Mapping[str, str]) -> str:
    """Return the number of the person in a call, or '' if it is withheld."""
    written = form.get("From" if form.get("Direction") == INBOUND else "To", "")
    with suppress(ValueError):
        return phones.parse_typed(written)
    return ""


def _senders(form: Mapping[str, str]) -> tuple[str, ...]:
    """Return the possible names of the number of the account in a call."""
    written = form.get("To" if form.get("Direction") == INBOUND else "From", "").strip()
    with suppress(ValueError):
        return tuple(dict.fromkeys((written, *phones.written_forms(phones.parse_strict(written)))))
    return (written,)


def _reference(request: WebhookRequest) -> dict[str, Any]:
    attempt = request.query.get("attempt", "")
    return {
        "message_id": request.query.get("message", ""),
        "attempt": int(attempt) if attempt.isdecimal() and len(attempt) < 6 else 0,
    }


def _time(form: Mapping[str, str]) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError):
        at = parsedate_to_datetime(form.get("Timestamp", ""))
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    return None
