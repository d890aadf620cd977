"""Steps of tests in which a provider refuses a team's destination."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from hub.core.errors import SendError
from hub.db.engine import db
from hub.integrations.base import Accepted, Outbound
from hub.messaging.send import destinations
from hub.models import Connection, Message
from hub.signing import accept
from hub.signing.events import EventIn
from tests.hub_fixtures import event_body, signer_body, source_id
from tests.team_connections import accept_post

ConnectTeam = Callable[[str], Connection]
GONE = "The app was removed from the channel. Add it again in the channel’s settings."


def refuse(error: SendError, destination: str) -> Callable[[Outbound], Accepted]:
    """Return a function that accepts posts to every destination but one."""

    def accept_others(outbound: Outbound) -> Accepted:
        if outbound.to == destination:
            raise error
        return accept_post(outbound)

    return accept_others


def post(number: str = "agr-1001") -> str:
    """Post about a document to the team, and return the post's ID."""
    event = event_body("request.declined", signer=signer_body("Eric", None))
    event["request"]["id"] = number
    accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    db.session.rollback()
    return (
        db.session.scalars(
            select(Message.id).where(Message.thread != "").order_by(Message.id.desc())
        ).first()
        or ""
    )


def pause_reason(connection: Connection) -> str:
    db.session.rollback()
    pauses = destinations.find_pauses([connection.id]).get(connection.id)
    return pauses.reason if pauses else ""
