"""Planning: an event, its routes, people and connections in; planned messages and refusals out.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.core.vocabulary import Address, Audience, Channel
from hub.models import ConnectionInfo

PHONE_CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)


@dataclass(frozen=True)
class Person:
    """A signer, as far as planning needs one."""

    id: str  # sgn_…
    external_id: str
    owes: bool  # has still to sign
    asleep: bool = field(default=False, kw_only=True)  # reminders are put off
    addresses: Mapping[str, str]  # kind → address
    # kind → False when the source said not to
    wants: Mapping[str, bool] = field(default_factory=dict)
    # connection → the chat in which the person let it write
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


@dataclass(frozen=True)
class Route:
    """A route: the people to notify, and the steps."""

    audience: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Candidate:
    """A connection that can send, and the addresses that its integration writes to."""

    connection: ConnectionInfo
    address_kind: str
    clean_address: Callable[[str], str]  # raises ValueError
    # on channel chat: the kind of address of a person whom it writes to alone; "": it writes to no
    # person
    direct_address_kind: str = ""


@dataclass(frozen=True)
class PlannedMessage:
    """One message to make."""

    person: Person
    step: Step
    candidate: Candidate
    to: str
    kind: str  # of that address


@dataclass(frozen=True)
class PlannedPost:
    """One message to make for a team."""

    step: Step
    connection: ConnectionInfo


@dataclass(frozen=True)
class SkippedStep:
    """A step that was wanted and cannot be taken."""

    signer: str  # '': a team
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
    "no_address": "The signer has no address for this channel.",
    "not_wanted": "The signing app excluded this address.",
    "no_connection": "No enabled connection sends over this channel.",
    "connection_off": (
        "The connection that posts this event to the team is not enabled. Enable it, or"
        " change the events that it posts."
    ),
    "bad_address": "This channel cannot send to this kind of address.",
    "already_signed": "The signer has already signed or declined.",
    "request_closed": "The request is completed, declined, expired or canceled.",
    "request_expired": "The request has expired.",
    "snoozed": "Reminders to this signer are snoozed.",
    "repeated": "This notification was already sent.",
    "too_long": "The text is longer than the channel allows, even without the document's title.",
}


def plan_messages(
    routes: Iterable[Route],
    people: Sequence[Person],
    candidates: Sequence[Candidate],
    *,
    actor: str = "",
    asks_to_sign: bool = False,
    closed: bool = False,
    expired: bool = False,
    reminds: bool = False,
) -> tuple[list[PlannedMessage], list[SkippedStep]]:
    """Decide which signers an event notifies, and over which connections.

    `actor` is the id of the signer whom the event is about. `asks_to_sign` leaves out those who
    have nothing left to sign, and everybody when the request is `closed` or `expired`; `reminds`
    those who are snoozed.
    """
    over = _over_because(closed=closed, expired=expired)
    planned: list[PlannedMessage] = []
    skipped: list[SkippedStep] = []
    for route in routes:
        if route.audience == Audience.TEAM:
            continue
        for person in _audience(route.audience, people, actor):
            for step in route.steps:
                if asks_to_sign and (over or not person.owes):
                    reason = over or "already_signed"
                    skipped.append(SkippedStep(person.external_id, step.channel, reason))
                    continue
                if reminds and person.asleep:
                    skipped.append(SkippedStep(person.external_id, step.channel, "snoozed"))
                    continue
                found = _take(person, step, candidates)
                (planned if isinstance(found, PlannedMessage) else skipped).append(found)  # type: ignore[arg-type]
    return planned, skipped


def plan_posts(
    routes: Iterable[Route],
    candidates: Sequence[Candidate],
    *,
    asks_to_sign: bool = False,
    closed: bool = False,
    expired: bool = False,
) -> tuple[list[PlannedPost], list[SkippedStep]]:
    """Decide where an event is posted for those who do not sign."""
    by_id = {one.connection.id: one.connection for one in candidates if one.connection.destination}
    found: list[PlannedPost] = []
    skipped: list[SkippedStep] = []
    over = _over_because(closed=closed, expired=expired)
    for step in (
        step for route in routes if route.audience == Audience.TEAM for step in route.steps
    ):
        connection = by_id.get(step.connection_id or "")
        if asks_to_sign and over:
            skipped.append(SkippedStep("", step.channel, over))
        elif connection is None:
            skipped.append(SkippedStep("", step.channel, "connection_off"))
        else:
            found.append(PlannedPost(step, connection))
    return found, skipped


def _over_because(*, closed: bool, expired: bool) -> str:
    if closed:
        return "request_closed"
    return "request_expired" if expired else ""


def _audience(audience: str, people: Sequence[Person], actor: str) -> list[Person]:
    chosen: Mapping[str, Callable[[Person], bool]] = {
        Audience.SIGNERS: lambda person: True,
        Audience.PENDING: lambda person: person.owes,
        Audience.ACTOR: lambda person: person.id == actor,
        Audience.OTHERS: lambda person: person.id != actor,
    }
    return [person for person in people if chosen[audience](person)]


def _take(
    person: Person, step: Step, candidates: Sequence[Candidate]
) -> PlannedMessage | SkippedStep:
    """Take the first way that leads to the person; what keeps the first back counts where none
    does.
    """
    able = _candidates(person, step, candidates)
    if not able:
        return SkippedStep(person.external_id, step.channel, _unreachable_because(person, step))
    tried = [_over(person, step, candidate) for candidate in able]
    return next((one for one in tried if isinstance(one, PlannedMessage)), tried[0])


def _unreachable_because(person: Person, step: Step) -> str:
    kind, address = _usual(person, step.channel)
    if not address:
        return "no_address"
    return "no_connection" if person.wants.get(kind, True) else "not_wanted"


def _over(person: Person, step: Step, candidate: Candidate) -> PlannedMessage | SkippedStep:
    kind, address = _reach(person, candidate)
    if not address:
        return SkippedStep(person.external_id, step.channel, "no_address")
    if not person.wants.get(kind, True):
        return SkippedStep(person.external_id, step.channel, "not_wanted")
    try:
        return PlannedMessage(person, step, candidate, candidate.clean_address(address), kind)
    except ValueError:
        return SkippedStep(person.external_id, step.channel, "bad_address")


def _candidates(person: Person, step: Step, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return what can take a step, best first.

    A phone is notified over the first channel that the person prefers and that has an enabled
    connection.
    """
    if step.connection_id:
        return [one for one in candidates if one.connection.id == step.connection_id]
    ways = [step.channel]
    if step.channel in PHONE_CHANNELS:
        ways = [*person.preference, step.channel]
    found = [one for way in ways for one in candidates if _is_meant(way, person, step, one)]
    return sorted(found, key=lambda one: not one.connection.enabled)


def _is_meant(way: str, person: Person, step: Step, candidate: Candidate) -> bool:
    """Tell whether a way, a channel or an integration, means a connection.

    A chat is one only where it reaches the person.
    """
    connection = candidate.connection
    if connection.channel == Channel.CHAT:
        named = way in (connection.channel, connection.integration)
        return named and bool(_reach(person, candidate)[1])
    return way == connection.channel and (way == step.channel or way in PHONE_CHANNELS)


def _reach(person: Person, candidate: Candidate) -> tuple[str, str]:
    """Return the kind and the address by which a connection writes to a person; the address is ""
    where it cannot reach them.
    """
    kind = candidate.address_kind
    if candidate.connection.channel == Channel.CHAT:
        kind = candidate.direct_address_kind
    if kind == Address.CHAT:
        return kind, person.chats.get(candidate.connection.id, "")
    return kind, person.addresses.get(kind, "")


def _usual(person: Person, channel: str) -> tuple[str, str]:
    if channel == Channel.CHAT:
        return Address.CHAT, next(iter(person.chats.values()), "")
    kind = Address.EMAIL if channel == Channel.EMAIL else Address.PHONE
    return kind, person.addresses.get(kind, "")
