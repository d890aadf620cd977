"""Cards that show a team the state of a signing request, its signers, and the buttons under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app

from hub.core.vocabulary import EventType, RequestState, SignerState
from hub.db.types import now
from hub.integrations.base import Button, Card
from hub.lib.text import Joined, isolate, shorten, visible_line
from hub.lib.wall_clock import read_zone
from hub.messaging.compose.text_values import format_names
from hub.models import ActionToken
from hub.shared import action_tokens
from hub.shared.sentences import ENGLISH, format_time, has_sentence, known_locale, sentence
from hub.signing import turns
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.team_language import team_locale

REMIND = "remind"
SNOOZE = "snooze"  # kinds of tokens
BUTTON_LIFETIME = timedelta(days=30)  # unless the request ends earlier
UNNAMED = "Somebody"
NAMED_SIGNERS = 8  # the highest number of signers with their own line
SIGNERS_WITH_BUTTONS = 2  # the most signers with their own buttons; more share one pair
MAX_TITLE = 200  # characters of a document's title in a sentence
MAX_BUTTON_NAME = 40  # characters
# events whose posts offer reminders; a reminder's own post does not, so that a second press finds
# no new button
EVENTS_WITH_BUTTONS = (EventType.SENT, EventType.VIEWED, EventType.SIGNED)


# ── The card ──────────────────────────────────────────────────────────────────────────────────────
def build_card(request: RequestRecord, notes: Sequence[str] = ()) -> Card:
    """Return the card that shows the current state of a request, in the team's language."""
    locale = team_locale(request.source_id)
    count = len(request.signers)
    signed = sum(signer.state == SignerState.SIGNED for signer in request.signers)
    state = _state_name("request", request.state, locale)
    if request.state == RequestState.OPEN:
        state = sentence("signed_count", locale, signed=signed, count=count)
    sender = isolate(sender_name(request, sentence("somebody", locale)))
    facts = [(sentence("status", locale), state), (sentence("sent_by", locale), sender)]
    if request.expires_at is not None and request.state == RequestState.OPEN:
        label = sentence("has_expired" if request.expired else "expires", locale)
        facts.append((label, card_time(request.expires_at, locale)))
    named = request.signers[:NAMED_SIGNERS]
    facts += [(isolate(signer_name(signer)), _signer_status(signer, locale)) for signer in named]
    if (more := count - NAMED_SIGNERS) > 0:
        words = sentence("more_signers", locale, count=more)
        facts.append((sentence("more_label", locale), words))
    return Card(request_title(request, locale), tuple(facts), tuple(notes))


def _state_name(kind: str, state: str, locale: str) -> str:
    """Return the name of a state of a `request` or `signer`, or the state itself if unknown."""
    key = f"{kind}_{state}"
    return sentence(key, locale) if has_sentence(key) else state.capitalize()


def _signer_status(signer: SignerRecord, locale: str) -> str:
    status = _state_name("signer", signer.state, locale)
    if signer.has_not_signed and signer.reminders:
        status = sentence("reminded", locale, status=status, times=signer.reminders)
    if signer.has_not_signed and signer.snoozed_until is not None and signer.snoozed_until > now():
        time = card_time(signer.snoozed_until, locale)
        status = sentence("snoozed", locale, status=status, time=time)
    return status


def request_title(request: RequestRecord, locale: str = ENGLISH) -> str:
    """Return the title of a request's document, on one line."""
    return visible_line(request.title or "") or sentence("untitled", locale)


def short_title(request: RequestRecord, locale: str) -> str:
    """Return the title of a request, with an ellipsis if it is too long for a sentence."""
    title = request_title(request, locale)
    if len(title) <= MAX_TITLE:
        return title
    return shorten(title, lambda text: len(text) <= MAX_TITLE) or title[:MAX_TITLE]


def sender_name(request: RequestRecord, unknown: str) -> str:
    """Return the name of a request's sender, on one line, or `unknown`."""
    sender = request.sender or {}
    name = visible_line(sender.get("name") or "")
    return name or visible_line(sender.get("email") or "") or unknown


def expiry_day(request: RequestRecord, time_zone: str = "") -> str:
    """Return the day on which a request expires, such as `2026-12-15`, or ''.

    It is the day in a person's time zone, by default in UTC.
    """
    if request.expires_at is None:
        return ""
    return request.expires_at.astimezone(read_zone(time_zone) or UTC).date().isoformat()


def signer_name(signer: SignerRecord) -> str:
    """Return the name of a signer, on one line: a person's name, an email address or an ID."""
    return button_name(signer) or visible_line(signer.external_id) or UNNAMED


def button_name(signer: SignerRecord) -> str:
    """Return a signer's name, or the email address, or '' if both are missing."""
    name = visible_line(signer.details.get("name") or "")
    return name or visible_line(signer.details.get("email") or "")


def format_signer_names(signers: Sequence[SignerRecord], locale: str) -> Joined:
    """Return the names of signers on one line, such as "Eric Smith, Ann Lee and 3 others"."""
    names = [signer_name(signer) for signer in signers]
    listed = format_names(names, known_locale(locale), isolated=True)
    return Joined(listed or sentence("somebody", locale))


def card_time(at: datetime, locale: str = ENGLISH) -> str:
    """Format a time in UTC, such as "November 3, 14:05 UTC"."""
    return f"{format_time(at.astimezone(UTC), locale)} UTC"


# ── The buttons ───────────────────────────────────────────────────────────────────────────────────
def build_buttons(
    request: RequestRecord, event_type: EventType, event_id: str, document: str = ""
) -> tuple[Button, ...]:
    """Return the buttons under an event's posts: a link, and reminders of signers in turn."""
    locale = team_locale(request.source_id)
    post_buttons = [opening_button(request, document)]
    owing = turns.signers_in_turn(request.signers)
    is_open = request.state == RequestState.OPEN and not request.expired
    if event_type not in EVENTS_WITH_BUTTONS or not is_open or not owing:
        return tuple(post_buttons)
    if len(owing) > SIGNERS_WITH_BUTTONS:
        remind_all = sentence("remind_all", locale, count=len(owing))
        snooze_all = sentence("snooze_all", locale)
        post_buttons += [
            _button(remind_all, REMIND, request.id, request, event_id, style="primary"),
            _button(snooze_all, SNOOZE, request.id, request, event_id),
        ]
        return tuple(post_buttons)
    for position, signer in enumerate(owing):
        name = isolate(_shorten_name(signer_name(signer)))
        style = "" if position else "primary"
        snooze = "snooze" if len(owing) == 1 else "snooze_name"
        remind_text = sentence("remind", locale, name=name)
        snooze_text = sentence(snooze, locale, name=name)
        post_buttons += [
            _button(remind_text, REMIND, signer.id, request, event_id, style=style),
            _button(snooze_text, SNOOZE, signer.id, request, event_id),
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
    locale = team_locale(request.source_id)
    if url := document or request.url:
        return Button(sentence("open_document", locale), url)
    page = f"{_public_url()}/requests/{request.id}"
    return Button(sentence("open_in_signpost", locale), page)


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
    locale = team_locale(request.source_id)
    if subject == request.id:
        return sentence("everyone", locale)
    return format_signer_names(signers_of_button(subject, request), locale)


def card_note(action: ActionToken, request: RequestRecord) -> str:
    """Return the result of a pressed button in a sentence."""
    locale = team_locale(request.source_id)
    names = names_on_button(action.subject, request)
    at = card_time(action.used_at or now(), locale)
    presser = isolate(visible_line(action.used_by)) or sentence("somebody", locale)
    key = f"{action.kind}_{action.outcome}"
    if key not in OUTCOMES:
        key = "too_late"
    return f"{sentence(key, locale, who=presser, names=names)} · {at}"


# the results of buttons that have their own sentence
OUTCOMES = frozenset(
    {
        f"{REMIND}_done",
        f"{REMIND}_unreached",
        f"{REMIND}_not_invited",
        f"{REMIND}_not_their_turn",
        f"{REMIND}_snoozed",
        f"{REMIND}_reminded_recently",
        f"{REMIND}_request_expired",
        f"{REMIND}_already_signed",
        f"{SNOOZE}_done",
        f"{SNOOZE}_request_expired",
        f"{SNOOZE}_already_signed",
    }
)
