"""Phone numbers that fail on purpose. The simulator and its page use the same rows.

+1500555000x are those of Twilio's test credentials
(https://www.twilio.com/docs/iam/test-credentials). The others belong to the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.core.vocabulary import Status


@dataclass(frozen=True)
class Step:
    """One step of a message: `after` so many seconds it gets a `status` ('' leaves it unchanged).

    `callbacks` are the statuses that are posted to its status callback.
    """

    after: float
    status: str
    callbacks: tuple[str, ...]


DELIVERED = (Step(0.15, "sent", ("sent",)), Step(0.35, "delivered", ("delivered",)))
READ = (*DELIVERED, Step(0.55, "read", ("read",)))
WITHOUT_CALLBACKS = (Step(0.15, "sent", ()), Step(0.35, "delivered", ()))
UNREACHABLE = (Step(0.15, "sent", ("sent",)), Step(0.35, "undelivered", ("undelivered",)))
REORDERED = (
    Step(0.1, "sent", ()),
    Step(0.2, "delivered", ("delivered", "delivered")),
    Step(0.4, "", ("sent", "sent")),
)
READ_BEFORE_DELIVERED = (
    Step(0.15, "sent", ("sent",)),
    Step(0.35, "read", ("read",)),
    Step(0.55, "", ("delivered",)),
)
SENT_ONLY = (Step(0.15, "sent", ("sent",)),)
REJECTED_BY_CHANNEL = (Step(0.15, "undelivered", ("undelivered",)),)
FAILED_AT_TWILIO = (Step(0.15, "failed", ("failed",)),)
FAILED_AT_TWILIO_CODES = {11200, 30019, 63019, 63021}  # Twilio could not create the message
PREFIX = "whatsapp:"


@dataclass(frozen=True)
class ScriptedNumber:
    """A recipient: its behavior, and the final status of its messages in the hub."""

    number: str
    final_status: Status
    title: str
    note: str
    refuses: int = 0  # error code of the API's response
    fails_once: int = 0  # error code the first time text is sent; then it succeeds
    breaks: bool = False  # accepts the message, returns 500
    hangs: float = 0  # accepts the message, responds after so many seconds
    error: int = 0  # error code with which the message fails later
    accepts_templates: bool = False  # templates are still delivered
    steps: tuple[Step, ...] = DELIVERED


RECIPIENTS = (
    ScriptedNumber(
        "+15005550001", Status.FAILED, "Invalid number", "Rejected, 21211", refuses=21211
    ),
    ScriptedNumber(
        "+15005550002", Status.FAILED, "No route from this sender", "Rejected, 21612", refuses=21612
    ),
    ScriptedNumber(
        "+15005550003", Status.FAILED, "Country not enabled", "Rejected, 21408", refuses=21408
    ),
    ScriptedNumber(
        "+15005550004",
        Status.FAILED,
        "Has replied STOP",
        "Rejected with 21610. Signpost suppresses the next message.",
        refuses=21610,
    ),
    ScriptedNumber(
        "+15005550009", Status.FAILED, "Cannot receive SMS", "Rejected, 21614", refuses=21614
    ),
    ScriptedNumber(
        "+15005550010",
        Status.FAILED,
        "Not verified, trial account",
        "Rejected, 21608",
        refuses=21608,
    ),
    ScriptedNumber(
        "+15005550011",
        Status.UNDELIVERED,
        "Handset unreachable",
        "Undelivered, 30003",
        error=30003,
        steps=UNREACHABLE,
    ),
    ScriptedNumber(
        "+15005550012",
        Status.DELIVERED,
        "Rate limited once",
        "429 once, then delivered",
        fails_once=20429,
    ),
    ScriptedNumber(
        "+15005550013",
        Status.DELIVERED,
        "Unavailable once",
        "503 once, then delivered",
        fails_once=20503,
    ),
    ScriptedNumber(
        "+15005550014",
        Status.DELIVERED,
        "Error after accepting",
        "500, but delivered",
        breaks=True,
    ),
    ScriptedNumber(
        "+15005550015",
        Status.DELIVERED,
        "No response",
        "No response for 60 s, but delivered",
        hangs=60,
    ),
    ScriptedNumber(
        "+15005550016",
        Status.DELIVERED,
        "No callbacks",
        "Delivered. Signpost gets the status after 15 minutes.",
        steps=WITHOUT_CALLBACKS,
    ),
    ScriptedNumber(
        "+15005550017",
        Status.DELIVERED,
        "Repeated and reordered callbacks",
        "Delivered once",
        steps=REORDERED,
    ),
    ScriptedNumber(
        "+15005550018",
        Status.UNDELIVERED,
        "Landline",
        "Undelivered, 30006",
        error=30006,
        steps=UNREACHABLE,
    ),
)

WHATSAPP = (
    ScriptedNumber(
        "+15005550021",
        Status.UNDELIVERED,
        "Window always closed",
        "Text fails with 63016. Templates are delivered.",
        error=63016,
        accepts_templates=True,
    ),
    ScriptedNumber(
        "+15005550022",
        Status.UNDELIVERED,
        "Template with wrong variables",
        "Undelivered, 63028",
        error=63028,
    ),
    ScriptedNumber(
        "+15005550023",
        Status.UNDELIVERED,
        "No template in this language",
        "Undelivered, 63027",
        error=63027,
    ),
    ScriptedNumber("+15005550024", Status.FAILED, "Wrong file type", "Failed, 63021", error=63021),
    ScriptedNumber(
        "+15005550025", Status.FAILED, "File not available", "Failed, 63019", error=63019
    ),
    ScriptedNumber(
        "+15005550026", Status.UNDELIVERED, "Not on WhatsApp", "Undelivered, 63024", error=63024
    ),
    ScriptedNumber(
        "+15005550027",
        Status.READ,
        "Read before delivered",
        "Read, then delivered",
        steps=READ_BEFORE_DELIVERED,
    ),
    ScriptedNumber(
        "+15005550028",
        Status.SENT,
        "No status after sent",
        "Sent, as if the sender is blocked",
        steps=SENT_ONLY,
    ),
)


@dataclass(frozen=True)
class ScriptedSender:
    """A From number that is rejected."""

    number: str
    title: str
    refuses: int


SENDERS = (
    ScriptedSender("+15005550001", "Invalid number", 21212),
    ScriptedSender("+15005550007", "Not a number of this account", 21606),
    ScriptedSender("+15005550008", "Queue is full", 21611),
)

ORDINARY = ScriptedNumber("", Status.DELIVERED, "Any other number", "Delivered")
ORDINARY_ON_WHATSAPP = ScriptedNumber("", Status.READ, "Any other number", "Read", steps=READ)
_BY_NUMBER = {scripted.number: scripted for scripted in RECIPIENTS}
# SMS numbers that affect requests and callbacks work on WhatsApp too; carrier errors do not
_ON_WHATSAPP = {
    PREFIX + scripted.number: replace(
        scripted, steps=READ if scripted.steps is DELIVERED else scripted.steps
    )
    for scripted in (*RECIPIENTS, *WHATSAPP)
    if not scripted.refuses and (scripted in WHATSAPP or not scripted.error)
}
_BY_SENDER = {sender.number: sender for sender in SENDERS}


def recipient(address: str) -> ScriptedNumber:
    """Return the behavior of a recipient. The prefix `whatsapp:` selects the channel."""
    if address.startswith(PREFIX):
        return _ON_WHATSAPP.get(address, ORDINARY_ON_WHATSAPP)
    return _BY_NUMBER.get(address, ORDINARY)


def sender(number: str) -> ScriptedSender | None:
    return _BY_SENDER.get(number)


def steps(number: str, *, pooled: bool, scheduled: bool, failure_code: int = 0) -> tuple[Step, ...]:
    """Return the planned steps of a message.

    With a Messaging Service it is `accepted` until a sender is chosen. A scheduled message first
    becomes `queued`. `failure_code` is the error code of the message's own content.
    """
    planned = recipient(number).steps
    if failure_code:
        planned = (
            FAILED_AT_TWILIO if failure_code in FAILED_AT_TWILIO_CODES else REJECTED_BY_CHANNEL
        )
    if pooled or scheduled:
        callbacks = ("queued",) if recipient(number).steps is not WITHOUT_CALLBACKS else ()
        return (Step(0.05, "queued", callbacks), *planned)
    return planned
