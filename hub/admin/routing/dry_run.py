"""Show what a route would do for a real person now: which messages, when, and why others not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from hub import integrations
from hub.admin.view.datetimes import format_day, local
from hub.admin.view.status_badges import channel_title
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Audience, EventType, Goal, PersonRole, RequestState
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.types import now
from hub.lib import text
from hub.messaging.compose import plan
from hub.messaging.compose.opt_out_line import add_opt_out_line
from hub.messaging.contacts import contacts
from hub.models import Recipient, Signer, SigningRequest
from hub.signing import planning, signing_batch
from hub.signing.message_texts import EventRecord, MessageWriter, WrittenRung
from hub.signing.routes import TEMPLATES, RouteIn
from hub.signing.signing_batch import RequestRecord, SignerRecord

MAX_PEOPLE = 20
NEEDS_ACTOR = (EventType.VIEWED, EventType.SIGNED, EventType.DECLINED)


@dataclass(frozen=True)
class ExampleStep:
    """One message that would be sent, or a step that would be skipped."""

    icon: str
    title: str
    when: str  # such as `Now` or `14:32`
    detail: str
    is_skipped: bool


@dataclass(frozen=True)
class Example:
    """The steps of a route for one person, as they would follow now."""

    people: Sequence[tuple[str, str]]  # choices: the signer's ID, and name with document
    person_id: str
    name: str
    steps: Sequence[ExampleStep]


def build_example(
    event_type: str, audience: str, entered: RouteIn, person_id: str
) -> Example | None:
    """Return the example for a signer of an open request, or None if there is no such request."""
    people = _read_people()
    if not people:
        return None
    signer = next((one for one in people if one.id == person_id), people[0])
    choices = [(one.id, f"{_name(one)} · {_title(one.request)}") for one in people]
    request = _read_request(signer.request_id)
    record = request.person(PersonRole.SIGNER, signer.external_id) if request else None
    steps: list[ExampleStep] = []
    if request is not None and record is not None:
        steps = list(_example_steps(EventType(event_type), audience, entered, request, record))
    return Example(choices, signer.id, _name(signer), steps)


def _read_request(request_id: str) -> RequestRecord | None:
    try:
        return signing_batch.read_request(request_id)
    except (UnreadableRow, DecryptionError):
        return None  # a damaged row, which the page of unreadable rows lists


def _read_people() -> list[Signer]:
    """Return signers of the newest open requests whose names can be read."""
    query = (
        select(Signer)
        .join(SigningRequest)
        .where(
            SigningRequest.state == RequestState.OPEN,
            Signer.role == PersonRole.SIGNER,
            Signer.removed_at.is_(None),
        )
        .order_by(SigningRequest.id.desc(), Signer.turn, Signer.id)
        .limit(MAX_PEOPLE)
    )
    return [signer for signer in db.session.scalars(query) if _is_readable(signer)]


def _is_readable(signer: Signer) -> bool:
    try:
        return bool(signer.details or {}) and signer.request.title is not None
    except DecryptionError:
        return False


def _name(signer: Signer) -> str:
    return (signer.details or {}).get("name") or signer.external_id


def _title(request: SigningRequest) -> str:
    return str(request.title or request.external_id)


def _example_steps(
    event_type: EventType,
    audience: str,
    entered: RouteIn,
    request: RequestRecord,
    signer: SignerRecord,
) -> Iterator[ExampleStep]:
    """Plan the route for a person as an event would, and yield its steps."""
    connections = planning.usable_connections(test=request.test)
    candidates = [planning.build_candidate(connection) for connection in connections.values()]
    route = _build_route(event_type, audience, entered)
    [person] = planning.build_people(request, [signer], candidates, [route])
    actor = signer if event_type in NEEDS_ACTOR else None
    event = plan.PlannedEvent(event_type, signer.id if actor else "", missing=request.remaining)
    record = EventRecord("", "", event_type, now(), {})
    writer = MessageWriter(record, request, actor, {signer.id: signer}, connections)
    for ladder in plan.plan_ladders(route, person, candidates, event):
        yield from _ladder_steps(ladder, list(writer.write_rungs(ladder)))


def _build_route(event_type: EventType, audience: str, entered: RouteIn) -> plan.Route:
    """Return an entered route in the form that planning uses."""
    template = TEMPLATES[event_type, Audience(audience)]
    steps = [
        plan.Step(
            f"step-{position}",
            step.channel,
            template,
            step.connection_id,
            position=position,
            connective=step.connective,
            goal=step.goal,
            wait_minutes=step.wait_minutes,
            consented_only=step.consented_only,
        )
        for position, step in enumerate(entered.steps, 1)
    ]
    return plan.Route(
        audience,
        steps,
        continue_after_opt_out=entered.continue_after_opt_out,
        paid_when_missing=entered.paid_when_missing,
    )


def _ladder_steps(
    ladder: plan.PlannedLadder, written: Sequence[WrittenRung]
) -> Iterator[ExampleStep]:
    """Yield the steps of a ladder, each at the time at which it would follow."""
    at: datetime | None = now()
    before: plan.Rung | None = None
    for item in written:
        rung = item.rung
        if item.text is None or item.reason:
            reason = item.reason or rung.reason
            yield ExampleStep(
                rung.channel,
                channel_title(rung.channel),
                "Skipped",
                SKIPPED.get(reason) or plan.REASONS.get(reason, reason),
                is_skipped=True,
            )
            continue
        condition = ladder.condition_after(before) if before else None
        if condition:
            minutes = condition[1]
            at = at + timedelta(minutes=minutes) if at and minutes is not None else None
        yield ExampleStep(
            rung.channel, _place(rung), _when(at), _detail(item, condition), is_skipped=False
        )
        before = rung


def _when(at: datetime | None) -> str:
    """Return the time of a step for the reader, in words."""
    if at is None:
        return "After a failure"
    if at - now() < timedelta(minutes=1):
        return "Now"
    day = format_day(at)
    time = f"{local(at):%H:%M}"
    return time if day == format_day(now()) else f"{day}, {time}"


def _place(rung: plan.Rung) -> str:
    connection = rung.candidate.connection if rung.candidate else None
    return channel_title(connection.channel if connection else rung.channel)


def _detail(item: WrittenRung, condition: tuple[str, int | None] | None) -> str:
    """Return the address, the form of the message, and the condition under which it follows."""
    assert item.text is not None  # noqa: S101 - the caller checks it
    candidate = item.rung.candidate
    parts = [item.rung.to]
    integration_class = integrations.get(candidate.connection.integration) if candidate else None
    if integration_class and integration_class.counts_segments:
        count = text.segments(_sent_text(item.rung, item.text.rendered.text))
        parts.append(f"{count} segment{'' if count == 1 else 's'}")
    if integration_class and integration_class.session_window:
        parts.append("approved template" if item.text.template else "free text")
    if condition:
        parts.append(UNMET[Goal(condition[0])] if condition[1] is not None else "only if it fails")
    return " · ".join(parts)


def _sent_text(rung: plan.Rung, rendered: str) -> str:
    """Return the text as it is sent: the first one to a contact ends with an opt-out line."""
    if rung.candidate is None:
        return rendered
    connection = rung.candidate.connection
    key = (rung.kind, rung.to)
    found = contacts.find_contacts([key], test=connection.test)
    recipient = found.get(key) or Recipient("", rung.to, b"")
    return add_opt_out_line(rendered, connection, recipient)


UNMET: Mapping[str, str] = {
    Goal.SENT: "if not sent by then",
    Goal.DELIVERED: "if not delivered by then",
    Goal.READ: "if not read by then",
    Goal.OPENED: "if the document is not opened by then",
}
# reasons in the words of this page, where those for apps do not fit
SKIPPED: Mapping[str, str] = {
    "no_address": "No address for this channel.",
    "not_wanted": "The signing app excluded this address.",
    "no_connection": "No enabled connection.",
    "no_consent": "No consent is recorded.",
    "already_notified": "Sent by another step already.",
}
