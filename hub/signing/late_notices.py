"""Find the notices that change because an event arrived after a later one.

The state of a request is the same in any order of its events. So are the notices that were not sent
yet: those about its end follow its final state and that of its people, and openings and signatures
before the end are not reported after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.core.vocabulary import EventType, PersonRole, Status
from hub.db.engine import db
from hub.messaging.compose import cancellation, plan
from hub.models import Event, Message
from hub.signing import scheduled_invitations
from hub.signing.message_texts import EventRecord
from hub.signing.requests import ASKS_TO_SIGN, CLOSES, NOTICES, is_outdated
from hub.signing.signing_batch import RequestRecord, SignerRecord

WITHDRAWN = "withdrawn, because an earlier event was reported late"
# reasons for which nobody of an audience is notified at all
NO_NOTICE = frozenset({plan.ALREADY_NOTIFIED, plan.NOT_INVITED, "own_action"})


@dataclass(frozen=True)
class RequestEnd:
    """An end of a request that was reported, maybe more than once and in several rounds."""

    event: EventRecord  # the newest report
    actor: SignerRecord | None  # who declined
    event_ids: frozenset[str]  # of all reports
    current_ids: frozenset[str]  # of those that are not outdated

    def find_notified(self) -> set[str]:
        """Return the IDs of the people who have a notice of this end."""
        query = select(Message.signer_id).where(
            Message.event_id.in_(self.current_ids),
            Message.signer_id.is_not(None),
            Message.status != Status.CANCELED,
        )
        return {person_id for person_id in db.session.scalars(query) if person_id}


def is_overtaken(request: RequestRecord, event_type: EventType, at: datetime) -> bool:
    """Return whether a request ended, other than by its completion, after someone acted in it."""
    if event_type not in NOTICES or request.closed_at is None:
        return False
    query = select(Event.id).where(
        Event.request_id == request.id,
        Event.type.in_([kind.value for kind in CLOSES if kind != EventType.COMPLETED]),
        Event.occurred_at >= at,
    )
    return db.session.scalar(query.limit(1)) is not None


def find_not_invited(event_type: EventType, request: RequestRecord) -> frozenset[str]:
    """Return the IDs of signers who are not notified that a request was canceled, or not reminded.

    Nobody is reminded whose invitation is only scheduled. A cancellation concerns nobody for whom
    all messages that ask to sign were canceled before they were sent, and who has neither opened
    nor signed the document.
    """
    if event_type == EventType.REMINDER and scheduled_invitations.find_invitation(request):
        return scheduled_invitations.find_uninvited(request)
    if event_type != EventType.CANCELED or request.is_new:
        return frozenset()
    query = (
        select(Message.signer_id, Message.status)
        .join(Event, Event.id == Message.event_id)
        .where(
            Message.request_id == request.id,
            Event.type.in_([kind.value for kind in ASKS_TO_SIGN]),
        )
    )
    rows = db.session.execute(query).all()
    known = {person_id for person_id, status in rows if status != Status.CANCELED}
    known |= {signer.id for signer in request.signers if signer.has_acted}
    return frozenset({person_id for person_id, _ in rows if person_id} - known)


def list_ends(request: RequestRecord) -> list[RequestEnd]:
    """Return the ends of a request that were reported and planned."""
    query = (
        select(Event)
        .where(
            Event.request_id == request.id,
            Event.type.in_([kind.value for kind in CLOSES]),
            Event.due_at.is_(None),
            Event.canceled_at.is_(None),
        )
        .order_by(Event.occurred_at, Event.id)
    )
    reports: dict[tuple[str, str], list[Event]] = {}
    for event in db.session.scalars(query):
        actor = _name_actor(event) if event.type == EventType.DECLINED else ""
        reports.setdefault((event.type, actor), []).append(event)
    return [_build_end(events, request) for events in reports.values()]


def _build_end(events: list[Event], request: RequestRecord) -> RequestEnd:
    newest = events[-1]
    event_type = EventType(newest.type)
    current = [item for item in events if not is_outdated(request, event_type, item.occurred_at)]
    name = _name_actor(newest)
    return RequestEnd(
        EventRecord(
            newest.id,
            newest.external_id,
            event_type,
            newest.occurred_at,
            newest.payload or {},
            is_stored=True,
            outdated=not current,
            is_planned_again=True,
        ),
        request.person(PersonRole.SIGNER, name) if name else None,
        frozenset(item.id for item in events),
        frozenset(item.id for item in current),
    )


def _name_actor(event: Event) -> str:
    """Return the ID of the signer whom an event is about, or ''."""
    signer = (event.payload or {}).get("signer")
    name = signer.get("id") if isinstance(signer, dict) else signer
    return name if isinstance(name, str) else ""


def withdraw(
    request: RequestRecord, end: RequestEnd, ladders: Iterable[plan.PlannedLadder]
) -> None:
    """Withdraw waiting notices of an end, except those that `ladders` plan now."""
    kept = {
        (ladder.person.id, str(ladder.route.audience))
        for ladder in ladders
        if not end.event.outdated and ladder.rungs[0].reason not in NO_NOTICE
    }
    cancellation.withdraw_notices(
        WITHDRAWN,
        event_ids=end.event_ids,
        event_type=end.event.type,
        request_id=request.id,
        kept=kept,
    )
