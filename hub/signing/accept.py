"""Accepting an event: stored with every message it causes, in one transaction, before anybody is
answered "accepted".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select

from hub import integrations
from hub.core.vocabulary import EventType, Lane, RequestState
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import EVENT_PAYLOAD, EVENT_SKIPPED
from hub.db.optimistic_transaction import optimistic
from hub.db.store import cached, list_param, read, transaction, write
from hub.db.types import keyring, new_id, now
from hub.integrations.base import FilledTemplate
from hub.lib.crypto import blind_index
from hub.messaging.compose import plan, provider_templates, render
from hub.messaging.compose.fitting import TOO_LONG, TooLong
from hub.messaging.compose.outbox import Draft, StoredMessage, add_all
from hub.messaging.contacts.contacts import KnownAddress, contacts_for
from hub.models import ConnectionInfo, Contact, Event, Message
from hub.shared.index_key import index_key
from hub.signing import cards, chat_invitations, planning, requests, team_posts
from hub.signing.events import EventIn
from hub.signing.signing_batch import RequestRecord, SignerRecord


@dataclass(frozen=True)
class EventRecord:
    """An event that is being stored."""

    id: str
    external_id: str
    type: EventType
    occurred_at: datetime
    payload: dict[str, Any]


@optimistic
def accept_event(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Store an event and plan its messages; return the answer that the signing app gets."""
    request, actor = requests.apply_event(posted, source_id, test=test)
    payload = posted.model_dump(exclude_unset=True, mode="json")
    event = EventRecord(new_id("evt"), posted.id or "", posted.type, posted.occurred_at, payload)
    return notify(
        event, request, actor, only=[actor] if actor and posted.type == EventType.REMINDER else None
    )


@transaction
def notify(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    only: Sequence[SignerRecord] | None = None,
) -> dict[str, Any]:
    """Plan, render and store the messages of an event, and the event.

    `only` narrows it to some signers.

    Those who read where a connection posts are told too, and what stands there of the request is
    brought up to date.
    """
    connections = planning.usable_connections(test=request.test)
    signers = {signer.id: signer for signer in (request.signers if only is None else only)}
    planned, posts, skipped = _plan(event, request, actor, signers, connections)
    told = _told_before([*planned, *posts])
    writing = _Writing(event, request, actor, signers, connections)
    said, too_long = writing.to_signers(_without(planned, told))
    planned = {key: item for key, item in planned.items() if key in said or key in told}
    reminded = [signers[one] for one in dict.fromkeys(item.person.id for item in planned.values())]
    if event.type == EventType.REMINDER and not reminded:
        posts = {}  # there is nothing to tell a team
    posted, unfit = writing.to_team(_without(posts, told), reminded)
    refusals = [item.as_json() for item in skipped + too_long + unfit]
    _store(event, request, refusals)
    drafts = writing.drafts(said, planned)
    about = team_posts.TeamEvent(
        event.id, event.type, request, event.payload.get("download_url") or ""
    )
    new = [(posts[key], key, text) for key, text in posted.items()]
    drafts += team_posts.draft_posts(about, request, new)
    added = zip((draft.dedup_key for draft in drafts), add_all(drafts), strict=True)
    stored = {key: message for key, message in added if key} | told
    team_posts.refresh_posts(request, connections, told=about)
    briefs = [_brief(stored[key], item.person.external_id) for key, item in planned.items()]
    briefs += [_brief(stored[key], None) for key in posts if key in stored]
    return {"event": {"id": event.id}, "messages": briefs, "skipped": refusals}


Item = TypeVar("Item", plan.PlannedMessage, plan.PlannedPost)


def _without(items: Mapping[bytes, Item], told: Collection[bytes]) -> dict[bytes, Item]:
    return {key: item for key, item in items.items() if key not in told}


def _plan(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    signers: Mapping[str, SignerRecord],
    connections: Mapping[str, ConnectionInfo],
) -> tuple[dict[bytes, plan.PlannedMessage], dict[bytes, plan.PlannedPost], list[plan.SkippedStep]]:
    """Return messages to signers and posts for a team, each by its key, and what is skipped."""
    candidates = [planning.candidate_of(connection) for connection in connections.values()]
    name = ("routes", event.type, request.source_id, str(request.test))
    routes = cached(name, lambda: planning.routes(event.type, request.source_id, test=request.test))
    asks = {
        "asks_to_sign": event.type.asks_to_sign,
        "closed": request.state != RequestState.OPEN,
        "expired": request.expired,
    }
    planned, skipped = plan.plan_messages(
        routes,
        planning.people(request, list(signers.values()), candidates),
        candidates,
        actor=actor.id if actor else "",
        reminds=event.type == EventType.REMINDER,
        **asks,
    )
    posts, unposted = plan.plan_posts(routes, candidates, **asks)

    def key(person: str, kind: str, to: str, step: plan.Step) -> bytes:
        return _once_key(event, request, actor, person, kind, to, step)

    return (
        {
            key(item.person.id, item.candidate.address_kind, item.to, item.step): item
            for item in planned
        },
        {key("", "place", "", item.step): item for item in posts},
        skipped + unposted,
    )


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class _Said:
    """The text of a message and, where it may be needed, its approved template."""

    rendered: render.Rendered
    template: FilledTemplate | None
    says: dict[str, Any] | None


@dataclass(frozen=True)
class _Writing:
    """The texts of an event's messages: each as long as its provider takes, or not sent at all."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None
    signers: Mapping[str, SignerRecord]
    connections: Mapping[str, ConnectionInfo]

    def to_signers(
        self, items: Mapping[bytes, plan.PlannedMessage]
    ) -> tuple[dict[bytes, _Said], list[plan.SkippedStep]]:
        """Write to signers; return the texts, and the steps whose text is too long."""
        said: dict[bytes, _Said] = {}
        skipped = []
        for key, item in items.items():
            try:
                said[key] = self._say(item)
            except TooLong:
                skipped.append(
                    plan.SkippedStep(item.person.external_id, item.step.channel, TOO_LONG)
                )
        return said, skipped

    def _say(self, item: plan.PlannedMessage) -> _Said:
        connection = item.candidate.connection
        signer = self.signers[item.person.id]
        template = item.step.template
        channel = connection.channel
        locale = item.person.locale
        shows = render.names_in(template, channel, locale)
        links = chat_invitations.links_for(
            shows, self.connections.values(), self.request.source_id, signer
        )
        values = _values(self.event, self.request, signer, self.actor)
        cls = integrations.get(connection.integration)
        rendered = render.render_within(
            cls, cls.max_length, template, channel, locale, values | links
        )
        if not cls.session_window:
            return _Said(rendered, None, None)
        filled = provider_templates.fill_mapped(connection.id, template, locale, values, cls)
        return _Said(rendered, filled, {"name": template, "locale": locale, "values": values})

    def to_team(
        self, items: Mapping[bytes, plan.PlannedPost], reminded: Sequence[SignerRecord]
    ) -> tuple[dict[bytes, render.Rendered], list[plan.SkippedStep]]:
        """Write posts; return their texts, and the steps whose text is too long."""
        values = _values_for_team(self.event, self.request, reminded, self.actor)
        said: dict[bytes, render.Rendered] = {}
        skipped = []
        for key, item in items.items():
            connection = item.connection
            cls = integrations.get(connection.integration)
            most = cls.max_post_length or cls.max_length * 3 // 4
            try:
                said[key] = render.render_within(
                    cls,
                    most,
                    item.step.template,
                    connection.channel,
                    render.default_locale(),
                    values,
                )
            except TooLong:
                skipped.append(plan.SkippedStep("", item.step.channel, TOO_LONG))
        return said, skipped

    def drafts(
        self, said: Mapping[bytes, _Said], planned: Mapping[bytes, plan.PlannedMessage]
    ) -> list[Draft]:
        """Return the messages to signers, to be stored."""
        items = [(key, planned[key], one) for key, one in said.items()]
        known = {_known(item, self.signers[item.person.id]) for _, item, _ in items}
        recipients = contacts_for(known, test=self.request.test) if known else {}
        event = self.event
        request = self.request
        return [
            Draft(
                connection=item.candidate.connection,
                recipient=recipients[item.kind, item.to],
                text=one.rendered.text,
                subject=one.rendered.subject,
                source_id=request.source_id,
                event_id=event.id,
                request_id=request.id,
                signer_id=item.person.id,
                step_id=item.step.id,
                template_version_id=one.rendered.version_id,
                template=one.template,
                says=one.says,
                lane=Lane.BULK if event.type == EventType.REMINDER else Lane.NOW,
                dedup_key=key,
                expires_at=_until(event, request),
            )
            for key, item, one in items
        ]


def _brief(message: StoredMessage, signer: str | None) -> dict[str, Any]:
    """Return a message as the signing app hears of it; `signer` is None for what a team reads."""
    return {
        "id": message.id,
        "signer": signer,
        "channel": message.channel,
        "to": message.to,
        "status": message.status,
        "code": message.code or None,
    }


def _store(event: EventRecord, request: RequestRecord, skipped: list[dict[str, Any]]) -> None:
    row = event.id.partition("_")[2]
    write(
        _EVENT,
        {
            "id": event.id,
            "request_id": request.id,
            "source_id": request.source_id,
            "external_id": event.external_id,
            "type": event.type.value,
            "occurred_at": event.occurred_at,
            "received_at": now(),
            "payload": keyring().seal_json(EVENT_PAYLOAD, row, event.payload),
            "skipped": keyring().seal_json(EVENT_SKIPPED, row, skipped),
        },
    )


_EVENT = Statement.insert(table_of(Event))


# ── Once ──────────────────────────────────────────────────────────────────────────────────────────
def _once_key(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    person: str,
    kind: str,
    to: str,
    step: plan.Step,
) -> bytes:
    """Return what tells one message from another that would say the same to the same person, or in
    the same place.
    """
    # most events happen once in a request, reminders again and again
    occurrence = (event.external_id or event.id) if event.type == EventType.REMINDER else ""
    about = actor.id if actor else ""
    return blind_index(
        index_key(), "once", request.id, event.type, occurrence, about, person, kind, to, step.id
    )


def _told_before(keys: Collection[bytes]) -> dict[bytes, StoredMessage]:
    if not keys:
        return {}
    return {key: StoredMessage(*rest) for key, *rest in read(_TOLD, keys=list(keys)) if key}


_TOLD = Statement(
    select(
        Message.dedup_key,
        Message.id,
        Message.channel,
        Contact.address,
        Message.status,
        Message.code,
    )
    .join(Contact, Contact.id == Message.contact_id)
    .where(Message.dedup_key.in_(list_param("keys")))
)


def _known(item: plan.PlannedMessage, signer: SignerRecord) -> KnownAddress:
    return KnownAddress(
        item.kind, item.to, signer.details.get("name") or "", signer.details.get("time_zone") or ""
    )


def _until(event: EventRecord, request: RequestRecord) -> datetime | None:
    return request.expires_at if event.type.asks_to_sign else None


# ── What templates can say ────────────────────────────────────────────────────────────────────────
def _values(
    event: EventRecord, request: RequestRecord, signer: SignerRecord, actor: SignerRecord | None
) -> dict[str, Any]:
    details = signer.details
    return {
        "title": cards.title_of(request),
        "sender": cards.sender_of(request),
        "name": (cards.button_name(actor) if actor else "") or cards.UNNAMED,
        "signer": details.get("name") or "",
        "link": signer.signing_url or "",
        "download_link": details.get("download_url") or event.payload.get("download_url") or "",
        "remaining": request.remaining,
    }


def _values_for_team(
    event: EventRecord,
    request: RequestRecord,
    told: Sequence[SignerRecord],
    actor: SignerRecord | None,
) -> dict[str, Any]:
    """Return the values of texts that signers do not read: no link of a signer's own is among them.

    `told`: signers who are.
    """
    named = told if event.type == EventType.REMINDER else request.signers
    return {
        "title": cards.title_of(request),
        "sender": cards.sender_of(request),
        "name": cards.name_of(actor) if actor else cards.UNNAMED,
        "names": cards.names_of(named),
        "people": len(named),
        "download_link": event.payload.get("download_url") or "",
        "remaining": request.remaining,
    }
