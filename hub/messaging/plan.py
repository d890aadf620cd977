"""Planning: an event, its routes, people and connections in; planned messages and refusals out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.vocabulary import Address, Audience, Channel

PHONE_CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)


@dataclass(frozen=True)
class Person:
    """A signer, as far as planning needs one."""

    id: str  # sgn_…
    external_id: str
    owes: bool  # has still to sign
    addresses: Mapping[str, str]  # kind → address
    wants: Mapping[str, bool] = field(default_factory=dict)  # kind → False when the source said not to
    preference: Sequence[str] = ()
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
    """Whom to tell, over which steps."""

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


@dataclass(frozen=True)
class Planned:
    """One message to make."""

    person: Person
    step: Step
    carrier: Carrier
    to: str


@dataclass(frozen=True)
class Skipped:
    """A step that was wanted and cannot be taken."""

    signer: str
    step: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {"signer": self.signer, "step": self.step, "reason": self.reason, "text": REASONS.get(self.reason, self.reason)}


REASONS = {
    "no_address": "The signer has no address for this channel.",
    "not_wanted": "The source said not to use this address.",
    "no_connection": "No enabled connection carries this channel.",
    "bad_address": "The address is not one that this channel reaches.",
    "already_signed": "The signer has signed or declined already.",
    "request_closed": "The request is completed, declined, expired or canceled.",
    "repeated": "This was told before.",
}


def plan(
    routes: Iterable[Route], people: Sequence[Person], carriers: Sequence[Carrier], *,
    actor: str = "", asks_to_sign: bool = False, closed: bool = False,
) -> tuple[list[Planned], list[Skipped]]:  # fmt: skip
    """Decide whom an event is told to, and over what.

    `actor` is the id of the signer whom the event is about. `asks_to_sign` leaves out those who have nothing left to sign,
    and everybody when the request is `closed`.
    """
    planned: list[Planned] = []
    skipped: list[Skipped] = []
    for route in routes:
        for person in _audience(route.audience, people, actor):
            for step in route.steps:
                if asks_to_sign and (closed or not person.owes):
                    skipped.append(Skipped(person.external_id, step.channel, "request_closed" if closed else "already_signed"))
                    continue
                found = _take(person, step, carriers)
                (planned if isinstance(found, Planned) else skipped).append(found)  # type: ignore[arg-type]
    return planned, skipped


def _audience(audience: str, people: Sequence[Person], actor: str) -> list[Person]:
    chosen: Mapping[str, Callable[[Person], bool]] = {
        Audience.SIGNERS: lambda person: True,
        Audience.PENDING: lambda person: person.owes,
        Audience.ACTOR: lambda person: person.id == actor,
        Audience.OTHERS: lambda person: person.id != actor,
    }
    return [person for person in people if chosen[audience](person)]


def _take(person: Person, step: Step, carriers: Sequence[Carrier]) -> Planned | Skipped:
    candidates = _carriers(person, step, carriers)
    kind = candidates[0].address if candidates else _usual_address(step.channel)
    address = person.addresses.get(kind, "")
    if not address:
        return Skipped(person.external_id, step.channel, "no_address")
    if not person.wants.get(kind, True):
        return Skipped(person.external_id, step.channel, "not_wanted")
    if not candidates:
        return Skipped(person.external_id, step.channel, "no_connection")
    try:
        return Planned(person, step, candidates[0], candidates[0].clean(address))
    except ValueError:
        return Skipped(person.external_id, step.channel, "bad_address")


def _carriers(person: Person, step: Step, carriers: Sequence[Carrier]) -> list[Carrier]:
    """Return what can take a step, best first: a phone is told over the first channel the person prefers that is there."""
    if step.connection_id:
        return [carrier for carrier in carriers if carrier.id == step.connection_id]
    channels = [step.channel]
    if step.channel in PHONE_CHANNELS:
        channels = [c for c in person.preference if c in PHONE_CHANNELS] + channels
    found = [carrier for channel in channels for carrier in carriers if carrier.channel == channel]
    return sorted(found, key=lambda carrier: carrier.waits)  # a preference goes to what is enabled


def _usual_address(channel: str) -> str:
    if channel in PHONE_CHANNELS:
        return Address.PHONE
    return Address.EMAIL if channel == Channel.EMAIL else Address.CHAT
