"""Define the routes that Signpost installs: by SMS, for each event and audience of signers."""

from __future__ import annotations

from sqlalchemy import select

from hub.core.vocabulary import Audience, Channel, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.models import Route, RouteStep
from hub.signing.shipped_texts import install_texts

# event, audience, text
ROUTES = (
    (EventType.SENT, Audience.SIGNER, "request_sent"),
    (EventType.SIGNED, Audience.OTHERS, "request_signed_others"),
    (EventType.SIGNED, Audience.SIGNER, "request_signed_actor"),
    (EventType.COMPLETED, Audience.SIGNER, "request_completed"),
    (EventType.REMINDER, Audience.SIGNER, "request_reminder"),
)
CHANNEL = Channel.SMS


@transaction
def install() -> None:
    """Add the texts and routes of Signpost that are missing, without changing edited ones."""
    install_texts()
    for event_type, audience, name in ROUTES:
        _add_route(event_type, audience, name)


def _add_route(event_type: EventType, audience: Audience, name: str) -> None:
    same = select(Route.id).where(
        Route.event_type == event_type,
        Route.audience == audience,
        Route.source_id.is_(None),
        Route.replaced_at.is_(None),
    )
    if db.session.scalar(same) is None:
        route = Route(id=new_id("rte"), event_type=event_type.value, audience=audience.value)
        route.steps.append(RouteStep(position=1, channel=CHANNEL.value, template=name))
        db.session.add(route)
        db.session.flush()
