"""Cards that show a team the state of a signing request, its signers, and the buttons under it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flask import current_app

from hub.core.vocabulary import EventType, RequestState, SignerState
from hub.db.types import now
from hub.integrations.base import Button, Card
from hub.lib.text import Joined, isolate, one_line, shorten
from hub.models import ActionToken
from hub.shared import action_tokens
from hub.signing.signing_batch import RequestRecord, SignerRecord

REMIND = "remind"
SNOOZE = "snooze"  # kinds of tokens
LASTS = timedelta(days=30)  # a button, unless its request ends before
UNTITLED = "Untitled document"
UNNAMED = "Somebody"
BY_NAME = 8  # signers with a line of their own
ONE_BY_ONE = 2  # signers with buttons of their own; more are reminded together
LONGEST_NAME = 40  # characters, on a button
# after these somebody may be worth reminding; not after a reminder: who presses twice must not find
# the same button again
OFFERED = (EventType.SENT, EventType.VIEWED, EventType.SIGNED)


# ── The card ──────────────────────────────────────────────────────────────────────────────────────
def card(request: RequestRecord, notes: Sequence[str] = ()) -> Card:
    """Return a request as it stands now."""
    signed = sum(one.state == SignerState.SIGNED for one in request.signers)
    state = (
        f"{signed} of {len(request.signers)} signed"
        if request.state == RequestState.OPEN
        else request.state.capitalize()
    )
    facts = [("Status", state), ("Sent by", isolate(sender_of(request)))]
    if request.expires_at is not None and request.state == RequestState.OPEN:
        facts.append(("Expired" if request.expired else "Expires", card_time(request.expires_at)))
    facts += [(isolate(name_of(one)), _standing(one)) for one in request.signers[:BY_NAME]]
    if (more := len(request.signers) - BY_NAME) > 0:
        facts.append(("And", f"{more} more signer{'' if more == 1 else 's'}"))
    return Card(title_of(request), tuple(facts), tuple(notes))


def _standing(one: SignerRecord) -> str:
    words = {SignerState.PENDING: "Not signed", SignerState.VIEWED: "Opened, not signed"}
    said = words.get(SignerState.read(one.state), one.state.capitalize())
    if one.owes and one.reminders:
        said += f", reminded {'once' if one.reminders == 1 else f'{one.reminders} times'}"
    if one.owes and one.snoozed_until is not None and one.snoozed_until > now():
        said += f", reminders snoozed until {card_time(one.snoozed_until)}"
    return said


def title_of(request: RequestRecord) -> str:
    """Return the title of a request's document, on one line."""
    return one_line(request.title or "") or UNTITLED


def sender_of(request: RequestRecord) -> str:
    """Return who sent a request out, on one line."""
    sender = request.sender or {}
    return one_line(sender.get("name") or "") or one_line(sender.get("email") or "") or UNNAMED


def name_of(one: SignerRecord) -> str:
    """Return what a signer is called, on one line."""
    return button_name(one) or one_line(one.external_id) or UNNAMED


def button_name(one: SignerRecord) -> str:
    """Return the name of a signer, or the mail address where no name is known; else ''."""
    return one_line(one.details.get("name") or "") or one_line(one.details.get("email") or "")


def names_of(signers: Sequence[SignerRecord]) -> Joined:
    """Return what signers are called, in one line: Eric Smith, Ann Lee and 3 others."""
    names = [isolate(name_of(one)) for one in signers]
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} others"]
    if len(names) > 1:
        return Joined(f"{', '.join(names[:-1])} and {names[-1]}")
    return Joined("".join(names) or UNNAMED)


def card_time(at: datetime) -> str:
    """Write a time for people in any zone."""
    return f"{at.astimezone(UTC):%-d %B, %H:%M} UTC"


# ── The buttons ───────────────────────────────────────────────────────────────────────────────────
def buttons(
    request: RequestRecord, event_type: EventType, event_id: str, document: str = ""
) -> tuple[Button, ...]:
    """Make the buttons under the posts of an event: a link to the document, and what may be done
    about those who owe a signature.
    """
    found = [opening_button(request, document)]
    owing = [one for one in request.signers if one.owes]
    asked = request.state == RequestState.OPEN and not request.expired
    if event_type in OFFERED and asked and owing:
        if len(owing) <= ONE_BY_ONE:
            for one in owing:
                short = isolate(_short(name_of(one)))
                found.append(
                    _button(
                        f"Remind {short}",
                        REMIND,
                        one.id,
                        request,
                        event_id,
                        style="" if found[1:] else "primary",
                    )
                )
                alone = len(owing) == 1
                found.append(
                    _button(
                        "Snooze a day" if alone else f"Snooze {short} a day",
                        SNOOZE,
                        one.id,
                        request,
                        event_id,
                    )
                )
        else:
            found.append(
                _button(
                    f"Remind all {len(owing)}",
                    REMIND,
                    request.id,
                    request,
                    event_id,
                    style="primary",
                )
            )
            found.append(_button("Snooze all a day", SNOOZE, request.id, request, event_id))
    return tuple(found)


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    return shorten(name, lambda text: len(text) <= LONGEST_NAME) or UNNAMED


def opening_button(request: RequestRecord, document: str = "") -> Button:
    """Return the button that leads to the document, or to the request's page here: never a signer's
    own link.
    """
    url = document or request.url
    return (
        Button("Open document", url)
        if url
        else Button("Open in Signpost", f"{_public_url()}/requests/{request.id}")
    )


def _button(
    text: str, kind: str, subject: str, request: RequestRecord, event_id: str, style: str = ""
) -> Button:
    lasts = min(LASTS, request.expires_at - now()) if request.expires_at else LASTS
    token = action_tokens.make_token(kind, subject, lasts, event_id=event_id)
    return Button(text, f"{_public_url()}/a/{token}", token, style)


def _public_url() -> str:
    url: str = current_app.extensions["hub.config"].public_url
    return url


# ── What was done ─────────────────────────────────────────────────────────────────────────────────
def addressee_note(subject: str, request: RequestRecord) -> list[SignerRecord]:
    """Return the signers whom a button acts on."""
    return [one for one in request.signers if subject in (one.id, request.id)]


def intended_reader(subject: str, request: RequestRecord) -> str:
    """Return whom a button acts on, in words; some of those who had not signed when it was pressed
    may have since.
    """
    return EVERYBODY if subject == request.id else names_of(addressee_note(subject, request))


def card_note(action: ActionToken, request: RequestRecord) -> str:
    """Return the result of a pressed button in a sentence."""
    names = intended_reader(action.subject, request)
    at = card_time(action.used_at or now())
    who = isolate(one_line(action.used_by)) or UNNAMED
    words = OUTCOMES.get((action.kind, action.outcome), FAILED).format(who=who, names=names)
    return f"{words} · {at}"


EVERYBODY = "all who have not signed"
FAILED = "{who} clicked a button too late to change anything for {names}"
OUTCOMES = {
    (REMIND, "done"): "{who} reminded {names}",
    (SNOOZE, "done"): "{who} snoozed reminders to {names} for a day",
    (REMIND, "unreached"): "{who} tried to remind {names}, who could not be reached",
    (REMIND, "snoozed"): "{who} tried to remind {names}: reminders are snoozed",
    (REMIND, "request_expired"): "{who} tried to remind {names}: the request has expired",
    (SNOOZE, "request_expired"): "{who} tried to snooze {names}: the request has expired",
    (REMIND, "already_signed"): "{who} tried to remind {names}: no signature is missing",
    (
        SNOOZE,
        "already_signed",
    ): "{who} tried to snooze reminders to {names}: no signature is missing",
}
