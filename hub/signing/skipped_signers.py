"""Report signers for whom every step of a route was skipped: to the app, the admins and the team.

No message is stored for them, so nothing else would show that they were not asked to sign. A signer
is reported once for each turn, so reminders that are skipped for the same reason repeat nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from hub.core.vocabulary import Audience, Channel, PersonRole, RequestState, SignerState
from hub.db.engine import db
from hub.db.types import creation_time, first_id_at, now
from hub.endpoints.catalog import SIGNER_NOT_REACHED
from hub.endpoints.platform_events import NewEvent, store_events
from hub.messaging.compose import plan
from hub.messaging.compose.outbox import ASKING, add_messages
from hub.models import Event, Message, PlatformEvent, Signer, SigningRequest
from hub.shared.sentences import ENGLISH, known_locale, sentence
from hub.signing import cards, unreached
from hub.signing.message_texts import EventRecord
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.team_language import team_locale

NEVER = datetime.min.replace(tzinfo=UTC)
MAX_NAMES = 5  # in a post to the team
RECENT = timedelta(days=1)
MAX_RECENT = 1000  # reports
# reasons for which nobody is to be asked now, or is asked by another message
NOT_ASKED = frozenset(
    {
        plan.ALREADY_NOTIFIED,
        "already_signed",
        "not_invited",
        "not_their_turn",
        "outdated",
        "reminded_recently",
        "repeated",
        "request_closed",
        "request_expired",
        "snoozed",
    }
)


@dataclass(frozen=True)
class _Unreached:
    """A signer for whom no step can act, with the reasons."""

    signer: SignerRecord
    steps: Sequence[plan.SkippedStep]

    @property
    def reasons(self) -> str:
        """The reasons in words, by channel."""
        return " ".join(
            f"{Channel(step.step).title}: {plan.REASONS.get(step.reason, step.reason)}"
            for step in self.steps
        )


def report(
    event: EventRecord,
    request: RequestRecord,
    planned: Collection[plan.PlannedLadder],
    acting: Collection[plan.PlannedLadder],
    skipped: Collection[plan.SkippedStep],
) -> None:
    """Report the signers whom an event should ask to sign, and whom no step can notify.

    `planned`: all ladders of the event; `acting`: those with a message; `skipped`: the steps
    without one.
    """
    found = [
        item
        for item in _find(event, request, planned, acting, skipped)
        if not _was_reported(request, item.signer)
    ]
    if not found:
        return
    store_events([_platform_event(event, request, item) for item in found])
    add_messages(
        unreached.draft_posts(
            _describe(found, request), _cause(event.id), event.id, event.type, request
        )
    )


def _find(
    event: EventRecord,
    request: RequestRecord,
    planned: Collection[plan.PlannedLadder],
    acting: Collection[plan.PlannedLadder],
    skipped: Collection[plan.SkippedStep],
) -> list[_Unreached]:
    if not event.type.asks_to_sign:
        return []
    notified = {ladder.person.id for ladder in acting}
    concerned = {
        ladder.person.id
        for ladder in planned
        if ladder.route.audience == Audience.SIGNER and ladder.person.id not in notified
    }
    steps: dict[str, list[plan.SkippedStep]] = {}
    for step in skipped:
        if step.role == PersonRole.SIGNER:
            steps.setdefault(step.signer, []).append(step)
    return [
        _Unreached(signer, steps[signer.external_id])
        for signer in request.signers
        if signer.id in concerned
        and signer.external_id in steps
        and NOT_ASKED.isdisjoint(step.reason for step in steps[signer.external_id])
    ]


def _was_reported(request: RequestRecord, signer: SignerRecord) -> bool:
    """Return whether a signer was reported since the turn began, also after failed messages."""
    asking = select(Event.id).where(Event.request_id == request.id, Event.type.in_(ASKING))
    messages = select(Message.id).where(
        Message.request_id == request.id, Message.signer_id == signer.id
    )
    causes = [_cause(event_id, signer.id) for event_id in db.session.scalars(asking)]
    causes += [_cause(message_id) for message_id in db.session.scalars(messages)]
    query = select(PlatformEvent.at).where(PlatformEvent.cause.in_(causes))
    times = db.session.scalars(query)
    return any(signer.invited_at is None or at >= signer.invited_at for at in times)


def _cause(*ids: str) -> str:
    """Return the cause of a report. Events sort by time, because IDs do."""
    return ":".join((SIGNER_NOT_REACHED, *ids))


def _platform_event(event: EventRecord, request: RequestRecord, item: _Unreached) -> NewEvent:
    return NewEvent(
        cause=_cause(event.id, item.signer.id),
        type=SIGNER_NOT_REACHED,
        request_id=request.id,
        source_id=request.source_id,
        test=request.test,
        payload={
            "person": item.signer.id,
            "code": item.steps[0].reason,
        },
    )


def _describe(found: Sequence[_Unreached], request: RequestRecord) -> str:
    """Return the text of the post to the team."""
    locale = team_locale(request.source_id)
    names = [cards.signer_name(item.signer) for item in found[:MAX_NAMES]]
    if len(found) > MAX_NAMES:
        names.append(sentence("more_signers", locale, count=len(found) - MAX_NAMES))
    is_english = known_locale(locale) == ENGLISH  # the reasons have no translation
    is_shown = len(found) == 1 and is_english
    reasons = found[0].reasons if is_shown else sentence("see_request_page", locale)
    return f"{unreached.describe(names, request)} {reasons}"


# ── The admins ────────────────────────────────────────────────────────────────────────────────────
def list_recent_requests() -> list[str]:
    """Return the requests of `list_requests` in the last 24 hours, for the pages of the admins."""
    return list_requests(now() - RECENT, MAX_RECENT)


def list_requests(since: datetime, limit: int) -> list[str]:
    """Return the open requests with a signer who was skipped since a time, newest report first.

    A request is listed once for each pending signer without a later message.
    """
    query = (
        select(PlatformEvent.cause, PlatformEvent.request_id)
        .join(SigningRequest, SigningRequest.id == PlatformEvent.request_id)
        .where(
            PlatformEvent.cause >= _cause(first_id_at("evt", since)),
            PlatformEvent.cause < _cause("evt_f"),  # later than the first digits of any ID
            SigningRequest.state == RequestState.OPEN,
        )
        .order_by(PlatformEvent.cause.desc())
        .limit(limit)
    )
    reported: dict[str, tuple[str, str]] = {}
    for cause, request_id in db.session.execute(query):
        _, event_id, signer_id = cause.split(":")
        reported.setdefault(signer_id, (event_id, str(request_id)))
    pending = _read_pending(list(reported))
    notified_at = _read_newest_messages({request_id for _, request_id in reported.values()})
    return [
        request_id
        for signer_id, (event_id, request_id) in reported.items()
        if signer_id in pending and notified_at.get(signer_id, NEVER) < creation_time(event_id)
    ]


def _read_pending(signer_ids: Collection[str]) -> set[str]:
    query = select(Signer.id).where(
        Signer.id.in_(signer_ids),
        Signer.role == PersonRole.SIGNER,
        Signer.removed_at.is_(None),
        Signer.state.in_((SignerState.PENDING.value, SignerState.VIEWED.value)),
    )
    return {*db.session.scalars(query)}


def _read_newest_messages(request_ids: Collection[str]) -> dict[str, datetime]:
    """Return when the newest message to each person of requests was created, by the person's ID."""
    query = (
        select(Message.signer_id, Message.id)
        .where(Message.request_id.in_(request_ids), Message.signer_id.is_not(None))
        .order_by(Message.id)
    )
    return {
        str(signer_id): creation_time(message_id)
        for signer_id, message_id in db.session.execute(query)
    }
