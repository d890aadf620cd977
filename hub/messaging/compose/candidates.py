"""Choose the connection by which a step of a route reaches a person.

These functions are pure: they read and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.core.vocabulary import PHONE_CHANNELS, Address, Channel, Connective, Goal, PersonRole
from hub.models import ConnectionInfo

PERSONAL_CHANNELS = (*PHONE_CHANNELS, Channel.EMAIL)  # those that a step to a phone may use
PAID_CHANNELS = PHONE_CHANNELS


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
    turn: int = field(default=1, kw_only=True)
    no_reminder: str = field(default="", kw_only=True)  # the reason not to remind the person now
    addresses: Mapping[str, str]  # kind → address
    # kind → False if the source excluded it
    send_to: Mapping[str, bool] = field(default_factory=dict)
    # connection → the chat that the person linked
    chats: Mapping[str, str] = field(default_factory=dict)
    preference: Sequence[str] = ()  # channels, and integrations by name
    locale: str = "en"
    # the app named all addresses, so the person is notified at each of them
    uses_all_addresses: bool = field(default=False, kw_only=True)
    # connections for which no consent of the person is recorded, and those that require one
    unconsented: Collection[str] = field(default=(), kw_only=True)
    without_consent: Collection[str] = field(default=(), kw_only=True)
    # connections that send the person only approved templates now
    closed_windows: Collection[str] = field(default=(), kw_only=True)


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
    # the step is skipped for people without a recorded consent, unless they prefer its channel
    consented_only: bool = field(default=False, kw_only=True)
    legacy: bool = field(default=False, kw_only=True)  # it was stored by version 0.2.0


@dataclass(frozen=True)
class Candidate:
    """A connection that can send, and the kinds of addresses that it can write to."""

    connection: ConnectionInfo
    address_kind: str
    clean_address: Callable[[str], str]  # raises ValueError
    # on the channel chat: the kind of address of a single person; "": it writes to a team only
    direct_address_kind: str = ""
    reports: bool = True  # statuses change after the message is accepted
    # the goals beside `sent` that the connection reports for nearly every message
    reliable_statuses: Collection[str] = (Goal.DELIVERED, Goal.READ)

    @property
    def names(self) -> set[str]:
        """The names by which a preference can mean the connection."""
        return {self.connection.channel, self.connection.integration}

    def reliable_goal(self, goal: str) -> str:
        """Return a goal, or the highest one below it that is reported reliably.

        What the provider accepts counts as delivered if nothing more is ever reported.
        """
        if goal == Goal.READ and Goal.READ not in self.reliable_statuses:
            goal = Goal.DELIVERED
        if goal == Goal.DELIVERED and Goal.DELIVERED not in self.reliable_statuses:
            goal = Goal.SENT
        return str(goal)


@dataclass(frozen=True)
class Rung:
    """A step of a ladder for one person: the connection that sends it, or the reason to skip it."""

    step: Step
    candidate: Candidate | None = None
    to: str = ""
    kind: str = ""  # of the address
    reason: str = ""  # '' if it can act
    # what the message before must achieve, and how long it has; None: only a failure moves on
    goal: str | None = None
    wait_minutes: int | None = None

    @property
    def can_act(self) -> bool:
        return not self.reason

    @property
    def is_enabled(self) -> bool:
        """True if the connection sends now."""
        return self.candidate is not None and self.candidate.connection.enabled

    @property
    def channel(self) -> str:
        """The channel that sends the message, which a preference may have chosen."""
        return self.candidate.connection.channel if self.candidate else self.step.channel


def choose_for_step(person: Person, step: Step, candidates: Sequence[Candidate]) -> Rung:
    """Return a rung over the first connection that reaches the person.

    A message to a phone is sent over the first preferred channel with an enabled connection. A
    person without a phone number gets it by email. If no connection reaches the person, the reason
    of the first connection counts.
    """
    return _choose(person, step, _suitable_candidates(person, step, candidates))


def choose_in_order(
    person: Person,
    steps: Sequence[Step],
    candidates: Sequence[Candidate],
    preference: Sequence[str],
    *,
    may_add: bool,
) -> list[Rung]:
    """Return the rungs of several steps, the preferred channels first.

    The other steps keep their order. With `may_add`, a preferred channel that no step uses is tried
    too. The waiting times belong to the places in the order.
    """
    rungs = [
        _choose_own(person, step, candidates, is_preferred=step.channel in preference)
        for step in steps
    ]
    unreachable = {_reason_unreachable(person, step) for step in steps}
    if unreachable == {"no_address"} and {rung.reason for rung in rungs} == {"no_connection"}:
        return [replace(rung, reason="no_address") for rung in rungs]
    ordered: list[Rung] = []
    for name in preference:
        named = [rung for rung in rungs if _is_named(name, rung) and rung not in ordered]
        ordered += named
        if not named and may_add and not any(_is_named(name, rung) for rung in ordered):
            ordered += _added_rung(name, person, steps[0], candidates)
    ordered += [rung for rung in rungs if rung not in ordered]
    waits = [(step.goal, step.wait_minutes) for step in steps[1:]] or [(None, None)]
    for index in range(1, len(ordered)):
        goal, minutes = waits[min(index, len(waits)) - 1]
        ordered[index] = replace(ordered[index], goal=goal, wait_minutes=minutes)
    return ordered


def preference_of(person: Person, candidates: Sequence[Candidate]) -> Sequence[str]:
    """Return the channels that a person prefers: those that the app named, else a linked chat."""
    if person.preference or not person.chats:
        return person.preference
    return [
        candidate.connection.integration
        for candidate in candidates
        if candidate.connection.id in person.chats
    ]


def names_of(steps: Iterable[Step], candidates: Sequence[Candidate]) -> set[str]:
    """Return the names by which a preference can mean the channels of steps."""
    names: set[str] = set()
    for step in steps:
        names.add(step.channel)
        names.update(*(item.names for item in candidates if _performs(step, item)))
    return names


def _choose_own(
    person: Person, step: Step, candidates: Sequence[Candidate], *, is_preferred: bool
) -> Rung:
    """Return the rung of a step over its own channel or connection."""
    suitable = [candidate for candidate in candidates if _performs(step, candidate)]
    if not suitable:
        return Rung(step, reason="no_connection")
    suitable.sort(key=lambda candidate: not candidate.connection.enabled)
    rung = _choose(person, step, suitable)
    needs_recorded = step.consented_only and not is_preferred
    refusing = person.unconsented if needs_recorded else person.without_consent
    if rung.candidate and rung.candidate.connection.id in refusing:
        return replace(rung, reason="no_consent")
    return rung


def _performs(step: Step, candidate: Candidate) -> bool:
    connection = candidate.connection
    if step.connection_id:
        return connection.id == step.connection_id
    return connection.channel == step.channel


def _is_named(name: str, rung: Rung) -> bool:
    """Return whether a preference, a channel or an integration, names a rung."""
    return name == rung.channel or bool(
        rung.candidate and name == rung.candidate.connection.integration
    )


def _added_rung(
    name: str, person: Person, step: Step, candidates: Sequence[Candidate]
) -> list[Rung]:
    """Return a rung over a preferred channel that no step uses, if it reaches the person."""
    matching = [candidate for candidate in candidates if _matches(name, person, step, candidate)]
    matching.sort(key=lambda candidate: not candidate.connection.enabled)
    rung = _choose(person, step, matching)
    is_consented = rung.candidate and rung.candidate.connection.id not in person.without_consent
    return [rung] if rung.can_act and is_consented else []


def _choose(person: Person, step: Step, suitable: Iterable[Candidate]) -> Rung:
    rungs = [_rung_over(person, step, candidate) for candidate in suitable]
    if not rungs:
        return Rung(step, reason=_reason_unreachable(person, step))
    return next((rung for rung in rungs if rung.can_act), rungs[0])


def _reason_unreachable(person: Person, step: Step) -> str:
    kind, address = _usual_address(person, step.channel)
    if not address:
        return "no_address"
    return "no_connection" if person.send_to.get(kind, True) else "not_wanted"


def _rung_over(person: Person, step: Step, candidate: Candidate) -> Rung:
    kind, address = _address_for(person, candidate)
    if not address:
        return Rung(step, reason="no_address")
    if not person.send_to.get(kind, True):
        return Rung(step, reason="not_wanted")
    try:
        return Rung(step, candidate, candidate.clean_address(address), kind)
    except ValueError:
        return Rung(step, reason="bad_address")


def _suitable_candidates(
    person: Person, step: Step, candidates: Sequence[Candidate]
) -> list[Candidate]:
    """Return the connections that can perform a step, best first."""
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
