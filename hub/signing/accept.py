"""Accept an event: store it and every message that it causes in one transaction.

The API answers "accepted" only after this transaction is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select

from hub.core.vocabulary import Audience, EventType, RequestState
from hub.db.compiled_sql import Statement
from hub.db.optimistic_transaction import optimistic
from hub.db.store import cached, list_param, read, transaction
from hub.db.types import new_id, now
from hub.lib.times import format_time
from hub.messaging.compose import plan
from hub.messaging.compose.outbox import MessageSummary, add_messages
from hub.models import ConnectionInfo, Contact, Message
from hub.signing import (
    late_notices,
    merged_notices,
    people,
    planning,
    readdressing,
    reminder_times,
    requests,
    skipped_signers,
    team_posts,
    turns,
)
from hub.signing.dedup_keys import DedupKeys
from hub.signing.events import EventIn
from hub.signing.follow_ups import list_follow_ups
from hub.signing.message_texts import EventRecord, MessageWriter
from hub.signing.reminder_settings import leave_to_app
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.stored_events import store_event


@optimistic
def accept_event(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Store an event and its messages; return the API's response to the signing app."""
    applied = requests.apply_event(posted, source_id, test=test)
    request = applied.request
    actor = applied.actor
    event = EventRecord(
        new_id("evt"),
        posted.id or "",
        posted.type,
        posted.occurred_at,
        posted.model_dump(exclude_unset=True, mode="json"),
        outdated=requests.is_outdated(request, posted.type, posted.occurred_at),
        overtaken=late_notices.is_overtaken(request, posted.type, posted.occurred_at),
    )
    replaced = readdressing.replace_messages(request, applied.readdressed)
    if applied.send_at is not None:
        store_event(event, request, [], due_at=applied.send_at)
        response = _build_response(event, [], [], [], send_at=applied.send_at)
    else:
        response = notify_posted(event, request, actor)
    response["messages"] += [_message_result(message, person) for person, message in replaced]
    is_later = applied.send_at is not None
    uninvited = [
        signer for signer in applied.invited if is_later or not _asks(event, actor, signer)
    ]
    if uninvited:
        invitations = _invite(request, uninvited, event)
        response["messages"] += invitations["messages"]
        response["skipped"] += invitations["skipped"]
        response["then"] += invitations["then"]
    if applied.had_ended:
        response["messages"] += _follow_ends(request)
    return response


def _follow_ends(request: RequestRecord) -> list[dict[str, Any]]:
    """Let the notices about the end of a request follow an event that came after it.

    Waiting notices that have become wrong are withdrawn, and people whom the end now concerns are
    notified, unless they were notified of it already. Returns their messages.
    """
    messages = []
    connections = planning.usable_connections(test=request.test)
    for end in late_notices.list_ends(request):
        people_by_id = _people_to_notify(end.event, request, None)
        planned = plan_event(end.event, request, end.actor, people_by_id, connections)
        late_notices.withdraw(request, end, planned.ladders.values())
        if not end.event.outdated:
            response = notify(end.event, request, end.actor, notified_before=end.find_notified())
            messages += response["messages"]
    return messages


def notify_posted(
    event: EventRecord, request: RequestRecord, actor: SignerRecord | None
) -> dict[str, Any]:
    """Notify people of an event that an app posted; return the API's response.

    A reminder reminds only the signer that it names, if any. Signpost then reminds no longer.
    """
    if event.type != EventType.REMINDER:
        return notify(event, request, actor)
    leave_to_app(request.source_id, test=request.test)
    response = notify(event, request, actor, only=[actor] if actor else None)
    reminder_times.count_reminders(request, response, now())
    return response


def _asks(event: EventRecord, actor: SignerRecord | None, signer: SignerRecord) -> bool:
    """Return whether an event itself asks a signer to sign."""
    is_reminder = event.type == EventType.REMINDER and actor in (None, signer)
    return event.type == EventType.SENT or is_reminder


def _invite(
    request: RequestRecord, signers: Sequence[SignerRecord], cause: EventRecord
) -> dict[str, Any]:
    """Ask signers to sign whose turn came by an event, and return the response of that event."""
    event = EventRecord(new_id("evt"), "", EventType.SENT, now(), {"turn_after": cause.id})
    return notify(event, request, None, only=signers, to_team=False)


@transaction
def notify(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    only: Sequence[SignerRecord] | None = None,
    *,
    to_team: bool = True,
    notified_before: Collection[str] = (),
) -> dict[str, Any]:
    """Store an event with its messages to people and posts to a team; return the API's response.

    `only`: the people to notify, by default all. `notified_before`: those who have a notice of it.
    """
    connections = planning.usable_connections(test=request.test)
    signers = _people_to_notify(event, request, only)
    planned = plan_event(event, request, actor, signers, connections)
    ladders = planned.find_acting(notified_before)
    posts = planned.posts if to_team and not event.is_planned_again else {}
    skipped = planned.skipped
    stored_before = find_stored(event, request, actor, ladders, posts)
    for key in find_repeated(event, request, ladders, stored_before, signers):
        ladder = ladders.pop(key)
        skipped.append(ladder.skip(ladder.rungs[0].step, "repeated"))
    writer = MessageWriter(event, request, actor, signers, connections)
    written, too_long = writer.write_first(_without(ladders, stored_before))
    ladders = {key: ladders[key] for key in ladders if key in written or key in stored_before}
    notified = {ladder.person.id: signers[ladder.person.id] for ladder in ladders.values()}
    merged_notices.cancel_signed_notices(event.type, request, notified)
    if event.type == EventType.REMINDER and not notified:
        posts = {}  # no signer was reminded, so the team gets no post about it
    post_texts, too_long_posts = writer.to_team(
        _without(posts, stored_before), [*notified.values()]
    )
    refusals = store_event(event, request, skipped + too_long + too_long_posts)
    new_posts = [(posts[key], key, text) for key, text in post_texts.items()]
    team_event = _build_team_event(event, request)
    drafts = writer.drafts(written) + team_posts.draft_posts(team_event, request, new_posts)
    added = zip((draft.dedup_key for draft in drafts), add_messages(drafts), strict=True)
    stored = {key: message for key, message in added if key} | stored_before
    # after the post about the event, to which it belongs
    skipped_signers.report(
        event, request, planned.ladders.values(), ladders.values(), skipped + too_long
    )
    team_posts.refresh_posts(request, connections, event=team_event)
    results = [
        _message_result(stored[key], signers[item.person.id]) for key, item in ladders.items()
    ]
    results += [_message_result(stored[key], None) for key in posts if key in stored]
    return _build_response(event, results, refusals, list_follow_ups(request, written, stored))


def _build_team_event(event: EventRecord, request: RequestRecord) -> team_posts.TeamEvent:
    document = event.payload.get("download_url") or ""
    return team_posts.TeamEvent(event.id, event.type, request, document)


def _build_response(
    event: EventRecord,
    messages: list[dict[str, Any]],
    skipped: list[dict[str, Any]],
    follow_ups: list[dict[str, Any]],
    *,
    send_at: datetime | None = None,
) -> dict[str, Any]:
    """Return the API's response; `send_at` is set for an event that is planned later."""
    scheduled_for = None if send_at is None else format_time(send_at)
    return {
        "event": {"id": event.id, "send_at": scheduled_for},
        "messages": messages,
        "skipped": skipped,
        "then": follow_ups,
    }


def _people_to_notify(
    event: EventRecord, request: RequestRecord, only: Sequence[SignerRecord] | None
) -> dict[str, SignerRecord]:
    """Return the people whom an event may notify, by ID, with the sender if a route names it."""
    if only is not None:
        return {person.id: person for person in only}
    if any(route.audience == Audience.SENDER for route in routes_of(event, request)):
        people.add_sender(request)
    return {person.id: person for person in request.people if person.removed_at is None}


def routes_of(event: EventRecord, request: RequestRecord) -> list[plan.Route]:
    return cached(
        ("routes", event.type, request.source_id, str(request.test)),
        lambda: planning.read_routes(event.type, request.source_id, test=request.test),
    )


def find_repeated(
    event: EventRecord,
    request: RequestRecord,
    ladders: Mapping[bytes, plan.PlannedLadder],
    stored: Collection[bytes],
    signers: Mapping[str, SignerRecord],
) -> list[bytes]:
    """Return the keys of ladders to people who have another notice of the same event already.

    It is another invitation, or an earlier notice of the same signature.
    """
    if event.type == EventType.SIGNED:
        notified = {ladder.person.id for key, ladder in ladders.items() if key in stored}
        return [
            key
            for key, ladder in ladders.items()
            if key not in stored and ladder.person.id in notified
        ]
    if event.type != EventType.SENT:
        return []
    later = {
        key: ladder.person.id
        for key, ladder in ladders.items()
        if ladder.route.audience == Audience.SIGNER
        and not signers[ladder.person.id].turn_began
        and key not in stored
    }
    asked = turns.find_asked(request) if later else ()
    return [key for key, person_id in later.items() if person_id in asked]


Item = TypeVar("Item", plan.PlannedLadder, plan.PlannedPost)


def _without(items: Mapping[bytes, Item], keys: Collection[bytes]) -> dict[bytes, Item]:
    return {key: item for key, item in items.items() if key not in keys}


@dataclass(frozen=True)
class EventPlan:
    """Ladders and posts to a team, by deduplication key, and the steps that create no message."""

    ladders: dict[bytes, plan.PlannedLadder]
    posts: dict[bytes, plan.PlannedPost]
    skipped: list[plan.SkippedStep]

    def find_acting(self, notified_before: Collection[str]) -> dict[bytes, plan.PlannedLadder]:
        """Return the ladders that can act, for people who were not notified before."""
        return {
            key: ladder
            for key, ladder in self.ladders.items()
            if ladder.possible_rungs and ladder.person.id not in notified_before
        }


def plan_event(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    signers: Mapping[str, SignerRecord],
    connections: Mapping[str, ConnectionInfo],
    *,
    routes: Sequence[plan.Route] | None = None,
) -> EventPlan:
    """Decide whom an event notifies. It reads only. `routes`: by default, those in force."""
    candidates = [planning.build_candidate(connection) for connection in connections.values()]
    routes = routes_of(event, request) if routes is None else routes
    planned_event = plan.PlannedEvent(
        event.type,
        actor.id if actor else "",
        closed=request.state != RequestState.OPEN,
        expired=request.expired,
        missing=request.remaining,
        outdated=event.outdated,
        overtaken=event.overtaken,
        not_invited=late_notices.find_not_invited(event.type, request),
        notified_of_completion=merged_notices.notified_of_completion(event.type, request),
    )
    persons = planning.build_people(request, list(signers.values()), candidates, routes)
    ladders = plan.plan_messages(routes, persons, candidates, planned_event)
    skipped = [step for ladder in ladders for step in ladder.skipped_steps()]
    posts, skipped_posts = plan.plan_posts(routes, candidates, planned_event)
    keys = DedupKeys(event, request, actor)
    return EventPlan(
        {keys.for_ladder(ladder): ladder for ladder in ladders},
        {keys.for_post(item): item for item in posts},
        skipped + skipped_posts,
    )


def _message_result(message: MessageSummary, person: SignerRecord | None) -> dict[str, Any]:
    """Return a message as the API's response lists it; `person` is None for a post to a team."""
    return {
        "id": message.id,
        "signer": person.external_id if person else None,
        "role": person.role if person else None,
        "channel": message.channel,
        "to": message.to,
        "status": message.status,
        "code": message.code or None,
    }


# ── Deduplication ─────────────────────────────────────────────────────────────────────────────────
def find_stored(
    event: EventRecord,
    request: RequestRecord,
    actor: SignerRecord | None,
    ladders: Mapping[bytes, plan.PlannedLadder],
    posts: Collection[bytes],
) -> dict[bytes, MessageSummary]:
    """Return the messages of an event that are stored already, by deduplication key."""
    if request.is_new:
        return {}
    legacy_step_ids = cached(
        ("legacy_steps", event.type, request.source_id),
        lambda: planning.read_legacy_step_ids(event.type, request.source_id),
    )
    new_keys = {key: key for key in [*ladders, *posts]}
    if legacy_step_ids:
        keys = DedupKeys(event, request, actor)
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
