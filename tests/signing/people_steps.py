"""Post events about people of a request, and read what was stored for each of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select

from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Event, Message, Route, RouteStep, Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.hub_fixtures import event_body, source_id

SENDER = "+13175550142"
LEGAL = "+13175550143"
FORMER = "+13175550144"
REQUEST = {"id": "agr-1001", "title": "Employment Agreement"}
WITH_SENDER = {"request": {**REQUEST, "sender": {"name": "Acme HR", "mobile_number": SENDER}}}


def at(minutes: float) -> str:
    """Return a time, in minutes from now, as an app sends it."""
    return (now() + timedelta(minutes=minutes)).isoformat()


def post(kind: str = "sent", **fields: Any) -> dict[str, Any]:
    """Accept an event and return the answer of the API."""
    body = event_body(f"request.{kind}", **({"request": REQUEST} | fields))
    event = EventIn.model_validate(body)
    answer = accept.accept_event(event, source_id(), test=True)
    db.session.rollback()
    return answer


def people_of(answer: dict[str, Any], field: str = "messages") -> list[str]:
    """Return the IDs of the people whom an answer lists."""
    return [item["signer"] for item in answer[field]]


@transaction
def add_route(kind: str, audience: str, channel: str = Channel.SMS) -> None:
    """Put a route of one step in force, in place of the previous one."""
    former = select(Route).where(Route.event_type == f"request.{kind}", Route.audience == audience)
    for route in db.session.scalars(former):
        route.replaced_at = now()
    db.session.flush()
    template = {"sent": "request_sent", "completed": "request_completed"}
    route = Route(event_type=f"request.{kind}", audience=audience)
    route.steps = [
        RouteStep(position=1, channel=channel, template=template.get(kind, "request_signed_others"))
    ]
    db.session.add(route)
    current_app.extensions.get("hub.cached", {}).clear()


def messages_to(person: str, kind: str = "") -> list[Message]:
    """Return the messages to a person, oldest first."""
    db.session.rollback()
    query = (
        select(Message)
        .join(Signer, Signer.id == Message.signer_id)
        .join(Event, Event.id == Message.event_id)
        .where(Signer.external_id == person, *([Event.type == f"request.{kind}"] if kind else []))
    )
    return list(db.session.scalars(query.order_by(Message.id)))


def statuses(person: str, kind: str = "") -> list[tuple[str, str]]:
    """Return the status and the address of each message to a person, oldest first."""
    return [(message.status, message.contact.address) for message in messages_to(person, kind)]


def load(person: str) -> Signer:
    db.session.rollback()
    return db.session.scalars(select(Signer).where(Signer.external_id == person)).one()


def load_request(external_id: str = "agr-1001") -> SigningRequest:
    db.session.rollback()
    return db.session.scalars(
        select(SigningRequest).where(SigningRequest.external_id == external_id)
    ).one()
