"""Add the message of the next step of a route that can be performed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from hub.core.vocabulary import Channel, EventType, Goal, PersonRole, RequestState, Status
from hub.db.engine import db
from hub.messaging.compose import cancellation, outbox, plan
from hub.messaging.compose.step_descriptions import StepFacts, describe_steps
from hub.messaging.contacts import suppressions
from hub.messaging.policy import opt_out_kinds
from hub.messaging.policy.opt_out_kinds import OptOutKind
from hub.messaging.send import predecessors
from hub.messaging.state import fallback_timers
from hub.models import (
    ConnectionInfo,
    Contact,
    Event,
    Message,
    Route,
    RouteStep,
    StatusEvent,
)
from hub.signing import planning
from hub.signing.message_texts import EventRecord, MessageWriter, WrittenRung
from hub.signing.prolonged_requests import EXPIRED
from hub.signing.signing_batch import RequestRecord, SignerRecord

log = structlog.get_logger(__name__)

RECENTLY = "reminded_recently"
REPEATED = "repeated"
TEXT_INCOMPLETE = "text_incomplete"
SKIPPED = "skipped"  # the name of the fact about steps that could not be performed
# codes of messages that a recipient refused, beside those of stored opt-outs
REFUSALS = frozenset({"consent_no"})


def add_next(message: Message, event: Event, request: RequestRecord, signer: SignerRecord) -> bool:
    """Add the message of the first unused step that can be performed; return False without one.

    The reasons why steps are skipped are stored as a fact of the message that they would follow.
    """
    record = EventRecord(
        event.id, event.external_id, EventType(event.type), event.occurred_at, event.payload or {}
    )
    actor = _find_actor(record, request)
    connections = _enabled_connections(test=request.test)
    former = predecessors.list_former(message.id)
    if message.status == Status.EXPIRED and message.code == EXPIRED:
        former = former[1:]  # the request is open again, so its own step is tried now
    ladder = _plan_ladder(message, record, actor, request, signer, connections, former)
    if ladder is None:
        return False
    writer = MessageWriter(record, request, actor, {signer.id: signer}, connections)
    written: list[WrittenRung] = []
    skipped: list[tuple[plan.Rung, str]] = []
    chosen = None
    facts = _read_facts(writer, ladder, former, written)
    for step in describe_steps(ladder, facts, refused=refused_channels(former)):
        if step.acts:
            chosen = written[-1]
            break
        skipped.append((step.rung, step.reason))
    _record_skipped(message, skipped)
    if chosen is not None:
        _add(message, writer, chosen)
    return chosen is not None


# ── Planning ──────────────────────────────────────────────────────────────────────────────────────
def _find_actor(event: EventRecord, request: RequestRecord) -> SignerRecord | None:
    reported = event.payload.get("signer")
    external_id = reported.get("id") if isinstance(reported, dict) else reported
    return request.person(PersonRole.SIGNER, external_id) if isinstance(external_id, str) else None


def _enabled_connections(*, test: bool) -> dict[str, ConnectionInfo]:
    usable = planning.usable_connections(test=test)
    return {id_: connection for id_, connection in usable.items() if connection.enabled}


def _plan_ladder(
    message: Message,
    event: EventRecord,
    actor: SignerRecord | None,
    request: RequestRecord,
    signer: SignerRecord,
    connections: Mapping[str, ConnectionInfo],
    former: Sequence[Any],
) -> plan.PlannedLadder | None:
    """Return the ladder of a message as it is planned now, with the steps that were not used."""
    route = read_route_of_step(message.step_id)
    if route is None:
        return None
    candidates = [planning.build_candidate(connection) for connection in connections.values()]
    planned_event = plan.PlannedEvent(
        event.type,
        actor.id if actor else "",
        closed=request.state != RequestState.OPEN,
        expired=request.expired,
        missing=request.remaining,
    )
    # the next step belongs to the reminder that was sent recently
    people = [
        replace(person, no_reminder="") if person.no_reminder == RECENTLY else person
        for person in planning.build_people(request, [signer], candidates, [route])
    ]
    used = {(row.step_id, row.channel) for row in former}
    for ladder in plan.plan_messages([route], people, candidates, planned_event):
        step_ids = {rung.step.id for rung in ladder.rungs}
        if ladder.person.id == signer.id and message.step_id in step_ids:
            unused = [rung for rung in ladder.rungs if (rung.step.id, rung.channel) not in used]
            return replace(ladder, rungs=unused)
    return None


def read_route_of_step(step_id: str | None) -> plan.Route | None:
    """Return the version of a route that a step belongs to, also after it was replaced."""
    own = select(RouteStep.route_id).where(RouteStep.id == step_id).scalar_subquery()
    route = db.session.scalar(select(Route).where(Route.id == own))
    if route is None:
        return None
    steps = [
        plan.Step(
            step.id,
            step.channel,
            step.template,
            step.connection_id,
            position=step.position,
            connective=step.connective,
            goal=step.goal,
            wait_minutes=step.wait_minutes,
            consented_only=step.consented_only,
        )
        for step in route.steps
    ]
    return plan.Route(
        route.audience,
        steps,
        id=route.id,
        version=route.version,
        continue_after_opt_out=route.continue_after_opt_out,
        paid_when_missing=route.paid_when_missing,
    )


# ── Opt-outs ──────────────────────────────────────────────────────────────────────────────────────
def refused_channels(former: Sequence[Any]) -> set[str]:
    """Return the channels of former messages whose recipients have opted out of them.

    An address that cannot be reached, such as that of a returned email, is no refusal.
    """
    messages = db.session.scalars(select(Message).where(Message.id.in_([row.id for row in former])))
    return {message.channel for message in messages if _is_refused(message)}


def _is_refused(message: Message) -> bool:
    opt_outs = suppressions.find_blocking_opt_outs(message)
    return message.code in REFUSALS or any(
        kind != OptOutKind.UNREACHABLE for _, kind, _ in opt_out_kinds.with_kinds(opt_outs)
    )


# ── The message ───────────────────────────────────────────────────────────────────────────────────
def _read_facts(
    writer: MessageWriter,
    ladder: plan.PlannedLadder,
    former: Sequence[Any],
    written: list[WrittenRung],
) -> Iterator[StepFacts]:
    """Yield the facts of each step, and add its text to `written`, until one of them acts."""
    for rung in ladder.rungs:
        item = _write(writer, ladder, rung)
        written.append(item)
        reason = item.reason
        if not reason and _was_tried(rung, former):
            reason = REPEATED
        yield StepFacts(reason)


def _write(writer: MessageWriter, ladder: plan.PlannedLadder, rung: plan.Rung) -> WrittenRung:
    """Return a step with its text, or with the reason why it is skipped."""
    try:
        item = next(writer.write_rungs(replace(ladder, rungs=[rung])))
        return replace(item, ladder=ladder)
    except SQLAlchemyError:
        raise
    except Exception as error:  # a text of one step must not block the steps after it
        log.warning("ladder.text_failed", step=rung.step.id, problem=type(error).__name__)
        return WrittenRung(ladder, rung, None, TEXT_INCOMPLETE)


def _was_tried(rung: plan.Rung, former: Sequence[Any]) -> bool:
    """Return whether the ladder has used this connection to this address before."""
    connection_id = rung.candidate.connection.id if rung.candidate else ""
    same = select(Message.id).where(
        Message.id.in_([row.id for row in former]),
        Message.connection_id == connection_id,
        Message.contact_id == Contact.id,
        Contact.address == rung.to,
    )
    return db.session.scalar(same.limit(1)) is not None


def _add(message: Message, writer: MessageWriter, item: WrittenRung) -> None:
    """Store the message of a step after another message."""
    if Status.read(message.status) == Status.QUEUED:
        cancellation.take_back(message)
    [draft] = writer.drafts({b"": item})
    after_failure = Status.read(message.status) in fallback_timers.LOST
    outbox.add_message(
        replace(
            draft,
            dedup_key=None,
            after_id=message.id,
            after_failure=after_failure,
            fallback_goal=draft.fallback_goal or Goal.DELIVERED.value,
        )
    )


def _record_skipped(message: Message, skipped: Sequence[tuple[plan.Rung, str]]) -> None:
    """Record once which steps could not be performed, and why."""
    if not skipped:
        return
    known = select(StatusEvent.id).where(
        StatusEvent.message_id == message.id, StatusEvent.provider_status == SKIPPED
    )
    if db.session.scalar(known.limit(1)) is None:
        reasons = [
            f"{Channel(rung.step.channel).title}: {plan.REASONS.get(reason, reason)}"
            for rung, reason in skipped
        ]
        outbox.record_fact(message, SKIPPED, code=skipped[0][1], reason=" ".join(reasons))
