"""Cards that show a team the state of a signing request, its signers, and the buttons under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app

from hub.core.vocabulary import EventType, RequestState, SignerState
from hub.db.types import now
from hub.integrations.base import Button, Card
from hub.lib.localized import format_datetime
from hub.lib.text import Joined, clean_line, isolate, shorten
from hub.lib.wall_clock import read_zone
from hub.models import ActionToken
from hub.shared import action_tokens
from hub.signing import turns
from hub.signing.signing_batch import RequestRecord, SignerRecord

REMIND = "remind"
SNOOZE = "snooze"  # kinds of tokens
BUTTON_LIFETIME = timedelta(days=30)  # unless the request ends earlier
UNTITLED = "Untitled document"
UNNAMED = "Somebody"
NAMED_SIGNERS = 8  # the most signers with a line of their own
SIGNERS_WITH_BUTTONS = 2  # the most signers with their own buttons; more share one pair
MAX_BUTTON_NAME = 40  # characters
# events whose posts offer reminders; a reminder's own post does not, so that a second press finds
# no new button
EVENTS_WITH_BUTTONS = (EventType.SENT, EventType.VIEWED, EventType.SIGNED)


# ── The card ──────────────────────────────────────────────────────────────────────────────────────
def build_card(request: RequestRecord, notes: Sequence[str] = ()) -> Card:
    """Return the card that shows the current state of a request."""
    signed = sum(signer.state == SignerState.SIGNED for signer in request.signers)
    state = (
        f"{signed} of {len(request.signers)} signed"
        if request.state == RequestState.OPEN
        else request.state.capitalize()
    )
    facts = [("Status", state), ("Sent by", isolate(sender_name(request)))]
    if request.expires_at is not None and request.state == RequestState.OPEN:
        facts.append(("Expired" if request.expired else "Expires", card_time(request.expires_at)))
    named = request.signers[:NAMED_SIGNERS]
    facts += [(isolate(signer_name(signer)), _signer_status(signer)) for signer in named]
    if (more := len(request.signers) - NAMED_SIGNERS) > 0:
        facts.append(("And", f"{more} more signer{'' if more == 1 else 's'}"))
    return Card(request_title(request), tuple(facts), tuple(notes))


def _signer_status(signer: SignerRecord) -> str:
    texts = {SignerState.PENDING: "Not signed", SignerState.VIEWED: "Opened, not signed"}
    status = texts.get(SignerState.read(signer.state), signer.state.capitalize())
    if signer.has_not_signed and signer.reminders:
        status += f", reminded {'once' if signer.reminders == 1 else f'{signer.reminders} times'}"
    if signer.has_not_signed and signer.snoozed_until is not None and signer.snoozed_until > now():
        status += f", reminders snoozed until {card_time(signer.snoozed_until)}"
    return status


def request_title(request: RequestRecord) -> str:
    """Return the title of a request's document, on one line."""
    return clean_line(request.title or "") or UNTITLED


def sender_name(request: RequestRecord, unknown: str = UNNAMED) -> str:
    """Return the name of a request's sender, on one line, or `unknown`."""
    sender = request.sender or {}
    return clean_line(sender.get("name") or "") or clean_line(sender.get("email") or "") or unknown


def expiry_day(request: RequestRecord, time_zone: str = "") -> str:
    """Return the day on which a request expires, such as `2026-12-15`, or ''.

    It is the day in a person's time zone, by default in UTC.
    """
    if request.expires_at is None:
        return ""
    return request.expires_at.astimezone(read_zone(time_zone) or UTC).date().isoformat()


def signer_name(signer: SignerRecord) -> str:
    """Return the name of a signer, on one line: a person's name, an email address or an ID."""
    return button_name(signer) or clean_line(signer.external_id) or UNNAMED


def button_name(signer: SignerRecord) -> str:
    """Return a signer's name, or the email address, or '' if both are missing."""
    return clean_line(signer.details.get("name") or "") or clean_line(
        signer.details.get("email") or ""
    )


def format_signer_names(signers: Sequence[SignerRecord]) -> Joined:
    """Return the names of signers on one line, such as "Eric Smith, Ann Lee and 3 others"."""
    names = [isolate(signer_name(signer)) for signer in signers]
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} others"]
    if len(names) > 1:
        return Joined(f"{', '.join(names[:-1])} and {names[-1]}")
    return Joined("".join(names) or UNNAMED)


def card_time(at: datetime) -> str:
    """Format a time in UTC, such as "November 3, 14:05 UTC"."""
    return f"{format_datetime(at.astimezone(UTC), 'MMMM d, HH:mm')} UTC"


# ── The buttons ───────────────────────────────────────────────────────────────────────────────────
def build_buttons(
    request: RequestRecord, event_type: EventType, event_id: str, document: str = ""
) -> tuple[Button, ...]:
    """Return the buttons under an event's posts: a link, and reminders of signers in turn."""
    post_buttons = [opening_button(request, document)]
    owing = turns.signers_in_turn(request.signers)
    is_open = request.state == RequestState.OPEN and not request.expired
    if event_type not in EVENTS_WITH_BUTTONS or not is_open or not owing:
        return tuple(post_buttons)
    if len(owing) > SIGNERS_WITH_BUTTONS:
        remind_all = f"Remind all ({len(owing)})"
        post_buttons += [
            _button(remind_all, REMIND, request.id, request, event_id, style="primary"),
            _button("Snooze all for a day", SNOOZE, request.id, request, event_id),
        ]
        return tuple(post_buttons)
    for position, signer in enumerate(owing):
        name = isolate(_shorten_name(signer_name(signer)))
        style = "" if position else "primary"
        snooze = "Snooze for a day" if len(owing) == 1 else f"Snooze {name} for a day"
        post_buttons += [
            _button(f"Remind {name}", REMIND, signer.id, request, event_id, style=style),
            _button(snooze, SNOOZE, signer.id, request, event_id),
        ]
    return tuple(post_buttons)


def _shorten_name(name: str) -> str:
    if len(name) <= MAX_BUTTON_NAME:
        return name
    return shorten(name, lambda text: len(text) <= MAX_BUTTON_NAME) or UNNAMED


def opening_button(request: RequestRecord, document: str = "") -> Button:
    """Return the button that opens the document, or the request's page in Signpost.

    It never holds a signer's own link.
    """
    url = document or request.url
    return (
        Button("Open document", url)
        if url
        else Button("Open in Signpost", f"{_public_url()}/requests/{request.id}")
    )


def signer_buttons(event_type: EventType, values: Mapping[str, Any]) -> tuple[Button, ...]:
    """Return the button of a message to a signer, for channels that have buttons.

    `values` are those of the message's template.
    """
    if event_type.asks_to_sign and values["link"]:
        return (Button("Review and sign", values["link"], style="primary"),)
    if event_type == EventType.COMPLETED and values["download_link"]:
        return (Button("Download document", values["download_link"], style="primary"),)
    return ()


def _button(
    text: str, kind: str, subject: str, request: RequestRecord, event_id: str, style: str = ""
) -> Button:
    lifetime = BUTTON_LIFETIME
    if request.expires_at:
        lifetime = min(lifetime, request.expires_at - now())
    token = action_tokens.make_token(kind, subject, lifetime, event_id=event_id)
    return Button(text, f"{_public_url()}/a/{token}", token, style)


def _public_url() -> str:
    url: str = current_app.extensions["hub.config"].public_url
    return url


# ── Results of buttons ────────────────────────────────────────────────────────────────────────────
def signers_of_button(subject: str, request: RequestRecord) -> list[SignerRecord]:
    """Return the signers that a button affects."""
    return [signer for signer in request.signers if subject in (signer.id, request.id)]


def names_on_button(subject: str, request: RequestRecord) -> str:
    """Return the names of the signers that a button affects.

    A button for all signers names no one, because some may have signed since it was pressed.
    """
    return (
        ALL_SIGNERS
        if subject == request.id
        else format_signer_names(signers_of_button(subject, request))
    )


def card_note(action: ActionToken, request: RequestRecord) -> str:
    """Return the result of a pressed button in a sentence."""
    names = names_on_button(action.subject, request)
    at = card_time(action.used_at or now())
    presser = isolate(clean_line(action.used_by)) or UNNAMED
    template = OUTCOMES.get((action.kind, action.outcome), FAILED)
    return f"{template.format(who=presser, names=names)} · {at}"


ALL_SIGNERS = "everyone who has not signed"
FAILED = "{who} used a button for {names} too late. Nothing was changed"
OUTCOMES = {
    (REMIND, "done"): "{who} reminded {names}",
    (SNOOZE, "done"): "{who} snoozed reminders for one day: {names}",
    (REMIND, "unreached"): "{who} tried to remind {names}, who could not be reached",
    (REMIND, "not_their_turn"): "{who} tried to remind {names}: other signers sign first",
    (REMIND, "snoozed"): "{who} tried to remind {names}: reminders are snoozed",
    (REMIND, "reminded_recently"): (
        "{who} tried to remind {names}, who got a reminder less than an hour before"
    ),
    (REMIND, "request_expired"): "{who} tried to remind {names}: the request has expired",
    (SNOOZE, "request_expired"): "{who} tried to snooze {names}: the request has expired",
    (REMIND, "already_signed"): "{who} tried to remind {names}: no signature is missing",
    (
        SNOOZE,
        "already_signed",
    ): "{who} tried to snooze reminders to {names}: no signature is missing",
}
