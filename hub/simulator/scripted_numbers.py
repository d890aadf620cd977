"""Numbers that make the simulator misbehave, as data: what it does and what its page says are made
from the same rows.

+1500555000x are those of Twilio's test credentials
(https://www.twilio.com/docs/iam/test-credentials); the others are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.core.vocabulary import Status


@dataclass(frozen=True)
class Step:
    """`after` so many seconds the message takes `status` ('' keeps it), and `tells` are posted to
    its status callback.
    """

    after: float
    status: str
    tells: tuple[str, ...]


DELIVERS = (Step(0.15, "sent", ("sent",)), Step(0.35, "delivered", ("delivered",)))
READS = (*DELIVERS, Step(0.55, "read", ("read",)))
GETS_LOST = (Step(0.15, "sent", ()), Step(0.35, "delivered", ()))
OUT_OF_REACH = (Step(0.15, "sent", ("sent",)), Step(0.35, "undelivered", ("undelivered",)))
OVERTAKES = (
    Step(0.1, "sent", ()),
    Step(0.2, "delivered", ("delivered", "delivered")),
    Step(0.4, "", ("sent", "sent")),
)
READS_FIRST = (
    Step(0.15, "sent", ("sent",)),
    Step(0.35, "read", ("read",)),
    Step(0.55, "", ("delivered",)),
)
STAYS_SENT = (Step(0.15, "sent", ("sent",)),)
HELD_BACK = (Step(0.15, "undelivered", ("undelivered",)),)
NEVER_LEFT = (Step(0.15, "failed", ("failed",)),)
NEVER_LEAVE = {11200, 30019, 63019, 63021}  # codes of messages that Twilio itself could not make
PREFIX = "whatsapp:"


@dataclass(frozen=True)
class ScriptedNumber:
    """A recipient: how a message to it ends in the hub, in words, and what the provider does."""

    number: str
    ends: Status
    title: str
    note: str
    refuses: int = 0  # this error code, at once
    stumbles: int = 0  # this error code the first time a text is sent, then fine
    breaks: bool = False  # takes the message, answers 500
    hangs: float = 0  # takes the message, answers after so many seconds
    error: int = 0  # the code with which it fails later
    takes_templates: bool = False  # and a template does not
    steps: tuple[Step, ...] = DELIVERS


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
        "Rejected, 21610; the next message is not sent",
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
        steps=OUT_OF_REACH,
    ),
    ScriptedNumber(
        "+15005550012",
        Status.DELIVERED,
        "Rate limited once",
        "429 once, then delivered",
        stumbles=20429,
    ),
    ScriptedNumber(
        "+15005550013",
        Status.DELIVERED,
        "Unavailable once",
        "503 once, then delivered",
        stumbles=20503,
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
        "Delivered when polled after 15 min",
        steps=GETS_LOST,
    ),
    ScriptedNumber(
        "+15005550017",
        Status.DELIVERED,
        "Repeated and reordered callbacks",
        "Delivered once",
        steps=OVERTAKES,
    ),
)

WHATSAPP = (
    ScriptedNumber(
        "+15005550021",
        Status.UNDELIVERED,
        "Window always closed",
        "Text 63016; templates are delivered",
        error=63016,
        takes_templates=True,
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
        steps=READS_FIRST,
    ),
    ScriptedNumber(
        "+15005550028",
        Status.SENT,
        "No status after sent",
        "Sent, as if the sender is blocked",
        steps=STAYS_SENT,
    ),
)


@dataclass(frozen=True)
class ScriptedSender:
    """A From number that is refused."""

    number: str
    title: str
    refuses: int


SENDERS = (
    ScriptedSender("+15005550001", "Invalid number", 21212),
    ScriptedSender("+15005550007", "Not a number of this account", 21606),
    ScriptedSender("+15005550008", "Queue is full", 21611),
)

ORDINARY = ScriptedNumber("", Status.DELIVERED, "Any other number", "Delivered")
ORDINARY_ON_WHATSAPP = ScriptedNumber("", Status.READ, "Any other number", "Read", steps=READS)
_BY_NUMBER = {entry.number: entry for entry in RECIPIENTS}
# what an SMS number does to requests and callbacks happens on WhatsApp too, what a carrier says
# does not
_ON_WHATSAPP = {
    PREFIX + entry.number: replace(entry, steps=READS if entry.steps is DELIVERS else entry.steps)
    for entry in (*RECIPIENTS, *WHATSAPP)
    if not entry.refuses and (entry in WHATSAPP or not entry.error)
}
_BY_SENDER = {sender.number: sender for sender in SENDERS}


def recipient(address: str) -> ScriptedNumber:
    """Return what the recipient of this address does; `whatsapp:` before the number says the
    channel.
    """
    if address.startswith(PREFIX):
        return _ON_WHATSAPP.get(address, ORDINARY_ON_WHATSAPP)
    return _BY_NUMBER.get(address, ORDINARY)


def sender(number: str) -> ScriptedSender | None:
    return _BY_SENDER.get(number)


def steps(number: str, *, pooled: bool, scheduled: bool, fate: int = 0) -> tuple[Step, ...]:
    """Plan what becomes of a message.

    With a Messaging Service it is `accepted` until a sender is chosen; a scheduled one first
    becomes `queued`. `fate` is the code of what was found wrong with it.
    """
    plan = recipient(number).steps
    if fate:
        plan = NEVER_LEFT if fate in NEVER_LEAVE else HELD_BACK
    if pooled or scheduled:
        tells = ("queued",) if recipient(number).steps is not GETS_LOST else ()
        return (Step(0.05, "queued", tells), *plan)
    return plan
