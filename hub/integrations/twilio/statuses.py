"""Statuses of messages as Twilio reports them, with their codes, segments and prices."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from hub.integrations.api import Price, Status, StatusUpdate, WebhookRequest
from hub.integrations.twilio.errors import error_of, explain
from hub.integrations.twilio.inbound import said

OUTSIDE_WINDOW = "63016"
# Twilio's words; a word that is missing here is stored and changes nothing
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
# the fields of a callback that platform events carry; the whole form stays on the callback
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
    form = said(request)
    query = request.query
    word = form.get("MessageStatus") or form.get("SmsStatus", "")
    code = form.get("ErrorCode", "")
    attempt = query.get("attempt", "")
    return StatusUpdate(
        message_id=query.get("message", ""),
        attempt=int(attempt) if attempt.isdecimal() and len(attempt) < 6 else 0,
        provider_id=form.get("MessageSid") or form.get("SmsSid", ""),
        status=STATUSES.get(word),
        provider_status=word,
        code=code,
        reason=meaning_of(code),  # Twilio's own text may hold the number
        segments=segment_count(form.get("NumSegments")),
        outside_window=code == OUTSIDE_WINDOW,
        error=error_of(code),
        details={name: form[name] for name in REPORTED_FIELDS if name in form},
    )


def meaning_of(code: str) -> str:
    """Return the cause of a code in a sentence; "" for an unknown code."""
    known = explain(code) if code else None
    return known.text if known else ""


def segment_count(text: Any) -> int | None:
    """Return the number of segments; None while Twilio does not know it."""
    number = str(text or "")
    return int(number) if re.fullmatch(r"[1-9][0-9]{0,3}", number) else None  # "0": not known yet


def price_of(amount: Any, currency: Any) -> Price | None:
    """Return what a message cost; None where Twilio does not say it."""
    number = str(amount)
    known = re.fullmatch(r"-?[0-9]{1,6}(\.[0-9]{1,6})?", number)
    if not known or not re.fullmatch("[A-Z]{3}", str(currency)):
        return None
    return Price(Decimal(number.lstrip("-")), currency)
