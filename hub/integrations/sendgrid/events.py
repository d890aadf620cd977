"""Read the events of SendGrid, which report the delivery of messages.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hub.integrations.api import (
    Feedback,
    Status,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
    emails,
    json_objects,
    quoted,
    read_reference,
    readable,
    times,
)
from hub.integrations.sendgrid.errors import ERRORS
from hub.integrations.sendgrid.mail_send import REFERENCE

# events that report the progress of a message
STATUSES = {"processed": Status.ACCEPTED, "delivered": Status.DELIVERED}
BOUNCES = ("bounce", "blocked", "expired")  # types of bounces
# events that the recipient caused. Opening and clicking is not tracked, so it is not read either.
UNSUBSCRIBED = {"unsubscribe", "group_unsubscribe"}
IGNORED = {"open", "click", "group_resubscribe", "account_status_change"}
# reasons of a dropped message, in lower case
DROPPED = {
    "bounced address": "dropped_bounced",
    "invalid": "dropped_invalid",
    "unsubscribed address": "dropped_unsubscribed",
    "spam reporting address": "dropped_complained",
    "spam content (if spam checker app enabled)": "dropped_spam",
    "spam content": "dropped_spam",
    "recipient list over package quota": "dropped_quota",
}
DROPPED_FEEDBACK = {
    "dropped_unsubscribed": Feedback.UNSUBSCRIBED,
    "dropped_complained": Feedback.COMPLAINED,
}
# classes of bounces that do not concern the address
NOT_THE_ADDRESS = {"content", "reputation", "frequency/volume", "technical", "mailbox unavailable"}
FULL = ("4.2.2", "5.2.2")
_ENHANCED = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")


def events_of(body: bytes) -> list[WebhookEvent]:
    """Return the events of messages in a request. Those of other software are skipped.

    An event of an unknown kind is reported only if it is alone, because it would hold the others.
    """
    try:
        events = json_objects(json.loads(body))
    except (ValueError, RecursionError):
        return [Unrecognized(description="SendGrid sent a request that is not a list of events.")]
    read = [found for event in events if (found := _event(event)) is not None]
    return [event for event in read if not isinstance(event, Unrecognized)] or read


def _event(event: Mapping[str, Any]) -> WebhookEvent | None:
    reference = read_reference(event.get(REFERENCE))
    name = str(event.get("event") or "")
    if not reference or name in IGNORED:
        return None
    update = _update(name, event)
    if update is None:
        kind = quoted(readable(name[:50]))
        return Unrecognized(description=f"SendGrid sent an event of the kind {kind}.")
    return replace(update, at=times.from_unix(event.get("timestamp")), **reference)


def _update(name: str, event: Mapping[str, Any]) -> StatusUpdate | None:
    if name == "deferred":
        return ERRORS.update("deferred", None, name)
    if name in STATUSES:
        return StatusUpdate(status=STATUSES[name], provider_status=name)
    if name == "bounce":
        code = _bounce_code(event)
        kind = event.get("type")
        update = ERRORS.update(code, Status.UNDELIVERED, kind if kind in BOUNCES else name)
        return replace(update, feedback=Feedback.BOUNCED)
    if name == "dropped":
        code = DROPPED.get(str(event.get("reason") or "").strip().lower(), "dropped_other")
        update = ERRORS.update(code, Status.FAILED, name)
        return replace(update, feedback=DROPPED_FEEDBACK.get(code))
    if name == "spamreport":
        reason = "The recipient reported the message as spam."
        return StatusUpdate(provider_status=name, reason=reason, feedback=Feedback.COMPLAINED)
    if name in UNSUBSCRIBED:
        reason = "The recipient unsubscribed at SendGrid."
        return StatusUpdate(provider_status=name, reason=reason, feedback=Feedback.UNSUBSCRIBED)
    return None


def _bounce_code(event: Mapping[str, Any]) -> str:
    """Return the code of a bounce.

    Only the type `bounce` means that the address does not exist. `blocked` means that the mail
    server did not want this message.
    """
    found = _ENHANCED.search(f"{event.get('status') or ''} {event.get('reason') or ''}")
    enhanced = found[1] if found else ""
    if enhanced in emails.UNAUTHENTICATED:
        return enhanced
    if enhanced in FULL:
        return "blocked_full"
    kind = str(event.get("type") or "")
    if kind == "expired":
        return "expired"
    classification = str(event.get("bounce_classification") or "").lower()
    is_dead = kind == "bounce" and not enhanced.startswith("4.")
    return "bounced" if is_dead and classification not in NOT_THE_ADDRESS else "blocked"
