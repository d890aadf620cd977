"""Plan the messages of an event from its routes, people and connections.

These functions are pure: they read and write nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from hub.core.vocabulary import (
    PHONE_CHANNELS,
    Audience,
    Channel,
    Connective,
    EventType,
    Goal,
    PersonRole,
)
from hub.messaging.compose.audiences import members
from hub.messaging.compose.candidates import (
    PAID_CHANNELS,
    choose_for_step,
    choose_in_order,
    names_of,
    preference_of,
)
from hub.messaging.compose.candidates import Candidate as Candidate
from hub.messaging.compose.candidates import Person as Person
from hub.messaging.compose.candidates import Rung as Rung
from hub.messaging.compose.candidates import Step as Step
from hub.messaging.compose.skipped_steps import ALREADY_NOTIFIED as ALREADY_NOTIFIED
from hub.messaging.compose.skipped_steps import EXPECTED
from hub.messaging.compose.skipped_steps import NOT_INVITED as NOT_INVITED
from hub.messaging.compose.skipped_steps import REASONS as REASONS
from hub.messaging.compose.skipped_steps import SkippedStep as SkippedStep
from hub.models import ConnectionInfo


@dataclass(frozen=True)
class Route:
    """A version of a route: the people to notify, and the steps."""

    audience: str
    steps: Sequence[Step]
    id: str = field(default="", kw_only=True)
    version: int = field(default=1, kw_only=True)
    continue_after_opt_out: bool = field(default=False, kw_only=True)
    # paid channels are used only while at most so many signatures are missing; None: always
    paid_when_missing: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class PlannedEvent:
    """An event and the state of its request, as planning needs them."""

    type: EventType
    actor: str = ""  # the ID of the signer whom the event is about
    closed: bool = False  # the request is completed, declined, expired or canceled
    expired: bool = False  # the time to sign has ended
    missing: int = 0  # signatures
    outdated: bool = False  # a newer event has changed the state of the request
    overtaken: bool = False  # the request ended after it, so its end is reported instead
    not_invited: Collection[str] = ()  # the IDs of signers who were not invited
    notified_of_completion: Collection[str] = ()  # the IDs of people who have that notice

    @property
    def reason_ended(self) -> str:
        """The reason why nobody is asked to sign, or ''."""
        if self.outdated:
            return "outdated"
        if not self.type.asks_to_sign:
            return ""
        if self.closed:
            return "request_closed"
        return "request_expired" if self.expired else ""


@dataclass(frozen=True)
class PlannedLadder:
    """A step of a route and the `otherwise` steps after it, for one person.

    `rungs` are in the order in which they are tried. `position` identifies the ladder in its route.
    """

    person: Person
    route: Route
    rungs: Sequence[Rung]
    position: int

    @property
    def possible_rungs(self) -> list[Rung]:
        """The rungs that can act, in their order."""
        return [rung for rung in self.rungs if rung.can_act]

    def condition_after(self, rung: Rung) -> tuple[str, int | None] | None:
        """Return the goal of a rung's message and its minutes, or None if no rung follows.

        Without minutes, only a failure of the message lets the next rung act.
        """
        following = self.rungs[self.rungs.index(rung) + 1 :]
        if not following:
            return None
        goal = following[0].goal or Goal.DELIVERED.value
        minutes = following[0].wait_minutes
        if rung.candidate is not None:
            goal = rung.candidate.reliable_goal(goal)
            # a provider without reports has done what it can once it accepts the message
            if not rung.candidate.reports and goal != Goal.OPENED:
                minutes = None
        return goal, minutes

    def message(self, rung: Rung) -> PlannedMessage:
        """Return the message of a rung that can act."""
        if rung.candidate is None:
            raise ValueError("the rung cannot act")
        goal, minutes = self.condition_after(rung) or (None, None)
        if goal is None and len(self.rungs) > 1:
            goal = Goal.DELIVERED.value  # the last step has no time, but its failure is noticed
        return PlannedMessage(
            self.person, rung.step, rung.candidate, rung.to, rung.kind, goal, minutes
        )

    def skip(self, step: Step, reason: str) -> SkippedStep:
        """Return a step that creates no message for the person, and the reason."""
        return SkippedStep(self.person.external_id, step.channel, reason, self.person.role)

    def skipped_steps(self) -> list[SkippedStep]:
        """Return the steps that were wanted first and create no message, each reason once.

        Steps that nobody expects to act, such as those of channels that are not connected, are
        listed only if no other step explains why the person receives nothing.
        """
        if self.rungs[0].can_act:
            return []
        before = list(takewhile(lambda rung: not rung.can_act, self.rungs))
        listed = [rung for rung in before if rung.reason not in EXPECTED]
        if not listed and len(before) == len(self.rungs):
            listed = [rung for rung in before if rung.reason != "no_connection"] or before
        named: dict[tuple[str, str], Rung] = {}
        for rung in listed:
            named[rung.reason, _concern(rung)] = rung
        return [
            self.skip(rung.step, rung.reason)
            for rung in named.values()
            if rung.reason != ALREADY_NOTIFIED
        ]


def _concern(rung: Rung) -> str:
    """Return the channel or kind of address that a reason to skip a rung concerns, if any."""
    if rung.reason == "no_connection":
        return rung.step.channel
    if rung.reason in ("no_address", "not_wanted", "bad_address"):
        return "phone" if rung.step.channel in PHONE_CHANNELS else rung.step.channel
    return ""


@dataclass(frozen=True)
class PlannedMessage:
    """One message to create for a person."""

    person: Person
    step: Step
    candidate: Candidate
    to: str
    kind: str  # of the address
    # the goal of the message and its minutes, if a step follows
    fallback_goal: str | None = None
    fallback_minutes: int | None = None


@dataclass(frozen=True)
class PlannedPost:
    """One message to create for a team."""

    step: Step
    connection: ConnectionInfo


def plan_messages(
    routes: Iterable[Route],
    people: Sequence[Person],
    candidates: Sequence[Candidate],
    event: PlannedEvent,
) -> list[PlannedLadder]:
    """Decide whom an event notifies, and over which connections.

    Signers come first. A sender or observer with an address that the event is sent to already
    receives nothing.
    """
    ladders: list[PlannedLadder] = []
    for route in sorted(routes, key=lambda route: _ORDER.get(route.audience, len(_ORDER))):
        for person, reason in _recipients(route, people, event):
            if person.role != PersonRole.SIGNER and not reason:
                reason = _reason_for_copy(person, people, ladders, event)
            ladders += plan_ladders(route, person, candidates, event, reason=reason)
    return ladders


def _reason_for_copy(
    person: Person, people: Sequence[Person], ladders: Sequence[PlannedLadder], event: PlannedEvent
) -> str:
    """Return why a sender or observer needs no notification of an event, or ''."""
    addresses = {*person.addresses.values()}
    actors = [other for other in people if other.id == event.actor]
    if person.role == PersonRole.SENDER and any(
        addresses.intersection(actor.addresses.values()) for actor in actors
    ):
        return "own_action"
    is_notified = any(
        ladder.possible_rungs and addresses.intersection(ladder.person.addresses.values())
        for ladder in ladders
    )
    return ALREADY_NOTIFIED if is_notified else ""


_ORDER = {audience.value: index for index, audience in enumerate(Audience)}


def plan_ladders(
    route: Route,
    person: Person,
    candidates: Sequence[Candidate],
    event: PlannedEvent,
    *,
    reason: str = "",
) -> list[PlannedLadder]:
    """Return the ladders of a route for a person. With a `reason`, none of their rungs can act."""
    if len(route.steps) == 1 and not reason:
        rungs = _plan_rungs(route, route.steps, person, candidates, event, is_part=False)
        return [PlannedLadder(person, route, rungs, route.steps[0].position)]
    ladders: list[PlannedLadder] = []
    sent: set[tuple[str, str]] = set()  # connections and addresses of first messages
    names: set[str] = set()  # of the channels of first messages
    divided = split_ladders(route.steps)
    for steps in divided:
        others = [other[0] for other in divided if other is not steps]
        for part in _divide(steps, person):
            is_part = len(part) < len(steps)
            elsewhere = names | names_of(others, candidates)
            rungs = (
                [Rung(step, reason=reason) for step in part]
                if reason
                else _plan_rungs(
                    route, part, person, candidates, event, is_part=is_part, elsewhere=elsewhere
                )
            )
            first = next((rung for rung in rungs if rung.can_act), None)
            if first and first.candidate:
                place = (first.candidate.connection.id, first.to)
                if place in sent:
                    rungs = [replace(rung, reason=ALREADY_NOTIFIED) for rung in rungs]
                sent.add(place)
                names |= first.candidate.names
            position = min(step.position for step in part)
            ladders.append(PlannedLadder(person, route, rungs, position))
    return ladders


def split_ladders(steps: Sequence[Step]) -> list[list[Step]]:
    """Return the steps of each ladder."""
    ladders: list[list[Step]] = []
    for step in steps:
        if ladders and step.connective == Connective.OTHERWISE:
            ladders[-1].append(step)
        else:
            ladders.append([step])
    return ladders


def _divide(steps: list[Step], person: Person) -> list[list[Step]]:
    """Divide a ladder if the app named all addresses of a person.

    Emails are not a fallback then: they are sent too.
    """
    if not person.uses_all_addresses or len(steps) == 1:
        return [steps]
    emails = [step for step in steps if step.channel == Channel.EMAIL]
    others = [step for step in steps if step.channel != Channel.EMAIL]
    return [part for part in (others, emails) if part]


def _plan_rungs(
    route: Route,
    steps: Sequence[Step],
    person: Person,
    candidates: Sequence[Candidate],
    event: PlannedEvent,
    *,
    is_part: bool,
    elsewhere: Collection[str] = (),
) -> list[Rung]:
    """Return the rungs of a ladder, or of a part of it for one kind of address.

    `elsewhere`: what other ladders of the route begin with. A preference does not move this ladder
    there, because the person would receive one message instead of two.
    """
    avoids_paid = route.paid_when_missing is not None and event.missing > route.paid_when_missing
    if avoids_paid:
        candidates = [item for item in candidates if item.connection.channel not in PAID_CHANNELS]
    if len(steps) == 1 and not is_part:
        named = [name for name in person.preference if name not in elsewhere]
        rungs = [choose_for_step(replace(person, preference=named), steps[0], candidates)]
    else:
        preference = preference_of(person, candidates)
        preference = [name for name in preference if name not in elsewhere]
        if is_part:
            preference = [name for name in preference if name != Channel.EMAIL]
        may_add = not is_part or steps[0].channel != Channel.EMAIL
        rungs = choose_in_order(person, steps, candidates, preference, may_add=may_add)
        rungs = _avoid_broken(rungs)
    if not avoids_paid:
        return rungs
    return [
        replace(rung, reason="paid_channel")
        if not rung.can_act and rung.step.channel in PAID_CHANNELS
        else rung
        for rung in rungs
    ]


def _avoid_broken(rungs: Sequence[Rung]) -> list[Rung]:
    """Skip the rungs of connections that do not send now, if another rung can act."""
    if not any(rung.can_act and rung.is_enabled for rung in rungs):
        return [*rungs]
    return [
        rung if rung.is_enabled or not rung.can_act else replace(rung, reason="connection_broken")
        for rung in rungs
    ]


def plan_posts(
    routes: Iterable[Route], candidates: Sequence[Candidate], event: PlannedEvent
) -> tuple[list[PlannedPost], list[SkippedStep]]:
    """Decide to which team destinations an event is posted."""
    by_id = {
        candidate.connection.id: candidate.connection
        for candidate in candidates
        if candidate.connection.destination
    }
    planned: list[PlannedPost] = []
    skipped: list[SkippedStep] = []
    ended = event.reason_ended
    for step in (
        step for route in routes if route.audience == Audience.TEAM for step in route.steps
    ):
        connection = by_id.get(step.connection_id or "")
        if ended:
            skipped.append(SkippedStep("", step.channel, ended))
        elif connection is None:
            skipped.append(SkippedStep("", step.channel, "connection_off"))
        else:
            planned.append(PlannedPost(step, connection))
    return planned, skipped


def _recipients(
    route: Route, people: Sequence[Person], event: PlannedEvent
) -> list[tuple[Person, str]]:
    """Return the people that a route concerns, each with the reason not to notify them, or ''.

    Signers who are not asked to sign are listed with the reason.
    """
    if not event.type.asks_to_sign or route.audience != Audience.SIGNER:
        included = members(event.type, route.audience, people, event.actor)
        return [
            (person, event.reason_ended or _reason_left_out(route, person, event))
            for person in included
        ]
    ended = event.reason_ended
    return [
        (person, ended or _reason_not_asked(person, event))
        for person in people
        if person.role == PersonRole.SIGNER
    ]


def _reason_left_out(route: Route, person: Person, event: PlannedEvent) -> str:
    """Return why a member of an audience is not notified of an event, or ''.

    The completion takes the place of a notice about a signature.
    """
    if event.overtaken:
        return "outdated"
    if route.audience == Audience.SIGNER and person.id in event.not_invited:
        return NOT_INVITED
    is_replaced = event.type == EventType.SIGNED and route.audience != Audience.SIGNER
    return "request_completed" if is_replaced and person.id in event.notified_of_completion else ""


def _reason_not_asked(person: Person, event: PlannedEvent) -> str:
    if not person.has_not_signed:
        return "already_signed"
    if not person.has_turn:
        return "not_their_turn"
    if event.type != EventType.REMINDER:
        return ""
    return NOT_INVITED if person.id in event.not_invited else person.no_reminder
