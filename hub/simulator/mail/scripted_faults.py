"""Recipients that fail on purpose. Replies are those of real mail servers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hub.simulator.fault import Fault

DOMAIN = "fail.example"


@dataclass(frozen=True)
class Recipient(Fault):
    """A recipient that fails at one step of a session: after RCPT, or after the message (DATA).

    `error` is the reply. With `closes`, the connection is closed instead of a reply.
    """

    at: str = "RCPT"
    closes: bool = False

    @property
    def answer(self) -> str:
        if self.hangs:
            return f"No reply for {self.hangs:.0f} s, but accepted"
        if self.closes:
            return f"Connection lost at {self.at}" + (", but accepted" if self.breaks else "")
        return f"{self.error.partition(' ')[0]} {self.error.split()[1]} at {self.at}" + (
            " once, then accepted" if self.fails_once else ""
        )


class ReturnKind(StrEnum):
    """The answer to an accepted email. The first ones are actions of RFC 3464."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    OLD_FORMAT = "old format"
    COMPLAINT = "complaint"
    REPLY = "reply"
    AUTOMATIC = "automatic reply"


@dataclass(frozen=True)
class Returning(Fault):
    """A recipient whose email is accepted, and answered a moment later.

    `error` is the status code of a report, or the text of a reply.
    """

    kind: ReturnKind = ReturnKind.FAILED

    @property
    def answer(self) -> str:
        return f"Accepted, then {self.kind.value}: {self.error}"


def _refusal(
    name: str, reply: str, title: str, at: str = "RCPT", *, fails_once: bool = False
) -> Recipient:
    return Recipient(f"{name}@{DOMAIN}", reply, title, at=at, fails_once=fails_once)


REFUSING = (
    _refusal("nobody", "550 5.1.1 User unknown", "Mailbox does not exist"),
    _refusal("no-domain", "550 5.1.2 Host not found", "Domain accepts no mail"),
    _refusal("moved", "551 5.1.6 User has moved", "Mailbox has moved"),
    _refusal("disabled", "550 5.2.1 Mailbox disabled", "Mailbox is disabled"),
    _refusal(
        "plain550", "550 mailbox unavailable", "Mailbox does not exist, without a second code"
    ),
    _refusal("policy", "550 5.7.1 Rejected by policy", "Policy of the recipient"),
    _refusal("spam", "554 5.7.1 Message looks like spam", "Rejected as spam", "DATA"),
    _refusal("gmail", "550 5.7.26 Unauthenticated email", "No SPF or DKIM, as Gmail says", "DATA"),
    _refusal("outlook", "550 5.7.515 Access denied", "No SPF or DKIM, as Outlook says", "DATA"),
    _refusal("yahoo", "550 5.7.9 Not accepted for policy", "No SPF or DKIM, as Yahoo says", "DATA"),
    _refusal("large", "552 5.3.4 Message too big", "Message is too large", "DATA"),
    _refusal("content", "554 5.6.0 Invalid content", "Content is rejected", "DATA"),
)
WAITING = (
    _refusal("greylisted", "451 4.7.1 Greylisted, try later", "Greylisting", fails_once=True),
    _refusal(
        "busy", "421 4.3.2 Service shutting down", "Server closes the session", fails_once=True
    ),
    _refusal("rate", "450 4.7.1 Too many messages, slow down", "Rate limited", fails_once=True),
    _refusal("full", "452 4.2.2 Mailbox full", "Mailbox is full", fails_once=True),
    _refusal(
        "still-full", "552 5.2.2 Mailbox full", "Mailbox is full, in other words", fails_once=True
    ),
    _refusal("fault", "451 4.3.0 Temporary fault", "Temporary fault", "DATA", fails_once=True),
)
LOSING = (
    Recipient(
        f"cut@{DOMAIN}", "", "Connection lost before the message", fails_once=True, closes=True
    ),
    Recipient(
        f"lost@{DOMAIN}", "", "Connection lost after it", at="DATA", breaks=True, closes=True
    ),
    Recipient(f"silent@{DOMAIN}", "", "No reply after the message", at="DATA", hangs=60),
)
RETURNING = tuple(
    Returning(f"{name}@{DOMAIN}", error, title, kind=kind)
    for name, error, title, kind in (
        ("returned", "5.1.1", "Mailbox does not exist", ReturnKind.FAILED),
        ("returned-full", "5.2.2", "Mailbox is full", ReturnKind.FAILED),
        ("returned-spam", "5.7.1", "Rejected as spam", ReturnKind.FAILED),
        ("returned-old", "5.1.1", "Mailbox does not exist", ReturnKind.OLD_FORMAT),
        ("delayed", "4.4.1", "Not delivered yet", ReturnKind.DELAYED),
        ("delivered", "2.0.0", "Delivered to the mailbox", ReturnKind.DELIVERED),
        ("complaint", "abuse", "Reported as spam", ReturnKind.COMPLAINT),
        ("vacation", "I am away.", "Out of office", ReturnKind.AUTOMATIC),
        ("reply", "Where is my copy?", "Writes back", ReturnKind.REPLY),
        ("stop", "STOP", "Opts out", ReturnKind.REPLY),
    )
)
RECIPIENTS = (*REFUSING, *WAITING, *LOSING)
