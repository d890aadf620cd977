"""Plan the messages of an event from its routes, signers and connections.

These functions are pure: they read and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hub.core.vocabulary import Address, Audience, Channel, Connective, EventType, PersonRole
from hub.messaging.compose.audiences import members
from hub.models import ConnectionInfo

PHONE_CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)
PERSONAL_CHANNELS = (*PHONE_CHANNELS, Channel.EMAIL)  # those that a step to a phone may use


@dataclass(frozen=True)
class Person:
    """A signer, observer or sender as planning needs one."""

    id: str  # sgn_…
    external_id: str
    has_not_signed: bool  # has not signed yet
    has_signed: bool = field(default=False, kw_only=True)
    role: str = field(default=PersonRole.SIGNER.value, kw_only=True)
    has_turn: bool = field(default=True, kw_only=True)  # false: other signers sign first
    was_invited: bool = field(default=True, kw_only=True)
    snoozed: bool = field(default=False, kw_only=True)
    addresses: Mapping[str, str]  # kind → address
    # kind → False if the source excluded it
    send_to: Mapping[str, bool] = field(default_factory=dict)
    # connection → the chat that the person linked
    chats: Mapping[str, str] = field(default_factory=dict)
    preference: Sequence[str] = ()  # channels, and integrations by name
    locale: str = "en"


@dataclass(frozen=True)
class Step:
    """A step of a route."""

    id: str
    channel: str
    template: str
    connection_id: str | None = None
    position: int = field(default=1, kw_only=True)
    connective: str = field(default=Connective.ALSO.value, kw_only=True)
    # what the step before must achieve, and how long it has; None: only a failure moves on
    goal: str | None = field(default=None, kw_only=True)
    wait_minutes: int | None = field(default=None, kw_only=True)
    legacy: bool = field(default=False, kw_only=True)  # it was stored by version 0.2.0


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

    @property
    def reason_ended(self) -> str:
        """The reason why nobody is asked to sign, or ''."""
        if not self.type.asks_to_sign:
            return ""
        if self.closed:
            return "request_closed"
        return "request_expired" if self.expired else ""


@dataclass(frozen=True)
class Candidate:
    """A connection that can send, and the kinds of addresses that it can write to."""

    connection: ConnectionInfo
    address_kind: str
    clean_address: Callable[[str], str]  # raises ValueError
    # on the channel chat: the kind of address of a single person; "": it writes to a team only
    direct_address_kind: str = ""


@dataclass(frozen=True)
class PlannedMessage:
    """One message to create for a signer."""

    person: Person
    step: Step
    candidate: Candidate
    to: str
    kind: str  # of the address
    audience: str = ""


@dataclass(frozen=True)
class PlannedPost:
    """One message to create for a team."""

    step: Step
    connection: ConnectionInfo


@dataclass(frozen=True)
class SkippedStep:
    """A step that creates no message, and the reason."""

    signer: str  # '': the team
    step: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {
            "signer": self.signer,
            "step": self.step,
            "reason": self.reason,
            "text": REASONS.get(self.reason, self.reason),
        }


REASONS = {
    "no_address": "The signer has no address for this channel. Add one in the signing app.",
    "not_wanted": "The signing app excluded this address.",
    "no_connection": "No enabled connection sends over this channel.",
    "connection_off": (
        "The connection that posts this event to the team is not enabled. Enable it, or"
        " change the events that it posts."
    ),
    "bad_address": "This channel cannot send to this kind of address.",
    "already_signed": "The signer has already signed or declined.",
    "not_their_turn": "Other signers sign first.",
    "request_closed": "The request is completed, declined, expired or canceled.",
    "request_expired": "The request has expired.",
    "snoozed": "Reminders to this signer are snoozed.",
    "repeated": "This notification was already sent.",
    "text_incomplete": (
        "The text needs a value that the request does not have. Send the value, or change the text."
    ),
    "too_long": "The text is longer than the channel allows, even without the document's title.",
}


def plan_messages(
    routes: Iterable[Route],
    people: Sequence[Person],
    candidates: Sequence[Candidate],
    event: PlannedEvent,
) -> tuple[list[PlannedMessage], list[SkippedStep]]:
    """Decide whom an event notifies, and over which connections."""
    planned: list[PlannedMessage] = []
    skipped: list[SkippedStep] = []
    for route in routes:
        for person, reason in _recipients(route, people, event):
            for step in route.steps:
                result = (
                    SkippedStep(person.external_id, step.channel, reason)
                    if reason
                    else _plan_step(person, step, candidates)
                )
                if isinstance(result, PlannedMessage):
                    planned.append(replace(result, audience=route.audience))
                else:
                    skipped.append(result)
    return planned, skipped


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
        return [(person, "") for person in included]
    return [
        (person, event.reason_ended or _reason_not_asked(person, event))
        for person in people
        if person.role == PersonRole.SIGNER
    ]


def _reason_not_asked(person: Person, event: PlannedEvent) -> str:
    if not person.has_not_signed:
        return "already_signed"
    if not person.has_turn:
        return "not_their_turn"
    return "snoozed" if event.type == EventType.REMINDER and person.snoozed else ""


def _plan_step(
    person: Person, step: Step, candidates: Sequence[Candidate]
) -> PlannedMessage | SkippedStep:
    """Return a message over the first connection that reaches the person.

    If none does, the reason of the first connection counts.
    """
    suitable = _suitable_candidates(person, step, candidates)
    if not suitable:
        return SkippedStep(person.external_id, step.channel, _reason_unreachable(person, step))
    results = [_plan_over(person, step, candidate) for candidate in suitable]
    return next((result for result in results if isinstance(result, PlannedMessage)), results[0])


def _reason_unreachable(person: Person, step: Step) -> str:
    kind, address = _usual_address(person, step.channel)
    if not address:
        return "no_address"
    return "no_connection" if person.send_to.get(kind, True) else "not_wanted"


def _plan_over(person: Person, step: Step, candidate: Candidate) -> PlannedMessage | SkippedStep:
    kind, address = _address_for(person, candidate)
    if not address:
        return SkippedStep(person.external_id, step.channel, "no_address")
    if not person.send_to.get(kind, True):
        return SkippedStep(person.external_id, step.channel, "not_wanted")
    try:
        return PlannedMessage(person, step, candidate, candidate.clean_address(address), kind)
    except ValueError:
        return SkippedStep(person.external_id, step.channel, "bad_address")


def _suitable_candidates(
    person: Person, step: Step, candidates: Sequence[Candidate]
) -> list[Candidate]:
    """Return the connections that can perform a step, best first.

    A message to a phone is sent over the first preferred channel with an enabled connection. A
    person without a phone number gets it by email.
    """
    if step.connection_id:
        return [
            candidate for candidate in candidates if candidate.connection.id == step.connection_id
        ]
    preferences = [step.channel]
    if step.channel in PHONE_CHANNELS:
        preferences = [*person.preference, step.channel]
        if not person.addresses.get(Address.PHONE) and person.addresses.get(Address.EMAIL):
            preferences = [*person.preference, Channel.EMAIL]
    suitable = [
        candidate
        for preference in preferences
        for candidate in candidates
        if _matches(preference, person, step, candidate)
    ]
    return sorted(suitable, key=lambda candidate: not candidate.connection.enabled)


def _matches(preference: str, person: Person, step: Step, candidate: Candidate) -> bool:
    """Return whether a preference, a channel or an integration, names a connection.

    A chat matches only if it reaches the person.
    """
    connection = candidate.connection
    if connection.channel == Channel.CHAT:
        is_named = preference in (connection.channel, connection.integration)
        return is_named and bool(_address_for(person, candidate)[1])
    return preference == connection.channel and (
        preference == step.channel or preference in PERSONAL_CHANNELS
    )


def _address_for(person: Person, candidate: Candidate) -> tuple[str, str]:
    """Return the kind of address and the address by which a connection writes to a person.

    The address is "" if the connection cannot reach the person.
    """
    kind = candidate.address_kind
    if candidate.connection.channel == Channel.CHAT:
        kind = candidate.direct_address_kind
    if kind == Address.CHAT:
        return kind, person.chats.get(candidate.connection.id, "")
    return kind, person.addresses.get(kind, "")


def _usual_address(person: Person, channel: str) -> tuple[str, str]:
    if channel == Channel.CHAT:
        return Address.CHAT, next(iter(person.chats.values()), "")
    kind = Address.EMAIL if channel == Channel.EMAIL else Address.PHONE
    return kind, person.addresses.get(kind, "")
