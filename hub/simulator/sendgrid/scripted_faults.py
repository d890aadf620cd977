"""Recipients that fail on purpose, with the responses and the events that SendGrid documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.simulator.fault import Fault

DOMAIN = "sendgrid.example"
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Refused(Fault):
    """A recipient for whom the API refuses the request. `error` is `errors[].message`."""

    field: str | None = None

    @property
    def answer(self) -> str:
        return super().answer.replace("posted", "accepted")


@dataclass(frozen=True)
class Reported(Fault):
    """A recipient whose email is accepted, with these events in this order."""

    events: tuple[Event, ...] = field(default_factory=tuple)
    repeats: bool = False  # every request with events is sent twice

    @property
    def answer(self) -> str:
        return self.error


PROCESSED: Event = {"event": "processed"}
DELIVERED: Event = {"event": "delivered", "response": "250 OK"}


def _bounce(kind: str, status: str, classification: str, reason: str) -> Event:
    return {
        "event": "bounce",
        "type": kind,
        "status": status,
        "bounce_classification": classification,
        "reason": reason,
    }


def _dropped(reason: str) -> Event:
    return {"event": "dropped", "reason": reason}


BOUNCED = _bounce("bounce", "5.1.1", "Invalid Address", "550 5.1.1 The account does not exist")
BLOCKED = _bounce("blocked", "5.7.1", "Content", "550 5.7.1 Message content rejected")
FULL = _bounce("blocked", "4.2.2", "Mailbox Unavailable", "452 4.2.2 The mailbox is full")
GMAIL = _bounce("blocked", "5.7.26", "Reputation", "550 5.7.26 This mail is unauthenticated")
EXPIRED = _bounce("expired", "", "Technical", "Message expired after 72 hours")
SPAM: Event = {"event": "spamreport"}
UNSUBSCRIBED: Event = {"event": "unsubscribe"}


def _refused(
    name: str, status: int, error: str, title: str, field: str | None = None, **more: Any
) -> Refused:
    return Refused(f"{name}@{DOMAIN}", error, title, status=status, field=field, **more)


GRANT = "The provided authorization grant is invalid, expired, or revoked"
SENDER = "The from address does not match a verified Sender Identity."
REFUSING = (
    _refused("key", 401, GRANT, "API key is not valid"),
    _refused("credits", 401, "Maximum credits exceeded", "No sends are left"),
    _refused("permission", 403, "access forbidden", "Key may not send"),
    _refused("sender", 403, SENDER, "From address is not verified", "from"),
    _refused("suspended", 403, "Your account is suspended.", "Account is suspended"),
    _refused(
        "invalid",
        400,
        "Does not contain a valid address.",
        "Address is not valid",
        "personalizations.0.to.0.email",
    ),
    _refused("content", 400, "Bad Request", "Request is not valid"),
    _refused("large", 413, "Payload Too Large", "Email is too large"),
    _refused("rate", 429, "too many requests", "Rate limited", fails_once=True),
)
LOSING = (
    _refused("error", 500, "Internal Server Error", "Fails, and does not send"),
    _refused("unavailable", 503, "Service Unavailable", "Is not available"),
    _refused("lost", 500, "Internal Server Error", "Fails after it accepted", breaks=True),
    _refused("silent", 202, "", "No response in time", hangs=60),
)


def _reported(name: str, title: str, shown: str, *events: Event, repeats: bool = False) -> Reported:
    return Reported(f"{name}@{DOMAIN}", shown, title, events=events, repeats=repeats)


DEFERRED: Event = {"event": "deferred", "response": "451 4.7.1 Try again later", "attempt": "1"}
REPORTING = (
    _reported(
        "deferred", "Delivered later", "Deferred, then delivered", PROCESSED, DEFERRED, DELIVERED
    ),
    _reported("bounce", "Mailbox does not exist", "Bounce 5.1.1", PROCESSED, BOUNCED),
    _reported(
        "late-bounce",
        "Returned after delivery",
        "Delivered, then bounce",
        PROCESSED,
        DELIVERED,
        BOUNCED,
    ),
    _reported("blocked", "Content is rejected", "Blocked 5.7.1", PROCESSED, BLOCKED),
    _reported("full", "Mailbox is full", "Blocked 4.2.2", PROCESSED, FULL),
    _reported("gmail", "No SPF or DKIM, as Gmail says", "Blocked 5.7.26", PROCESSED, GMAIL),
    _reported("expired", "Deferred for 72 hours", "Expired", PROCESSED, EXPIRED),
    _reported("dropped-bounced", "Bounced before", "Dropped", _dropped("Bounced Address")),
    _reported("dropped-invalid", "Address is not valid", "Dropped", _dropped("Invalid")),
    _reported(
        "dropped-unsubscribed", "Unsubscribed before", "Dropped", _dropped("Unsubscribed Address")
    ),
    _reported(
        "dropped-complaint", "Reported spam before", "Dropped", _dropped("Spam Reporting Address")
    ),
    _reported(
        "dropped-spam",
        "Spam checker rejects it",
        "Dropped",
        _dropped("Spam Content (if Spam Checker app enabled)"),
    ),
    _reported(
        "dropped-quota",
        "No sends are left",
        "Dropped",
        _dropped("Recipient List over Package Quota"),
    ),
    _reported("complaint", "Reports it as spam", "Spam report", PROCESSED, DELIVERED, SPAM),
    _reported(
        "unsubscribe", "Unsubscribes at SendGrid", "Unsubscribe", PROCESSED, DELIVERED, UNSUBSCRIBED
    ),
    _reported("twice", "Events arrive twice", "Delivered", PROCESSED, DELIVERED, repeats=True),
    _reported("backwards", "Events arrive in reverse order", "Delivered", DELIVERED, PROCESSED),
)
ALL_REFUSED = (*REFUSING, *LOSING)
# what the page can report about any email
BY_NAME: Mapping[str, Event] = {
    "bounce": BOUNCED,
    "blocked": BLOCKED,
    "spamreport": SPAM,
    "unsubscribe": UNSUBSCRIBED,
}


def events_for(recipient: str) -> tuple[tuple[Event, ...], bool]:
    """Return the events of an accepted email, and whether they are sent twice."""
    for reported in REPORTING:
        if reported.address == recipient:
            return reported.events, reported.repeats
    return (PROCESSED, DELIVERED), False
