"""Statuses of messages as Twilio reports them, with their codes, segments and prices."""

from __future__ import annotations

import re
from typing import Any

from hub.integrations.api import Status, StatusUpdate, WebhookRequest
from hub.integrations.twilio.errors import ERRORS, reported_error
from hub.integrations.twilio.inbound import parse_fields

OUTSIDE_WINDOW = "63016"
# by Twilio's name of the status; other names are stored, and do not change the message
STATUSES = {
    "accepted": Status.ACCEPTED,
    "scheduled": Status.ACCEPTED,
    "queued": Status.ACCEPTED,
    "sending": Status.ACCEPTED,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "partially_delivered": Status.DELIVERED,
    "read": Status.READ,
    "undelivered": Status.UNDELIVERED,
    "failed": Status.FAILED,
}
# those that only handlers receive
HANDLER_STATUSES = {"queued": "the provider queued it", "sending": "the provider is sending it"}
# fields of a callback that platform events include; the callback itself stores the whole form
REPORTED_FIELDS = (
    "MessageSid",
    "AccountSid",
    "To",
    "From",
    "ErrorCode",
    "ErrorMessage",
    "NumSegments",
    "MessageStatus",
    "MessagingServiceSid",
)


def read_status(request: WebhookRequest) -> StatusUpdate:
    """Read a message's status callback."""
    form = parse_fields(request)
    query = request.query
    status_name = form.get("MessageStatus") or form.get("SmsStatus", "")
    code = form.get("ErrorCode", "")
    attempt = query.get("attempt", "")
    return StatusUpdate(
        message_id=query.get("message", ""),
        attempt=int(attempt) if attempt.isdecimal() and len(attempt) < 6 else 0,
        provider_id=form.get("MessageSid") or form.get("SmsSid", ""),
        status=STATUSES.get(status_name),
        provider_status=status_name,
        code=code,
        reason=explain_code(code),  # Twilio's own text may contain the number
        handler_status=status_name if status_name in HANDLER_STATUSES else "",
        segments=segment_count(form.get("NumSegments")),
        outside_window=code == OUTSIDE_WINDOW,
        error=reported_error(code),
        details={name: form[name] for name in REPORTED_FIELDS if name in form},
    )


def explain_code(code: str) -> str:
    """Return the cause of a code in a sentence, or "" for an unknown code."""
    known = ERRORS.codes.get(code)
    return known.text if known else ""


def segment_count(text: Any) -> int | None:
    """Return the number of segments, or None while Twilio does not know it, and reports "0"."""
    number = str(text or "")
    return int(number) if re.fullmatch(r"[1-9][0-9]{0,3}", number) else None
