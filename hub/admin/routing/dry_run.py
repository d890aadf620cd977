"""Show what a route would do for a real person now: messages, their times, and skipped steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from hub.admin.view.datetimes import format_day, local
from hub.admin.view.status_badges import channel_title
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import (
    Audience,
    Channel,
    Connective,
    EventType,
    Goal,
    PersonRole,
    RequestState,
)
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.types import now
from hub.lib.text import one_line, shorten
from hub.messaging.compose import plan, plan_words
from hub.messaging.compose.step_descriptions import DescribedStep
from hub.models import SigningRequest
from hub.signing import people, preview, shared_address_notes, signing_batch
from hub.signing.events import EventIn
from hub.signing.routes import TEMPLATES, RouteIn
from hub.signing.shared_address_notes import ADDRESS_KINDS
from hub.signing.signing_batch import RequestRecord, SignerRecord

MAX_REQUESTS = 20
MAX_PEOPLE = 20
MAX_PEOPLE_OF_REQUEST = 2  # so that one request with many signers does not fill the list
MAX_NAME = 30  # characters
MAX_TITLE = 40
NEEDS_ACTOR = (EventType.VIEWED, EventType.SIGNED, EventType.DECLINED)
# the role of the people that an audience is chosen from
ROLES: Mapping[str, PersonRole] = {
    Audience.SENDER: PersonRole.SENDER,
    Audience.OBSERVERS: PersonRole.OBSERVER,
}


SIGNED = ((EventType.DECLINED, Audience.OTHERS), (EventType.EXPIRED, Audience.OTHERS))


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

    people: Sequence[tuple[str, str]]  # choices: a person's key, and name with document
    person_key: str
    steps: Sequence[ExampleStep]
    nobody: str  # why there are no steps, or ''
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class _Choice:
    """A person of an open request."""

    request: RequestRecord
    person: SignerRecord

    @property
    def key(self) -> str:
        """The identity of the person by role, because a sender may have no row yet."""
        return f"{self.request.id}:{self.person.role}:{self.person.external_id}"

    @property
    def label(self) -> str:
        name = self.person.details.get("name") or self.person.external_id
        title = self.request.title or self.request.external_id
        return f"{_shorten(name, MAX_NAME)} · {_shorten(title, MAX_TITLE)}"


def _shorten(text: str, most: int) -> str:
    """Return a text with at most some characters, and an ellipsis if it is longer."""
    line = one_line(text)
    if len(line) <= most:
        return line
    return shorten(line, lambda shortened: len(shortened) <= most) or ""


def build_example(
    event_type: str, audience: str, entered: RouteIn, person_key: str
) -> Example | None:
    """Return the example for a person of an open request, or None if there is no such person."""
    choices = _read_choices(EventType(event_type), audience)
    if not choices:
        return None
    chosen = next((choice for choice in choices if choice.key == person_key), choices[0])
    steps: list[ExampleStep] = []
    nobody = ""
    try:
        steps = _build_steps(EventType(event_type), audience, entered, chosen)
    except Refused as refusal:
        nobody = str(refusal)
    except (UnreadableRow, DecryptionError):
        nobody = "A stored value cannot be read. See Unreadable rows."
    if not steps and not nobody:
        nobody = (
            "This person would not be notified of the event."
            if entered.steps
            else "Nobody would be notified."
        )
    notes = _describe_shared_addresses(entered, chosen) if steps else []
    labels = [(choice.key, choice.label) for choice in choices]
    return Example(labels, chosen.key, steps, nobody, notes)


# ── People ────────────────────────────────────────────────────────────────────────────────────────
def _read_choices(event_type: EventType, audience: str) -> list[_Choice]:
    """Return people of the newest open requests who may belong to an audience, the best first."""
    query = (
        select(SigningRequest.id)
        .where(SigningRequest.state == RequestState.OPEN)
        .order_by(SigningRequest.id.desc())
        .limit(MAX_REQUESTS)
    )
    role = ROLES.get(audience, PersonRole.SIGNER)
    # these audiences contain people after their signature, the others mostly pending signers
    signed_first = (event_type, audience) in SIGNED
    choices: list[_Choice] = []
    for request_id in db.session.scalars(query).all():
        request = _read_request(request_id)
        if request is not None:
            of_role = [
                _Choice(request, person)
                for person in request.people
                if person.role == role and person.removed_at is None
            ]
            of_role.sort(key=lambda choice: choice.person.has_not_signed == signed_first)
            choices += of_role[:MAX_PEOPLE_OF_REQUEST]
        if len(choices) >= MAX_PEOPLE:
            break
    choices.sort(key=lambda choice: choice.person.has_not_signed == signed_first)
    return choices[:MAX_PEOPLE]


def _read_request(request_id: str) -> RequestRecord | None:
    """Return a request with its sender among its people, or None if a row is damaged."""
    try:
        request = signing_batch.read_request(request_id)
    except (UnreadableRow, DecryptionError):
        return None  # the page of unreadable rows lists it
    if request is not None:
        people.list_sender(request)
    return request


# ── Steps ─────────────────────────────────────────────────────────────────────────────────────────
def _build_steps(
    event_type: EventType, audience: str, entered: RouteIn, chosen: _Choice
) -> list[ExampleStep]:
    """Return the steps of a route for a person, if the event happened now."""
    posted = EventIn.model_validate(
        {
            "type": event_type.value,
            "request": {"id": chosen.request.external_id},
            "signer": _find_actor(event_type, audience, chosen),
        }
    )
    route = _build_route(event_type, audience, entered)
    found = preview.preview_route(posted, chosen.request, route, chosen.person.id)
    timed = [item for ladder in found for item in _time_steps(ladder)]
    beginning = min((at for at, _ in timed if at), default=None)
    # sorting is stable, so the steps of a ladder stay in their order
    return [step for _, step in sorted(timed, key=lambda item: item[0] or beginning or now())]


def _time_steps(previewed: preview.PreviewedLadder) -> list[tuple[datetime | None, ExampleStep]]:
    """Return the steps of a ladder with the times by which they are sorted.

    A step without a time has that of the step before, or None.
    """
    timed: list[tuple[datetime | None, ExampleStep]] = []
    at: datetime | None = None
    before: DescribedStep | None = None
    for step in previewed.steps:
        is_detached = step.acts and before is None and _is_detached(previewed.ladder)
        at = step.at or at
        timed.append((at, _example_step(step, before, is_detached=is_detached)))
        before = step if step.acts else before
    return timed


def _is_detached(ladder: plan.PlannedLadder) -> bool:
    """Return whether a fallback begins at once, because the app wants all addresses used."""
    return any(
        step.position == ladder.position and step.connective == Connective.OTHERWISE
        for step in ladder.route.steps
    )


def _describe_shared_addresses(entered: RouteIn, chosen: _Choice) -> list[str]:
    """Return a note if other signers share an address that the steps send to."""
    kinds = {ADDRESS_KINDS[step.channel] for step in entered.steps if step.channel in ADDRESS_KINDS}
    shared = shared_address_notes.find_shared_addresses(chosen.request, kinds, chosen.person)
    return [address.describe() for address in shared]


def _find_actor(event_type: EventType, audience: str, chosen: _Choice) -> str | None:
    """Return the ID of the signer whom the event is about, or None for an event about nobody."""
    if event_type not in NEEDS_ACTOR:
        return None
    signers = chosen.request.signers
    if audience == Audience.SIGNER:
        return chosen.person.external_id
    others = [signer for signer in signers if signer.id != chosen.person.id]
    pending = [signer for signer in others if signer.has_not_signed]
    actor = next(iter(pending or others), None)
    if actor is None:
        raise Refused("no_other_signer", "The request has no other signer.")
    return actor.external_id


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


def _example_step(
    step: DescribedStep, before: DescribedStep | None, *, is_detached: bool
) -> ExampleStep:
    """Return a step as the panel shows it. `before`: the step whose message it follows."""
    channel = _channel(step)
    if not step.acts:
        reason = SKIPPED.get(step.reason) or preview.describe_reason(step)
        return ExampleStep(channel, channel_title(channel), "Skipped", reason, is_skipped=True)
    parts = [step.rung.to, *plan_words.describe_message(step.facts)]
    if step.goal and before is not None:
        fails = f"only if the {MESSAGES.get(_channel(before), 'message')} fails"
        parts.append(fails if step.minutes is None else UNMET[Goal(step.goal)])
    if is_detached:
        parts.append("sent at once, because your app wants both addresses")
    return ExampleStep(
        channel, channel_title(channel), _when(step), " · ".join(parts), is_skipped=False
    )


def _channel(step: DescribedStep) -> str:
    candidate = step.rung.candidate
    return candidate.connection.channel if candidate else step.rung.channel


def _when(step: DescribedStep) -> str:
    """Return the time of a step for the reader, in words."""
    if step.facts.is_waiting:
        return "Later"
    if step.at is None:
        return "After a failure"
    return _format_moment(step.at)


def _format_moment(at: datetime) -> str:
    if at - now() < timedelta(minutes=1):
        return "Now"
    time = f"{local(at):%H:%M}"
    days = (local(at).date() - local(now()).date()).days
    if days == 0:
        return time
    return f"Tomorrow, {time}" if days == 1 else f"{format_day(at)}, {time}"


# the message of a channel within a sentence
MESSAGES: Mapping[str, str] = {
    Channel.SMS: "SMS",
    Channel.WHATSAPP: "WhatsApp message",
    Channel.VOICE: "call",
    Channel.EMAIL: "email",
    Channel.CHAT: "chat message",
}
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
