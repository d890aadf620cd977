"""Accepting an event: stored with every message it causes, in one transaction, before anybody is told "accepted"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from hub import integrations
from hub.crypto import blind
from hub.extensions import db
from hub.messaging import plan, render
from hub.messaging.contacts import contact_for
from hub.messaging.outbox import Draft, add
from hub.models import Connection, Event, Message, Route, Signer, SigningRequest
from hub.models.types import new_id, now
from hub.signing import requests
from hub.signing.events import EventIn
from hub.store import index_key, transaction
from hub.vocabulary import Address, ConnectionState, EventType, Lane, RequestState, SignerState

UNTITLED, UNNAMED = "Untitled document", "Somebody"


@transaction
def accept(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Store an event and plan its messages; return the answer that the signing app gets."""
    request, actor = requests.apply(posted, source_id, test=test)
    event = Event(
        id=new_id("evt"), request_id=request.id, source_id=source_id, external_id=posted.id or "", type=posted.type.value,
        occurred_at=posted.occurred_at, received_at=now(),
    )  # fmt: skip
    event.payload = posted.model_dump(exclude_unset=True, mode="json")
    event.skipped = []
    db.session.add(event)
    db.session.flush()
    return tell(event, request, actor, only=[actor] if actor and posted.type == EventType.REMINDER else None)


@transaction
def tell(event: Event, request: SigningRequest, actor: Signer | None, only: Sequence[Signer] | None = None) -> dict[str, Any]:
    """Plan, render and store the messages of an event. `only` narrows it to some signers."""
    signers = {signer.id: signer for signer in request.signers if only is None or signer in only}
    carriers = {connection.id: connection for connection in _connections(request.test)}
    planned, skipped = plan.plan(
        _routes(event), [_person(signer) for signer in signers.values()], [_carrier(c) for c in carriers.values()],
        actor=actor.id if actor else "", asks_to_sign=event.type in requests.ASKS_TO_SIGN, closed=request.state != RequestState.OPEN,
    )  # fmt: skip
    messages = [
        _message(event, request, signers[item.person.id], actor, item, carriers[item.carrier.id]) for item in planned
    ]  # fmt: skip
    event.skipped = [item.as_json() for item in skipped]
    db.session.flush()
    return {"event": {"id": event.id}, "messages": [brief(message) for message in messages], "skipped": event.skipped}


def brief(message: Message) -> dict[str, Any]:
    """Return a message as the answer to an event shows it."""
    return {
        "id": message.id, "channel": message.channel, "to": message.contact.address, "status": message.status,
        "code": message.code or None,
    }  # fmt: skip


def _message(
    event: Event, request: SigningRequest, signer: Signer, actor: Signer | None, item: plan.Planned, connection: Connection
) -> Message:
    """Store one planned message, or return the one that told the same before."""
    key = blind(
        index_key(), "once", request.id, event.type, _occurrence(event, signer), actor.id if actor else "",
        signer.id, item.carrier.address, item.to, item.step.id,
    )  # fmt: skip
    told = db.session.scalar(select(Message).where(Message.once_key == key))
    if told is not None:
        return told
    rendered = render.render(item.step.template, connection.channel, item.person.locale, _values(event, request, signer, actor))
    details = signer.details or {}
    contact = contact_for(
        item.carrier.address, item.to, test=request.test, name=details.get("name") or "", time_zone=details.get("time_zone") or ""
    )
    return add(Draft(
        connection=connection, contact=contact, text=rendered.text, subject=rendered.subject, source_id=request.source_id,
        event_id=event.id, request_id=request.id, signer_id=signer.id, step_id=item.step.id, template_version_id=rendered.version_id,
        lane=Lane.BULK if event.type == EventType.REMINDER else Lane.NOW, once_key=key, expires_at=_until(event, request),
    ))  # fmt: skip


def _occurrence(event: Event, signer: Signer) -> str:
    """Tell one happening of an event type from another: most happen once in a request, reminders again and again."""
    return (event.external_id or event.id) if event.type == EventType.REMINDER else ""


def _until(event: Event, request: SigningRequest) -> datetime | None:
    return request.expires_at if event.type in requests.ASKS_TO_SIGN and request.expires_at and request.expires_at > now() else None


def _values(event: Event, request: SigningRequest, signer: Signer, actor: Signer | None) -> dict[str, Any]:
    """Return what templates can say."""
    about, details, payload = (actor.details or {}) if actor else {}, signer.details or {}, event.payload or {}
    sender = request.sender or {}
    return {
        "title": request.title or UNTITLED,
        "sender": sender.get("name") or sender.get("email") or UNNAMED,
        "name": about.get("name") or about.get("email") or UNNAMED,
        "signer": details.get("name") or "",
        "link": signer.signing_url or "",
        "download_link": details.get("download_url") or payload.get("download_url") or "",
        "remaining": requests.remaining(request),
    }


def _person(signer: Signer) -> plan.Person:
    details = signer.details or {}
    wants = details.get("send_to") or {}
    addresses = {Address.PHONE.value: details.get("mobile_number") or "", Address.EMAIL.value: details.get("email") or ""}
    return plan.Person(
        id=signer.id, external_id=signer.external_id, owes=SignerState(signer.state).owes,
        addresses={kind: address for kind, address in addresses.items() if address},
        wants={Address.PHONE.value: wants.get("mobile_number", True), Address.EMAIL.value: wants.get("email", True)},
        preference=tuple(details.get("preference") or ()), locale=details.get("locale") or render.DEFAULT_LOCALE,
    )  # fmt: skip


def _carrier(connection: Connection) -> plan.Carrier:
    cls = integrations.get(connection.integration)
    return plan.Carrier(connection.id, connection.channel, cls.address.value, cls.clean_address, waits=not connection.enabled)


def _connections(test: bool) -> list[Connection]:
    """Return what can carry a message: enabled connections, and broken ones, whose messages wait."""
    states = (ConnectionState.ENABLED, ConnectionState.BROKEN)
    query = select(Connection).where(Connection.test == test, Connection.archived_at.is_(None), Connection.state.in_(states))
    return list(db.session.scalars(query.order_by(Connection.id)))


def _routes(event: Event) -> list[plan.Route]:
    """Return the routes of an event; a source's own take the place of everybody's."""
    found = db.session.scalars(
        select(Route).where(
            Route.event_type == event.type, Route.enabled, or_(Route.source_id.is_(None), Route.source_id == event.source_id)
        ).order_by(Route.id)
    ).all()  # fmt: skip
    own = [route for route in found if route.source_id]
    return [
        plan.Route(route.audience, [plan.Step(s.id, s.channel, s.template, s.connection_id) for s in route.steps])
        for route in own or found
    ]
