"""Accept an event: store it and every message that it causes in one transaction.

The API answers "accepted" only after this transaction is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import bindparam, select, update

from hub.core.vocabulary import Address, EventType, RequestState
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import EVENT_PAYLOAD, EVENT_SKIPPED
from hub.db.optimistic_transaction import optimistic
from hub.db.store import cached, list_param, read, transaction, write
from hub.db.types import keyring, new_id, now
from hub.lib.crypto import blind_index
from hub.lib.times import format_time
from hub.messaging.compose import plan
from hub.messaging.compose.outbox import MessageSummary, add_messages
from hub.models import ConnectionInfo, Contact, Event, Message
from hub.shared.index_key import index_key
from hub.signing import planning, requests, scheduled_events, team_posts
from hub.signing.events import EventIn
from hub.signing.message_texts import EventRecord, MessageWriter
from hub.signing.signing_batch import RequestRecord, SignerRecord


@optimistic
def accept_event(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Store an event and its messages; return the API's answer to the signing app."""
    request, actor = requests.apply_event(posted, source_id, test=test)
    payload = posted.model_dump(exclude_unset=True, mode="json")
    event = EventRecord(new_id("evt"), posted.id or "", posted.type, posted.occurred_at, payload)
    if (send_at := scheduled_events.time_to_plan(posted, request)) is not None:
        _store(event, request, [], due_at=send_at)
        return _answer(event, [], [], send_at=send_at)
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
    ladders, posts, skipped = _plan(event, request, actor, signers, connections)
    stored_before = _find_stored(event, request, actor, ladders, posts)
    writer = MessageWriter(event, request, actor, signers, connections)
    written, too_long = writer.write_first(_without(ladders, stored_before))
    ladders = {
        key: ladder for key, ladder in ladders.items() if key in written or key in stored_before
    }
    signer_ids = dict.fromkeys(ladder.person.id for ladder in ladders.values())
    notified = [signers[signer_id] for signer_id in signer_ids]
    if event.type == EventType.REMINDER and not notified:
        posts = {}  # no signer was reminded, so the team gets no post about it
    post_texts, too_long_posts = writer.to_team(_without(posts, stored_before), notified)
    refusals = [item.as_json() for item in skipped + too_long + too_long_posts]
    _store(event, request, refusals)
    drafts = writer.drafts(written)
    team_event = team_posts.TeamEvent(
        event.id, event.type, request, event.payload.get("download_url") or ""
    )
    new_posts = [(posts[key], key, text) for key, text in post_texts.items()]
    drafts += team_posts.draft_posts(team_event, request, new_posts)
    added = zip((draft.dedup_key for draft in drafts), add_messages(drafts), strict=True)
    stored = {key: message for key, message in added if key} | stored_before
    team_posts.refresh_posts(request, connections, event=team_event)
    answers = [
        _message_result(stored[key], ladder.person.external_id) for key, ladder in ladders.items()
    ]
    answers += [_message_result(stored[key], None) for key in posts if key in stored]
    return _answer(event, answers, refusals)


def _answer(
    event: EventRecord,
    messages: list[dict[str, Any]],
    skipped: list[dict[str, Any]],
    *,
    send_at: datetime | None = None,
) -> dict[str, Any]:
    """Return the API's answer; `send_at` is set for an event that is planned later."""
    scheduled_for = None if send_at is None else format_time(send_at)
    return {
        "event": {"id": event.id, "send_at": scheduled_for},
        "messages": messages,
        "skipped": skipped,
    }


Item = TypeVar("Item", plan.PlannedLadder, plan.PlannedPost)


def _without(items: Mapping[bytes, Item], keys: Collection[bytes]) -> dict[bytes, Item]:
    return {key: item for key, item in items.items() if key not in keys}


def _plan(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    signers: Mapping[str, SignerRecord],
    connections: Mapping[str, ConnectionInfo],
) -> tuple[dict[bytes, plan.PlannedLadder], dict[bytes, plan.PlannedPost], list[plan.SkippedStep]]:
    """Return ladders and posts to a team by deduplication key, and the skipped steps."""
    candidates = [planning.build_candidate(connection) for connection in connections.values()]
    routes = cached(
        ("routes", event.type, request.source_id, str(request.test)),
        lambda: planning.read_routes(event.type, request.source_id, test=request.test),
    )
    planned_event = plan.PlannedEvent(
        event.type,
        actor.id if actor else "",
        closed=request.state != RequestState.OPEN,
        expired=request.expired,
        missing=request.remaining,
    )
    people = planning.build_people(request, list(signers.values()), candidates, routes)
    ladders = plan.plan_messages(routes, people, candidates, planned_event)
    skipped = [step for ladder in ladders for step in ladder.skipped_steps()]
    posts, skipped_posts = plan.plan_posts(routes, candidates, planned_event)
    keys = _DedupKeys(event, request, actor)
    return (
        {keys.for_ladder(ladder): ladder for ladder in ladders if ladder.possible_rungs},
        {keys.for_post(item): item for item in posts},
        skipped + skipped_posts,
    )


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


def _store(
    event: EventRecord,
    request: RequestRecord,
    skipped: list[dict[str, Any]],
    due_at: datetime | None = None,
) -> None:
    """Store an event, or the result of a scheduled one. `due_at`: when it is to be planned."""
    row_id = event.id.partition("_")[2]
    sealed_skipped = keyring().seal_json(EVENT_SKIPPED, row_id, skipped)
    if event.is_stored:
        write(_PLANNED, {"key": event.id, "at": now(), "new_skipped": sealed_skipped})
        return
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
            "due_at": due_at,
            "payload": keyring().seal_json(EVENT_PAYLOAD, row_id, event.payload),
            "skipped": sealed_skipped,
        },
    )


_EVENTS = get_table(Event)
_ADD_EVENT = Statement.insert(_EVENTS)
_PLANNED = Statement(
    update(_EVENTS)
    .where(_EVENTS.c.id == bindparam("key"))
    .values(due_at=None, planned_at=bindparam("at"), skipped=bindparam("new_skipped"))
)


# ── Deduplication ─────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class _DedupKeys:
    """Keys that are equal for two messages about the same event to the same person."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None

    def for_ladder(self, ladder: plan.PlannedLadder) -> bytes:
        """Return the key of the first message of a ladder, by its audience and position.

        It stays the same when the route is edited, or the person's address changes.
        """
        return self._key("ladder", ladder.person.id, ladder.route.audience, str(ladder.position))

    def for_post(self, item: plan.PlannedPost) -> bytes:
        """Return the key of a post to a team."""
        return self._key("once", "", "place", "", item.step.id)

    def legacy(
        self, ladder: plan.PlannedLadder, legacy_step_ids: Collection[str]
    ) -> Iterator[bytes]:
        """Yield the keys under which version 0.2.0 may have stored a message of a ladder."""
        person = ladder.person
        own = {rung.step.id for rung in ladder.rungs if rung.step.legacy}
        addresses = {
            *person.addresses.items(),
            *((Address.CHAT.value, address) for address in person.addresses.values()),
            *((Address.CHAT.value, chat) for chat in person.chats.values()),
        }
        for rung in ladder.possible_rungs:
            if rung.candidate is not None:
                addresses.add((rung.candidate.address_kind, rung.to))
        for step_id in own or legacy_step_ids:
            for kind, address in addresses:
                yield self._key("once", person.id, kind, address, step_id)

    def _key(self, purpose: str, person: str, *parts: str) -> bytes:
        event = self.event
        # most events happen once in a request, but reminders are repeated
        occurrence = (event.external_id or event.id) if event.type == EventType.REMINDER else ""
        about = self.actor.id if self.actor else ""
        return blind_index(
            index_key(), purpose, self.request.id, event.type, occurrence, about, person, *parts
        )


def _find_stored(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    ladders: Mapping[bytes, plan.PlannedLadder],
    posts: Collection[bytes],
) -> dict[bytes, MessageSummary]:
    """Return the messages of an event that are stored already, by deduplication key."""
    legacy_step_ids = cached(
        ("legacy_steps", event.type, request.source_id),
        lambda: planning.read_legacy_step_ids(event.type, request.source_id),
    )
    new_keys = {key: key for key in [*ladders, *posts]}
    if legacy_step_ids:
        keys = _DedupKeys(event, request, actor)
        new_keys = {
            legacy: key
            for key, ladder in ladders.items()
            for legacy in keys.legacy(ladder, legacy_step_ids)
        } | new_keys
    if not new_keys:
        return {}
    rows = read(_STORED_BEFORE, keys=list(new_keys))
    return {new_keys[key]: MessageSummary(*columns) for key, *columns in rows if key}


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
