"""Planning: an event, its routes, people and connections in; planned messages and refusals out.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.core.vocabulary import Address, Audience, Channel

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
class Carrier:
    """A connection that can send, as far as planning needs one."""

    id: str
    channel: str
    address: str
    clean: Callable[[str], str]
    waits: bool = False  # it does not send now; taken where no other can
    name: str = ""  # of its integration
    # on channel chat: the kind of a person's address by which it writes to them alone; '': to
    # nobody
    direct_address_kind: str = ""
    place: str = ""  # where a team reads what it posts


@dataclass(frozen=True)
class PlannedMessage:
    """One message to make."""

    person: Person
    step: Step
    carrier: Carrier
    to: str
    kind: str  # of that address


@dataclass(frozen=True)
class PlannedPost:
    """One message to make for a team."""

    step: Step
    carrier: Carrier


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
    carriers: Sequence[Carrier],
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
                found = _take(person, step, carriers)
                (planned if isinstance(found, PlannedMessage) else skipped).append(found)  # type: ignore[arg-type]
    return planned, skipped


def plan_posts(
    routes: Iterable[Route],
    carriers: Sequence[Carrier],
    *,
    asks_to_sign: bool = False,
    closed: bool = False,
    expired: bool = False,
) -> tuple[list[PlannedPost], list[SkippedStep]]:
    """Decide where an event is posted for those who do not sign."""
    by_id = {carrier.id: carrier for carrier in carriers if carrier.place}
    found: list[PlannedPost] = []
    skipped: list[SkippedStep] = []
    over = _over_because(closed=closed, expired=expired)
    for step in (
        step for route in routes if route.audience == Audience.TEAM for step in route.steps
    ):
        carrier = by_id.get(step.connection_id or "")
        if asks_to_sign and over:
            skipped.append(SkippedStep("", step.channel, over))
        elif carrier is None:
            skipped.append(SkippedStep("", step.channel, "connection_off"))
        else:
            found.append(PlannedPost(step, carrier))
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


def _take(person: Person, step: Step, carriers: Sequence[Carrier]) -> PlannedMessage | SkippedStep:
    """Take the first way that leads to the person; what keeps the first back counts where none
    does.
    """
    candidates = _carriers(person, step, carriers)
    if not candidates:
        return SkippedStep(person.external_id, step.channel, _unreachable_because(person, step))
    tried = [_over(person, step, carrier) for carrier in candidates]
    return next((one for one in tried if isinstance(one, PlannedMessage)), tried[0])


def _unreachable_because(person: Person, step: Step) -> str:
    kind, address = _usual(person, step.channel)
    if not address:
        return "no_address"
    return "no_connection" if person.wants.get(kind, True) else "not_wanted"


def _over(person: Person, step: Step, carrier: Carrier) -> PlannedMessage | SkippedStep:
    kind, address = _reach(person, carrier)
    if not address:
        return SkippedStep(person.external_id, step.channel, "no_address")
    if not person.wants.get(kind, True):
        return SkippedStep(person.external_id, step.channel, "not_wanted")
    try:
        return PlannedMessage(person, step, carrier, carrier.clean(address), kind)
    except ValueError:
        return SkippedStep(person.external_id, step.channel, "bad_address")


def _carriers(person: Person, step: Step, carriers: Sequence[Carrier]) -> list[Carrier]:
    """Return what can take a step, best first: a phone is notified over the first channel that the
    person prefers and that is available.
    """
    if step.connection_id:
        return [carrier for carrier in carriers if carrier.id == step.connection_id]
    ways = [step.channel]
    if step.channel in PHONE_CHANNELS:
        ways = [*person.preference, step.channel]
    found = [carrier for way in ways for carrier in carriers if _goes(way, person, step, carrier)]
    return sorted(found, key=lambda carrier: carrier.waits)  # a preference goes to what is enabled


def _goes(way: str, person: Person, step: Step, carrier: Carrier) -> bool:
    """Tell whether a carrier is what a way means, a channel or an integration; a chat is one only
    where it finds the person.
    """
    if carrier.channel == Channel.CHAT:
        return way in (carrier.channel, carrier.name) and bool(_reach(person, carrier)[1])
    return way == carrier.channel and (way == step.channel or way in PHONE_CHANNELS)


def _reach(person: Person, carrier: Carrier) -> tuple[str, str]:
    """Return by what a carrier writes to a person, and where that is; '' where it does not find
    them.
    """
    if carrier.channel != Channel.CHAT:
        return carrier.address, person.addresses.get(carrier.address, "")
    if carrier.direct_address_kind == Address.CHAT:
        return Address.CHAT, person.chats.get(carrier.id, "")
    return carrier.direct_address_kind, person.addresses.get(carrier.direct_address_kind, "")


def _usual(person: Person, channel: str) -> tuple[str, str]:
    if channel == Channel.CHAT:
        return Address.CHAT, next(iter(person.chats.values()), "")
    kind = Address.EMAIL if channel == Channel.EMAIL else Address.PHONE
    return kind, person.addresses.get(kind, "")
