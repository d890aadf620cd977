"""Make one notice of the last signature and the completion of a request.

When no signature is missing, the completion takes the place of notices about the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from hub.core.vocabulary import Audience, EventType, RequestState
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.compose import cancellation
from hub.models import Event, Message
from hub.signing.signing_batch import RequestRecord, SignerRecord

# the longest that apps need to report that a request is completed after the last signature
COMPLETION_WAIT = timedelta(minutes=1)


def waits_until(
    event_type: EventType, request: RequestRecord, actor: SignerRecord | None, person_id: str
) -> datetime | None:
    """Return until when a notice to a person waits for the completion of the request, or None.

    The notice to `actor`, the signer who signed, never waits.
    """
    is_last = event_type == EventType.SIGNED and not request.remaining
    is_own = actor is not None and actor.id == person_id
    if not is_last or is_own or request.state != RequestState.OPEN:
        return None
    return now() + COMPLETION_WAIT


def notified_of_completion(event_type: EventType, request: RequestRecord) -> frozenset[str]:
    """Return the people who were notified of the completion, which an event follows late."""
    if event_type != EventType.SIGNED or request.state != RequestState.COMPLETED:
        return frozenset()
    query = (
        select(Message.signer_id)
        .join(Event, Event.id == Message.event_id)
        .where(
            Message.request_id == request.id,
            Message.signer_id.is_not(None),
            Event.type == EventType.COMPLETED,
        )
    )
    return frozenset(person_id for person_id in db.session.scalars(query) if person_id)


def cancel_signed_notices(
    event_type: EventType, request: RequestRecord, person_ids: Iterable[str]
) -> None:
    """Cancel waiting notices about signatures to people whom the completion notifies."""
    if event_type != EventType.COMPLETED:
        return
    for person_id in person_ids:
        cancellation.stop_request(
            "completed",
            event_types=(EventType.SIGNED,),
            request_id=request.id,
            signer_id=person_id,
            audiences=(Audience.OTHERS, Audience.SENDER, Audience.OBSERVERS),
        )
