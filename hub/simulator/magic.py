"""Numbers that make the simulator misbehave, as data: what it does and what its page says are made from the same rows.

+1500555000x are those of Twilio's test credentials (https://www.twilio.com/docs/iam/test-credentials); the others are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.vocabulary import Status


@dataclass(frozen=True)
class Step:
    """`after` so many seconds the message takes `status` ('' keeps it), and `tells` are posted to its status callback."""

    after: float
    status: str
    tells: tuple[str, ...]


DELIVERS = (Step(0.15, "sent", ("sent",)), Step(0.35, "delivered", ("delivered",)))
GETS_LOST = (Step(0.15, "sent", ()), Step(0.35, "delivered", ()))
OUT_OF_REACH = (Step(0.15, "sent", ("sent",)), Step(0.35, "undelivered", ("undelivered",)))
OVERTAKES = (Step(0.1, "sent", ()), Step(0.2, "delivered", ("delivered", "delivered")), Step(0.4, "", ("sent", "sent")))


@dataclass(frozen=True)
class Magic:
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
    steps: tuple[Step, ...] = DELIVERS


RECIPIENTS = (
    Magic("+15005550001", Status.FAILED, "Not a valid number", "Refused, 21211", refuses=21211),
    Magic("+15005550002", Status.FAILED, "No route from this sender", "Refused, 21612", refuses=21612),
    Magic("+15005550003", Status.FAILED, "Country not enabled", "Refused, 21408", refuses=21408),
    Magic("+15005550004", Status.FAILED, "Has replied STOP", "Refused, 21610; the next is not sent", refuses=21610),
    Magic("+15005550009", Status.FAILED, "Cannot receive SMS", "Refused, 21614", refuses=21614),
    Magic("+15005550010", Status.FAILED, "Not verified, trial account", "Refused, 21608", refuses=21608),
    Magic("+15005550011", Status.UNDELIVERED, "Handset out of reach", "Undelivered, 30003", error=30003, steps=OUT_OF_REACH),
    Magic("+15005550012", Status.DELIVERED, "Too busy, then fine", "429 once, then delivered", stumbles=20429),
    Magic("+15005550013", Status.DELIVERED, "Down, then fine", "503 once, then delivered", stumbles=20503),
    Magic("+15005550014", Status.DELIVERED, "Breaks after accepting", "500, but delivered", breaks=True),
    Magic("+15005550015", Status.DELIVERED, "Never answers", "Hangs for 60 s, but delivered", hangs=60),
    Magic("+15005550016", Status.DELIVERED, "Callbacks get lost", "Silence, delivered when asked after 15 min", steps=GETS_LOST),
    Magic("+15005550017", Status.DELIVERED, "Callbacks repeat and overtake", "Delivered once", steps=OVERTAKES),
)


@dataclass(frozen=True)
class MagicSender:
    """A From number that is refused."""

    number: str
    title: str
    refuses: int


SENDERS = (
    MagicSender("+15005550001", "Not a valid number", 21212),
    MagicSender("+15005550007", "Not a number of this account", 21606),
    MagicSender("+15005550008", "Its queue is full", 21611),
)

ORDINARY = Magic("", Status.DELIVERED, "Any other number", "Delivered")
_BY_NUMBER = {magic.number: magic for magic in RECIPIENTS}
_BY_SENDER = {sender.number: sender for sender in SENDERS}


def recipient(number: str) -> Magic:
    return _BY_NUMBER.get(number, ORDINARY)


def sender(number: str) -> MagicSender | None:
    return _BY_SENDER.get(number)


def steps(number: str, *, pooled: bool, scheduled: bool) -> tuple[Step, ...]:
    """Plan what becomes of a message.

    With a Messaging Service it is `accepted` until a sender is chosen; a scheduled one first becomes `queued`.
    """
    plan = recipient(number).steps
    if pooled or scheduled:
        tells = ("queued",) if recipient(number).steps is not GETS_LOST else ()
        return (Step(0.05, "queued", tells), *plan)
    return plan
