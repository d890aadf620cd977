"""Decide which people belong to an audience of an event. This is a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from hub.core.vocabulary import Audience, EventType, PersonRole


class Member(Protocol):
    """The fields of a person that decide on the audiences of an event."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def has_not_signed(self) -> bool: ...
    @property
    def has_signed(self) -> bool: ...
    @property
    def has_turn(self) -> bool: ...
    @property
    def was_invited(self) -> bool: ...
    @property
    def turn(self) -> int: ...


AnyMember = TypeVar("AnyMember", bound=Member)
Condition = Callable[[Member], bool]


def members(
    event_type: str, audience: str, people: Sequence[AnyMember], actor: str
) -> list[AnyMember]:
    """Return the people of an audience, in the order of `people`.

    `actor` is the ID of the signer whom the event is about, or ''. An unknown event or audience has
    no members.
    """
    if audience in _ROLES:
        return [person for person in people if person.role == _ROLES[audience]]
    if audience not in (Audience.SIGNER, Audience.OTHERS):
        return []
    turn = next((person.turn for person in people if person.id == actor), LAST_TURN)
    is_signer, is_other = _signer_conditions(event_type, actor, turn)
    condition = is_signer if audience == Audience.SIGNER else is_other
    signers = (person for person in people if person.role == PersonRole.SIGNER)
    return [person for person in signers if condition(person)]


_ROLES: Mapping[str, PersonRole] = {
    Audience.SENDER: PersonRole.SENDER,
    Audience.OBSERVERS: PersonRole.OBSERVER,
}


LAST_TURN = 1000


def _signer_conditions(event_type: str, actor: str, turn: int) -> tuple[Condition, Condition]:
    """Return who is the signer of an event, and who are the other signers.

    `turn` is that of the actor. Signers with a later turn learn of the document when their own turn
    begins, so they are not notified of signatures before.
    """
    if event_type in (EventType.VIEWED, EventType.SIGNED):
        return (
            lambda person: person.id == actor,
            lambda person: person.id != actor and person.turn <= turn,
        )
    if event_type == EventType.DECLINED:
        return (
            lambda person: person.id == actor,
            lambda person: person.has_signed and person.id != actor,
        )
    return _CONDITIONS.get(event_type, (_nobody, _nobody))


def _nobody(person: Member) -> bool:
    return False


def _is_asked(person: Member) -> bool:
    return person.has_turn and person.has_not_signed


_CONDITIONS: Mapping[str, tuple[Condition, Condition]] = {
    EventType.SENT: (_is_asked, _nobody),
    EventType.REMINDER: (_is_asked, _nobody),
    EventType.COMPLETED: (lambda person: True, _nobody),
    EventType.EXPIRED: (lambda person: person.has_not_signed, lambda person: person.has_signed),
    EventType.CANCELED: (lambda person: person.was_invited, _nobody),
}
