"""Accept an event: store it and every message that it causes in one transaction.

The API answers "accepted" only after this transaction is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select

from hub import integrations
from hub.core.vocabulary import EventType, Lane, RequestState
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import EVENT_PAYLOAD, EVENT_SKIPPED
from hub.db.optimistic_transaction import optimistic
from hub.db.store import cached, list_param, read, transaction, write
from hub.db.types import keyring, new_id, now
from hub.integrations.base import Button, FilledTemplate
from hub.lib.crypto import blind_index
from hub.messaging.compose import plan, provider_templates, render
from hub.messaging.compose.content import letterhead
from hub.messaging.compose.fitting import TOO_LONG, TooLong
from hub.messaging.compose.outbox import Draft, MessageSummary, add_messages
from hub.messaging.contacts.contacts import KnownAddress, get_or_create_contacts
from hub.models import ConnectionInfo, Contact, Event, Message
from hub.shared.index_key import index_key
from hub.signing import cards, chat_invitations, planning, requests, team_posts
from hub.signing.events import EventIn
from hub.signing.signing_batch import RequestRecord, SignerRecord


@dataclass(frozen=True)
class EventRecord:
    """The values of an event that is about to be stored."""

    id: str
    external_id: str
    type: EventType
    occurred_at: datetime
    payload: dict[str, Any]


@optimistic
def accept_event(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Store an event and its messages; return the API's answer to the signing app."""
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
    """Store an event with its messages to signers and its posts to a team; return the API's answer.

    Existing posts about the request are updated. `only`: the signers to notify, by default all.
    """
    connections = planning.usable_connections(test=request.test)
    signers = {signer.id: signer for signer in (request.signers if only is None else only)}
    planned, posts, skipped = _plan(event, request, actor, signers, connections)
    stored_before = _stored_before([*planned, *posts])
    writer = _Writer(event, request, actor, signers, connections)
    texts, too_long = writer.to_signers(_without(planned, stored_before))
    planned = {key: item for key, item in planned.items() if key in texts or key in stored_before}
    signer_ids = dict.fromkeys(item.person.id for item in planned.values())
    notified = [signers[signer_id] for signer_id in signer_ids]
    if event.type == EventType.REMINDER and not notified:
        posts = {}  # no signer was reminded, so the team gets no post about it
    post_texts, too_long_posts = writer.to_team(_without(posts, stored_before), notified)
    refusals = [item.as_json() for item in skipped + too_long + too_long_posts]
    _store(event, request, refusals)
    drafts = writer.drafts(texts, planned)
    team_event = team_posts.TeamEvent(
        event.id, event.type, request, event.payload.get("download_url") or ""
    )
    new_posts = [(posts[key], key, text) for key, text in post_texts.items()]
    drafts += team_posts.draft_posts(team_event, request, new_posts)
    added = zip((draft.dedup_key for draft in drafts), add_messages(drafts), strict=True)
    stored = {key: message for key, message in added if key} | stored_before
    team_posts.refresh_posts(request, connections, event=team_event)
    answers = [
        _message_result(stored[key], item.person.external_id) for key, item in planned.items()
    ]
    answers += [_message_result(stored[key], None) for key in posts if key in stored]
    return {"event": {"id": event.id}, "messages": answers, "skipped": refusals}


Item = TypeVar("Item", plan.PlannedMessage, plan.PlannedPost)


def _without(items: Mapping[bytes, Item], keys: Collection[bytes]) -> dict[bytes, Item]:
    return {key: item for key, item in items.items() if key not in keys}


def _plan(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    signers: Mapping[str, SignerRecord],
    connections: Mapping[str, ConnectionInfo],
) -> tuple[dict[bytes, plan.PlannedMessage], dict[bytes, plan.PlannedPost], list[plan.SkippedStep]]:
    """Return messages to signers and posts to a team, by deduplication key, and skipped steps."""
    candidates = [planning.build_candidate(connection) for connection in connections.values()]
    name = ("routes", event.type, request.source_id, str(request.test))
    routes = cached(
        name, lambda: planning.read_routes(event.type, request.source_id, test=request.test)
    )
    request_facts = {
        "asks_to_sign": event.type.asks_to_sign,
        "closed": request.state != RequestState.OPEN,
        "expired": request.expired,
    }
    planned, skipped = plan.plan_messages(
        routes,
        planning.build_people(request, list(signers.values()), candidates),
        candidates,
        actor=actor.id if actor else "",
        reminds=event.type == EventType.REMINDER,
        **request_facts,
    )
    posts, skipped_posts = plan.plan_posts(routes, candidates, **request_facts)

    def key(person: str, kind: str, to: str, step: plan.Step) -> bytes:
        return _dedup_key(event, request, actor, person, kind, to, step)

    return (
        {
            key(item.person.id, item.candidate.address_kind, item.to, item.step): item
            for item in planned
        },
        {key("", "place", "", item.step): item for item in posts},
        skipped + skipped_posts,
    )


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class _Text:
    """The text of a message and, for channels with session windows, its approved template."""

    rendered: render.Rendered
    template: FilledTemplate | None
    template_values: dict[str, Any] | None  # the template's name, locale and values
    letterhead: dict[str, Any] | None = None
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True)
class _Writer:
    """Render the texts of an event's messages within the lengths that providers accept."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None
    signers: Mapping[str, SignerRecord]
    connections: Mapping[str, ConnectionInfo]

    def to_signers(
        self, items: Mapping[bytes, plan.PlannedMessage]
    ) -> tuple[dict[bytes, _Text], list[plan.SkippedStep]]:
        """Render messages to signers; return their texts, and the steps whose text is too long."""
        texts: dict[bytes, _Text] = {}
        skipped = []
        for key, item in items.items():
            try:
                texts[key] = self._render(item)
            except TooLong:
                skipped.append(
                    plan.SkippedStep(item.person.external_id, item.step.channel, TOO_LONG)
                )
        return texts, skipped

    def _render(self, item: plan.PlannedMessage) -> _Text:
        connection = item.candidate.connection
        signer = self.signers[item.person.id]
        template = item.step.template
        channel = connection.channel
        locale = item.person.locale
        shown_names = render.names_in(template, channel, locale)
        links = chat_invitations.links_for(
            shown_names, self.connections.values(), self.request.source_id, signer
        )
        values = _values(self.event, self.request, signer, self.actor)
        integration_class = integrations.get(connection.integration)
        rendered = render.render_within(
            integration_class,
            integration_class.max_length,
            template,
            channel,
            locale,
            values | links,
        )
        if integration_class.uses_letterhead:
            is_reminder = self.event.type == EventType.REMINDER
            sender = letterhead(locale, self.request.sender, reminds=is_reminder)
            return _Text(
                rendered, None, None, sender, cards.signer_buttons(self.event.type, values)
            )
        if not integration_class.session_window:
            return _Text(rendered, None, None)
        filled = provider_templates.fill_mapped(
            connection.id, template, locale, values, integration_class
        )
        return _Text(rendered, filled, {"name": template, "locale": locale, "values": values})

    def to_team(
        self, items: Mapping[bytes, plan.PlannedPost], reminded: Sequence[SignerRecord]
    ) -> tuple[dict[bytes, render.Rendered], list[plan.SkippedStep]]:
        """Render posts to a team; return their texts, and the steps whose text is too long."""
        values = _values_for_team(self.event, self.request, reminded, self.actor)
        texts: dict[bytes, render.Rendered] = {}
        skipped = []
        for key, item in items.items():
            connection = item.connection
            integration_class = integrations.get(connection.integration)
            max_length = integration_class.max_post_length or integration_class.max_length * 3 // 4
            try:
                texts[key] = render.render_within(
                    integration_class,
                    max_length,
                    item.step.template,
                    connection.channel,
                    render.default_locale(),
                    values,
                )
            except TooLong:
                skipped.append(plan.SkippedStep("", item.step.channel, TOO_LONG))
        return texts, skipped

    def drafts(
        self, texts: Mapping[bytes, _Text], planned: Mapping[bytes, plan.PlannedMessage]
    ) -> list[Draft]:
        """Return the drafts of messages to signers, with their recipients stored."""
        items = [(key, planned[key], text) for key, text in texts.items()]
        addresses = {_known_address(item, self.signers[item.person.id]) for _, item, _ in items}
        recipients = get_or_create_contacts(addresses, test=self.request.test) if addresses else {}
        event = self.event
        request = self.request
        return [
            Draft(
                connection=item.candidate.connection,
                recipient=recipients[item.kind, item.to],
                text=text.rendered.text,
                subject=text.rendered.subject,
                source_id=request.source_id,
                event_id=event.id,
                request_id=request.id,
                signer_id=item.person.id,
                step_id=item.step.id,
                template_version_id=text.rendered.version_id,
                template=text.template,
                template_values=text.template_values,
                letterhead=text.letterhead,
                buttons=text.buttons,
                lane=Lane.BULK if event.type == EventType.REMINDER else Lane.NOW,
                dedup_key=key,
                expires_at=_expiry(event, request),
            )
            for key, item, text in items
        ]


def _message_result(message: MessageSummary, signer: str | None) -> dict[str, Any]:
    """Return a message as the API's answer lists it; `signer` is None for a post to a team."""
    return {
        "id": message.id,
        "signer": signer,
        "channel": message.channel,
        "to": message.to,
        "status": message.status,
        "code": message.code or None,
    }


def _store(event: EventRecord, request: RequestRecord, skipped: list[dict[str, Any]]) -> None:
    row_id = event.id.partition("_")[2]
    write(
        _ADD_EVENT,
        {
            "id": event.id,
            "request_id": request.id,
            "source_id": request.source_id,
            "external_id": event.external_id,
            "type": event.type.value,
            "occurred_at": event.occurred_at,
            "received_at": now(),
            "payload": keyring().seal_json(EVENT_PAYLOAD, row_id, event.payload),
            "skipped": keyring().seal_json(EVENT_SKIPPED, row_id, skipped),
        },
    )


_ADD_EVENT = Statement.insert(get_table(Event))


# ── Deduplication ─────────────────────────────────────────────────────────────────────────────────
def _dedup_key(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    person: str,
    kind: str,
    to: str,
    step: plan.Step,
) -> bytes:
    """Return a key that is equal for two messages about the same event to the same recipient."""
    # most events happen once in a request, but reminders are repeated
    occurrence = (event.external_id or event.id) if event.type == EventType.REMINDER else ""
    about = actor.id if actor else ""
    return blind_index(
        index_key(), "once", request.id, event.type, occurrence, about, person, kind, to, step.id
    )


def _stored_before(keys: Collection[bytes]) -> dict[bytes, MessageSummary]:
    if not keys:
        return {}
    rows = read(_STORED_BEFORE, keys=list(keys))
    return {key: MessageSummary(*columns) for key, *columns in rows if key}


_STORED_BEFORE = Statement(
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


def _known_address(item: plan.PlannedMessage, signer: SignerRecord) -> KnownAddress:
    return KnownAddress(
        item.kind, item.to, signer.details.get("name") or "", signer.details.get("time_zone") or ""
    )


def _expiry(event: EventRecord, request: RequestRecord) -> datetime | None:
    return request.expires_at if event.type.asks_to_sign else None


# ── Values of templates ───────────────────────────────────────────────────────────────────────────
def _values(
    event: EventRecord, request: RequestRecord, signer: SignerRecord, actor: SignerRecord | None
) -> dict[str, Any]:
    details = signer.details
    return {
        "title": cards.request_title(request),
        "sender": cards.sender_name(request),
        "name": (cards.button_name(actor) if actor else "") or cards.UNNAMED,
        "signer": details.get("name") or "",
        "link": signer.signing_url or "",
        "download_link": details.get("download_url") or event.payload.get("download_url") or "",
        "remaining": request.remaining,
    }


def _values_for_team(
    event: EventRecord,
    request: RequestRecord,
    reminded: Sequence[SignerRecord],
    actor: SignerRecord | None,
) -> dict[str, Any]:
    """Return the values of texts for a team, without the signers' own links.

    `reminded`: the signers who receive the reminder.
    """
    named = reminded if event.type == EventType.REMINDER else request.signers
    return {
        "title": cards.request_title(request),
        "sender": cards.sender_name(request),
        "name": cards.signer_name(actor) if actor else cards.UNNAMED,
        "names": cards.format_signer_names(named),
        "people": len(named),
        "download_link": event.payload.get("download_url") or "",
        "remaining": request.remaining,
    }
