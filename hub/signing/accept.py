"""Accepting an event: stored with every message it causes, in one transaction, before anybody is told "accepted"."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select

from hub import integrations
from hub.crypto import blind
from hub.errors import NotFound
from hub.integrations.base import Filled
from hub.messaging import plan, provider_templates, render
from hub.messaging.contacts import Known, contacts_for
from hub.messaging.outbox import Draft, Stored, add_all
from hub.messaging.policy import Carrier
from hub.models import Connection, Contact, Event, Message, Route, RouteStep
from hub.models.types import keyring, new_id, now
from hub.optimistic import optimistic
from hub.signing import requests
from hub.signing.events import EventIn
from hub.signing.records import RequestRecord, SignerRecord
from hub.statements import Statement, table_of
from hub.store import index_key, read, remembered, several, transaction, write
from hub.vocabulary import Address, ConnectionState, EventType, Lane, RequestState

UNTITLED, UNNAMED = "Untitled document", "Somebody"


@dataclass(frozen=True)
class Happened:
    """An event that is being stored."""

    id: str
    external_id: str
    type: EventType
    occurred_at: datetime
    payload: dict[str, Any]


@optimistic
def accept(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Store an event and plan its messages; return the answer that the signing app gets."""
    request, actor = requests.apply(posted, source_id, test=test)
    payload = posted.model_dump(exclude_unset=True, mode="json")
    event = Happened(new_id("evt"), posted.id or "", posted.type, posted.occurred_at, payload)
    return tell(event, request, actor, only=[actor] if actor and posted.type == EventType.REMINDER else None)


@transaction
def tell(event: Happened, request: RequestRecord, actor: SignerRecord | None, only: Sequence[SignerRecord] | None = None) -> dict[str, Any]:
    """Plan, render and store the messages of an event, and the event. `only` narrows it to some signers."""
    signers = {signer.id: signer for signer in (request.signers if only is None else only)}
    carriers = {carrier.id: carrier for carrier in _carriers(request.test)}
    routes = remembered(("routes", event.type, request.source_id), lambda: _routes(event.type, request.source_id))
    planned, skipped = plan.plan(
        routes, [_person(signer) for signer in signers.values()], [_planning(c) for c in carriers.values()],
        actor=actor.id if actor else "", asks_to_sign=event.type in requests.ASKS_TO_SIGN, closed=request.state != RequestState.OPEN,
    )  # fmt: skip
    refusals = [item.as_json() for item in skipped]
    _store(event, request, refusals)
    keys = [_once_key(event, request, actor, item) for item in planned]
    told = _told_before(keys)
    fresh = [(item, key) for item, key in zip(planned, keys, strict=True) if key not in told]
    contacts = contacts_for({_known(item, signers[item.person.id]) for item, _ in fresh}, test=request.test) if fresh else {}
    drafts = []
    for item, key in fresh:
        carrier = carriers[item.carrier.id]
        values = _values(event, request, signers[item.person.id], actor)
        said = render.render(item.step.template, carrier.channel, item.person.locale, values)
        template, says = _template(carrier, item, values)
        drafts.append(Draft(
            connection=carrier, contact=contacts[item.carrier.address, item.to], text=said.text, subject=said.subject,
            source_id=request.source_id, event_id=event.id, request_id=request.id, signer_id=item.person.id, step_id=item.step.id,
            template_version_id=said.version_id, template=template, says=says,
            lane=Lane.BULK if event.type == EventType.REMINDER else Lane.NOW, once_key=key,
            expires_at=_until(event, request),
        ))  # fmt: skip
    stored = {key: message for (_, key), message in zip(fresh, add_all(drafts), strict=True)} | told
    return {"event": {"id": event.id}, "messages": [_brief(stored[key]) for key in keys], "skipped": refusals}


def _template(carrier: Carrier, item: plan.Planned, values: dict[str, Any]) -> tuple[Filled | None, dict[str, Any] | None]:
    """Return the approved template for when free text may not go, where that is a question, and what finds one later."""
    if not integrations.get(carrier.integration).session_window:
        return None, None
    name, locale = item.step.template, item.person.locale
    return provider_templates.filled(carrier.id, name, locale, values), {"name": name, "locale": locale, "values": values}


def _brief(message: Stored) -> dict[str, Any]:
    return {"id": message.id, "channel": message.channel, "to": message.to, "status": message.status, "code": message.code or None}


def _store(event: Happened, request: RequestRecord, skipped: list[dict[str, Any]]) -> None:
    row = event.id.partition("_")[2]
    write(_EVENT, {
        "id": event.id, "request_id": request.id, "source_id": request.source_id, "external_id": event.external_id,
        "type": event.type.value, "occurred_at": event.occurred_at, "received_at": now(),
        "payload": keyring().seal_json("events", row, "payload", event.payload),
        "skipped": keyring().seal_json("events", row, "skipped", skipped),
    })  # fmt: skip


_EVENT = Statement.insert(table_of(Event))


# ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────
def _once_key(event: Happened, request: RequestRecord, actor: SignerRecord | None, item: plan.Planned) -> bytes:
    """Return what tells one message from another that would say the same to the same person."""
    # most events happen once in a request, reminders again and again
    occurrence = (event.external_id or event.id) if event.type == EventType.REMINDER else ""
    about = actor.id if actor else ""
    return blind(
        index_key(), "once", request.id, event.type, occurrence, about, item.person.id, item.carrier.address, item.to, item.step.id
    )


def _told_before(keys: Collection[bytes]) -> dict[bytes, Stored]:
    if not keys:
        return {}
    return {key: Stored(*rest) for key, *rest in read(_TOLD, keys=list(keys)) if key}


_TOLD = Statement(
    select(Message.once_key, Message.id, Message.channel, Contact.address, Message.status, Message.code)
    .join(Contact, Contact.id == Message.contact_id).where(Message.once_key.in_(several("keys")))
)  # fmt: skip


def _known(item: plan.Planned, signer: SignerRecord) -> Known:
    return Known(item.carrier.address, item.to, signer.details.get("name") or "", signer.details.get("time_zone") or "")


def _until(event: Happened, request: RequestRecord) -> datetime | None:
    return request.expires_at if event.type in requests.ASKS_TO_SIGN and request.expires_at and request.expires_at > now() else None


# ── What templates can say ──────────────────────────────────────────────────────────────────────────────────
def _values(event: Happened, request: RequestRecord, signer: SignerRecord, actor: SignerRecord | None) -> dict[str, Any]:
    about, details, sender = actor.details if actor else {}, signer.details, request.sender or {}
    return {
        "title": request.title or UNTITLED,
        "sender": sender.get("name") or sender.get("email") or UNNAMED,
        "name": about.get("name") or about.get("email") or UNNAMED,
        "signer": details.get("name") or "",
        "link": signer.signing_url or "",
        "download_link": details.get("download_url") or event.payload.get("download_url") or "",
        "remaining": request.remaining,
    }


# ── What planning needs ─────────────────────────────────────────────────────────────────────────────────────
def _person(signer: SignerRecord) -> plan.Person:
    details = signer.details
    wants = details.get("send_to") or {}
    addresses = {Address.PHONE.value: details.get("mobile_number") or "", Address.EMAIL.value: details.get("email") or ""}
    return plan.Person(
        id=signer.id, external_id=signer.external_id, owes=signer.owes,
        addresses={kind: address for kind, address in addresses.items() if address},
        wants={Address.PHONE.value: wants.get("mobile_number", True), Address.EMAIL.value: wants.get("email", True)},
        preference=tuple(details.get("preference") or ()), locale=details.get("locale") or render.default_locale(),
    )  # fmt: skip


def _planning(carrier: Carrier) -> plan.Carrier:
    cls = integrations.get(carrier.integration)
    return plan.Carrier(carrier.id, carrier.channel, cls.address.value, cls.clean_address)


def _carriers(test: bool) -> list[Carrier]:
    """Return what can carry a message: enabled connections first, then broken ones, whose messages wait."""
    carriers = [(Carrier(*row), state) for *row, state in read(_CARRIERS, test=test)]
    carriers.sort(key=lambda found: found[1] != ConnectionState.ENABLED)
    return [carrier for carrier, _ in carriers if _installed(carrier.integration)]


_CARRIERS = Statement(
    select(Connection.id, Connection.integration, Connection.channel, Connection.sender, Connection.test, Connection.rules,
           Connection.state)
    .where(Connection.test == bindparam("test"), Connection.archived_at.is_(None),
           Connection.state.in_([ConnectionState.ENABLED.value, ConnectionState.BROKEN.value]))
    .order_by(Connection.id)
)  # fmt: skip


def _installed(integration: str) -> bool:
    try:
        return bool(integrations.get(integration))
    except NotFound:
        return False


def _routes(event_type: EventType, source_id: str) -> list[plan.Route]:
    """Return the routes of an event; a source's own take the place of everybody's."""
    rows = read(_ROUTES, event_type=event_type.value, source=source_id)
    own = any(row[1] for row in rows)
    steps: dict[tuple[str, str], list[plan.Step]] = {}
    for route_id, owner, audience, step_id, channel, template, connection_id in rows:
        if bool(owner) == own:
            steps.setdefault((route_id, audience), []).append(plan.Step(step_id, channel, template, connection_id))
    return [plan.Route(audience, found) for (_, audience), found in steps.items()]


_ROUTES = Statement(
    select(Route.id, Route.source_id, Route.audience, RouteStep.id, RouteStep.channel, RouteStep.template, RouteStep.connection_id)
    .join(RouteStep, RouteStep.route_id == Route.id)
    .where(Route.event_type == bindparam("event_type"), Route.enabled,
           or_(Route.source_id.is_(None), Route.source_id == bindparam("source")))
    .order_by(Route.id, RouteStep.position)
)  # fmt: skip
