"""Apply events to a request and its people.

Events may arrive in any order: `occurred_at` decides which one is newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.core.vocabulary import EventType, PersonRole, RequestState, SignerState
from hub.db.store import transaction
from hub.messaging.compose import cancellation
from hub.messaging.compose.short_links import end_links
from hub.signing import (
    people,
    prolonged_requests,
    readdressing,
    reminder_times,
    reported_consents,
    scheduled_events,
    signing_batch,
    turns,
)
from hub.signing.events import EventIn
from hub.signing.reminder_settings import store_settings
from hub.signing.signing_batch import RequestRecord, SignerRecord

ASKS_TO_SIGN = tuple(event_type for event_type in EventType if event_type.asks_to_sign)
NOTICES = (EventType.VIEWED, EventType.SIGNED)
CLOSES = {
    EventType.COMPLETED: RequestState.COMPLETED,
    EventType.DECLINED: RequestState.DECLINED,
    EventType.EXPIRED: RequestState.EXPIRED,
    EventType.CANCELED: RequestState.CANCELED,
}


@dataclass(frozen=True)
class AppliedEvent:
    """A request after an event was applied to it, and what the event changed."""

    request: RequestRecord
    actor: SignerRecord | None  # the person whom the event is about
    invited: list[SignerRecord]  # the signers whose turn has come
    readdressed: list[SignerRecord]  # the people whose addresses have changed
    send_at: datetime | None = None  # when its messages are planned, if that is later
    had_ended: bool = False  # another event had ended the request before, maybe not for good


def is_outdated(request: RequestRecord, event_type: EventType, at: datetime) -> bool:
    """Return whether a newer event has overtaken an event that ends the request."""
    if event_type not in CLOSES:
        return False
    was_sent_again = request.sent_at is not None and request.sent_at > at
    is_final = event_type == EventType.COMPLETED
    return request.state != CLOSES[event_type] or (was_sent_again and not is_final)


@transaction
def apply_event(event: EventIn, source_id: str, *, test: bool) -> AppliedEvent:
    """Update a request and its people. Raises Refused that names the field."""
    request = signing_batch.find_request(
        source_id, event.request.id, test=test
    ) or signing_batch.new_request(source_id, event.request.id, event.occurred_at, test=test)
    existed = not request.is_new
    former_expiry = request.expires_at
    applied = update_request(event, request)
    request.write()
    reported_consents.record_consents(event, request)
    if existed:
        _cancel_messages(event, request, applied.actor)
        prolonged_requests.follow_expiry(request, former_expiry)
    return applied


def update_request(event: EventIn, request: RequestRecord) -> AppliedEvent:
    """Apply an event to a request and its people, without writing anything.

    Raises Refused that names the field.
    """
    at = event.occurred_at
    had_ended = request.closed_at is not None
    former = readdressing.read_addresses(request)
    former_terms = _reminder_terms(request)
    _update_request(request, event)
    send_at = scheduled_events.time_to_plan(event, request)
    actor = people.update_people(request, event)
    if event.type == EventType.SENT and send_at is None:
        _reopen(request, at)
    if actor is not None:
        _record_act(request, actor, event.type, at)
    if event.type in CLOSES:
        _close(request, CLOSES[event.type], at)
    readdressed = readdressing.changed_people(request, former)
    readdressing.invite_again(request, readdressed)
    is_sent_later = event.type == EventType.SENT and send_at is not None
    invited = [] if is_sent_later else turns.begin_turns(request)
    reminder_times.set_checks(request, changed=_reminder_terms(request) != former_terms)
    return AppliedEvent(request, actor, invited, readdressed, send_at, had_ended)


def send_out(request: RequestRecord, at: datetime) -> None:
    """Begin the turns of a request that is sent out by a scheduled event of the time `at`."""
    former_terms = _reminder_terms(request)
    _reopen(request, at)
    turns.begin_turns(request)
    reminder_times.set_checks(request, changed=_reminder_terms(request) != former_terms)
    request.write()


def _reminder_terms(request: RequestRecord) -> tuple[Any, ...]:
    """Return what the reminders of all signers of a request depend on."""
    return (request.state, request.expires_at, request.reminders, request.reopenings)


def _update_request(request: RequestRecord, event: EventIn) -> None:
    newer = event.occurred_at >= request.reported_at
    fields = event.request.sent_fields()
    if "title" in fields and (newer or request.title is None):
        request.title = fields["title"]
    if "sender" in fields:
        request.sender = people.merge_sender(request.sender, fields["sender"], newer=newer)
    if "url" in fields and (newer or request.url is None):
        request.url = fields["url"]
    if "expires_at" in fields and (newer or request.expires_at is None):
        request.expires_at = event.request.expires_at
    if "reminders" in fields and (newer or request.reminders is None):
        request.reminders = store_settings(fields["reminders"])
    request.reported_at = max(request.reported_at, event.occurred_at)


# ── States ────────────────────────────────────────────────────────────────────────────────────────
def _close(request: RequestRecord, state: RequestState, at: datetime) -> None:
    """End a request, unless a newer event has ended it or sent it out again."""
    if request.closed_at is not None and at <= request.closed_at:
        return
    request.closed_at = at
    if state != RequestState.COMPLETED and request.sent_at is not None and request.sent_at > at:
        request.state = RequestState.OPEN.value
        request.state_at = request.sent_at
    else:
        request.state = state.value
        request.state_at = at


def _reopen(request: RequestRecord, at: datetime) -> None:
    """Record that a request was sent out, which reopens one that ended earlier.

    Signers who declined earlier are asked again. A completed request stays completed.
    """
    request.sent_at = max(request.sent_at or at, at)
    for signer in request.people:
        if signer.state == SignerState.DECLINED:
            _set_declined(request, signer)
    ended = request.state not in (RequestState.OPEN, RequestState.COMPLETED)
    if not ended or (request.closed_at is not None and at <= request.closed_at):
        return
    request.state = RequestState.OPEN.value
    request.state_at = at
    request.reopenings += 1
    for signer in request.people:
        signer.invited_at = None
        signer.reminders = 0
        signer.reminded_at = None
        signer.reminders_handled_at = None
        signer.reminders_stopped_at = None
        signer.snoozed_until = None


def _record_act(
    request: RequestRecord, person: SignerRecord, event_type: EventType, at: datetime
) -> None:
    """Record that a person opened the document, signed it or declined to sign it.

    A signature is not undone by opening the document. Of a signature and a refusal, the newer one
    counts, and a refusal counts until the request is sent out again.
    """
    is_signed = person.state == SignerState.SIGNED
    if event_type == EventType.VIEWED:
        person.opened_at = max(person.opened_at or at, at)
        if person.has_not_signed:
            person.state = SignerState.VIEWED.value
            person.state_at = at
    elif event_type == EventType.SIGNED:
        if person.declined_at is None or at > person.declined_at:
            person.state_at = max(person.state_at, at) if is_signed else at
            person.state = SignerState.SIGNED.value
    elif event_type == EventType.DECLINED:
        person.declined_at = max(person.declined_at or at, at)
        if not is_signed or person.declined_at > person.state_at:
            _set_declined(request, person)


def _set_declined(request: RequestRecord, signer: SignerRecord) -> None:
    """Set the state of a signer who declined, from the time that the request was last sent."""
    declined_at = signer.declined_at or signer.state_at
    if request.sent_at is not None and request.sent_at > declined_at:
        state = SignerState.PENDING if signer.opened_at is None else SignerState.VIEWED
        signer.state = state.value
        signer.state_at = request.sent_at
    else:
        signer.state = SignerState.DECLINED.value
        signer.state_at = declined_at


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────
def _cancel_messages(event: EventIn, request: RequestRecord, actor: SignerRecord | None) -> None:
    """Cancel waiting messages that an event made obsolete."""
    for external_id in event.signers_removed:
        person = request.person(PersonRole.SIGNER, external_id)
        if person is not None and person.removed_at is not None:
            cancellation.stop_request(
                "removed", event_types=tuple(EventType), request_id=request.id, signer_id=person.id
            )
            end_links(request.id, signer_ids=[person.id])
    if event.type == EventType.VIEWED and actor is not None:
        cancellation.end_fallbacks(request.id, actor.id, ASKS_TO_SIGN)
    elif event.type == EventType.SIGNED and actor is not None:
        cancellation.stop_request(
            "signed", event_types=ASKS_TO_SIGN, request_id=request.id, signer_id=actor.id
        )
    elif event.type in CLOSES:
        _cancel_ended(event, request)


def _cancel_ended(event: EventIn, request: RequestRecord) -> None:
    """Cancel messages that ask to sign, and notices about what happened before the request ended.

    The notice of the end replaces them. A completion does not cancel the notices of signatures.
    """
    reason = CLOSES[event.type].value
    if event.type != EventType.COMPLETED:
        cancellation.stop_request(
            reason, event_types=NOTICES, request_id=request.id, until=event.occurred_at
        )
    if request.state != RequestState.OPEN:
        cancellation.stop_request(reason, event_types=ASKS_TO_SIGN, request_id=request.id)
    if request.state == RequestState.CANCELED:
        end_links(request.id)
