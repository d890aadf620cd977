"""Accepting an event: stored with every message it causes, in one transaction, before anybody is told "accepted"."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.crypto import blind
from hub.integrations.base import Filled
from hub.messaging import plan, provider_templates, render
from hub.messaging.contacts import Known, contacts_for
from hub.messaging.outbox import Draft, Stored, add_all
from hub.messaging.policy import Carrier
from hub.models import Contact, Event, Message
from hub.models.types import keyring, new_id, now
from hub.optimistic import optimistic
from hub.signing import cards, linking, planning, requests, team
from hub.signing.events import EventIn
from hub.signing.records import RequestRecord, SignerRecord
from hub.statements import Statement, table_of
from hub.store import index_key, read, remembered, several, transaction, write
from hub.vocabulary import EventType, Lane, RequestState


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
    """Plan, render and store the messages of an event, and the event. `only` narrows it to some signers.

    Those who read where a connection posts are told too, and what stands there of the request is brought up to date.
    """
    carriers = planning.carriers(request.test)
    among = [planning.planned_with(carrier) for carrier in carriers.values()]
    name = ("routes", event.type, request.source_id, str(request.test))
    routes = remembered(name, lambda: planning.routes(event.type, request.source_id, test=request.test))
    asks = {
        "asks_to_sign": event.type.asks_to_sign, "closed": request.state != RequestState.OPEN,
        "expired": request.expired,
    }
    signers = {signer.id: signer for signer in (request.signers if only is None else only)}
    planned, skipped = plan.plan(
        routes, planning.people(request, list(signers.values()), among), among, actor=actor.id if actor else "",
        reminds=event.type == EventType.REMINDER, **asks,
    )  # fmt: skip
    posts, unposted = plan.posts(routes, among, **asks)
    reminded = [signers[one] for one in dict.fromkeys(item.person.id for item in planned)]
    if event.type == EventType.REMINDER and not reminded:
        posts = []  # there is nothing to tell a team
    refusals = [item.as_json() for item in skipped + unposted]
    _store(event, request, refusals)
    keys = [_once_key(event, request, actor, item.person.id, item.carrier.address, item.to, item.step) for item in planned]
    post_keys = [_once_key(event, request, actor, "", "place", "", item.step) for item in posts]
    told = _told_before(keys + post_keys)
    fresh = [(item, key) for item, key in zip(planned, keys, strict=True) if key not in told]
    contacts = contacts_for({_known(item, signers[item.person.id]) for item, _ in fresh}, test=request.test) if fresh else {}
    drafts = []
    for item, key in fresh:
        carrier = carriers[item.carrier.id]
        signer = signers[item.person.id]
        shows = render.names_in(item.step.template, carrier.channel, item.person.locale)
        values = _values(event, request, signer, actor) | linking.links(shows, carriers.values(), request.source_id, signer)
        said = render.render(
            item.step.template, carrier.channel, item.person.locale, values,
            isolated=not integrations.get(carrier.integration).counts_segments,
        )
        template, says = _template(carrier, item, values)
        drafts.append(Draft(
            connection=carrier, contact=contacts[item.kind, item.to], text=said.text, subject=said.subject,
            source_id=request.source_id, event_id=event.id, request_id=request.id, signer_id=item.person.id, step_id=item.step.id,
            template_version_id=said.version_id, template=template, says=says,
            lane=Lane.BULK if event.type == EventType.REMINDER else Lane.NOW, once_key=key,
            expires_at=_until(event, request),
        ))  # fmt: skip
    about = team.Told(event.id, event.type, request, event.payload.get("download_url") or "")
    new = [(item, key) for item, key in zip(posts, post_keys, strict=True) if key not in told]
    drafts += team.drafts(about, request, new, carriers, _values_for_team(event, request, reminded, actor)) if new else []
    added = zip((draft.once_key for draft in drafts), add_all(drafts), strict=True)
    stored = {key: message for key, message in added if key} | told
    team.refresh(request, carriers, told=about)
    whose = [item.person.external_id for item in planned] + [None] * len(posts)
    briefs = [_brief(stored[key], signer) for key, signer in zip(keys + post_keys, whose, strict=True)]
    return {"event": {"id": event.id}, "messages": briefs, "skipped": refusals}


def _template(carrier: Carrier, item: plan.Planned, values: dict[str, Any]) -> tuple[Filled | None, dict[str, Any] | None]:
    """Return the approved template for when free text may not go, where that is a question, and what finds one later."""
    if not integrations.get(carrier.integration).session_window:
        return None, None
    name, locale = item.step.template, item.person.locale
    values = {name: value for name, value in values.items() if name not in linking.names()}  # made for a text of ours alone
    return provider_templates.filled(carrier.id, name, locale, values), {"name": name, "locale": locale, "values": values}


def _brief(message: Stored, signer: str | None) -> dict[str, Any]:
    """Return a message as the signing app hears of it; `signer` is None for what a team reads."""
    return {
        "id": message.id, "signer": signer, "channel": message.channel, "to": message.to, "status": message.status,
        "code": message.code or None,
    }  # fmt: skip


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
def _once_key(
    event: Happened, request: RequestRecord, actor: SignerRecord | None, person: str, kind: str, to: str, step: plan.Step
) -> bytes:
    """Return what tells one message from another that would say the same to the same person, or in the same place."""
    # most events happen once in a request, reminders again and again
    occurrence = (event.external_id or event.id) if event.type == EventType.REMINDER else ""
    about = actor.id if actor else ""
    return blind(index_key(), "once", request.id, event.type, occurrence, about, person, kind, to, step.id)


def _told_before(keys: Collection[bytes]) -> dict[bytes, Stored]:
    if not keys:
        return {}
    return {key: Stored(*rest) for key, *rest in read(_TOLD, keys=list(keys)) if key}


_TOLD = Statement(
    select(Message.once_key, Message.id, Message.channel, Contact.address, Message.status, Message.code)
    .join(Contact, Contact.id == Message.contact_id).where(Message.once_key.in_(several("keys")))
)  # fmt: skip


def _known(item: plan.Planned, signer: SignerRecord) -> Known:
    return Known(item.kind, item.to, signer.details.get("name") or "", signer.details.get("time_zone") or "")


def _until(event: Happened, request: RequestRecord) -> datetime | None:
    return request.expires_at if event.type.asks_to_sign else None


# ── What templates can say ──────────────────────────────────────────────────────────────────────────────────
def _values(event: Happened, request: RequestRecord, signer: SignerRecord, actor: SignerRecord | None) -> dict[str, Any]:
    details = signer.details
    return {
        "title": cards.title_of(request),
        "sender": cards.sender_of(request),
        "name": (cards.called(actor) if actor else "") or cards.UNNAMED,
        "signer": details.get("name") or "",
        "link": signer.signing_url or "",
        "download_link": details.get("download_url") or event.payload.get("download_url") or "",
        "remaining": request.remaining,
    }


def _values_for_team(event: Happened, request: RequestRecord, told: Sequence[SignerRecord], actor: SignerRecord | None) -> dict[str, Any]:
    """Return the values of texts that signers do not read: no link of a signer's own is among them. `told`: signers who are."""
    named = told if event.type == EventType.REMINDER else request.signers
    return {
        "title": cards.title_of(request), "sender": cards.sender_of(request),
        "name": cards.name_of(actor) if actor else cards.UNNAMED, "names": cards.names_of(named), "people": len(named),
        "download_link": event.payload.get("download_url") or "", "remaining": request.remaining,
    }  # fmt: skip
