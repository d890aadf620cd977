"""Find the connections that need a consent or an open window which a person does not have.

A step over such a connection is skipped in favor of the next one. Routes of single steps need no
restrictions: their messages are stored, and the rules of the connection decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub import integrations
from hub.core.vocabulary import Address, Connective
from hub.db.compiled_sql import UnreadableRow
from hub.db.types import new_id
from hub.messaging.compose import plan
from hub.messaging.contacts.contacts import find_contacts
from hub.messaging.policy.policy import Policy, PolicyQuestion, get_rules
from hub.models import ConnectionInfo, Recipient
from hub.shared.address_keys import address_key
from hub.signing.reported_consents import assume_consents
from hub.signing.signing_batch import RequestRecord


def add_restrictions(
    people: Sequence[plan.Person],
    routes: Sequence[plan.Route],
    candidates: Sequence[plan.Candidate],
    request: RequestRecord,
) -> list[plan.Person]:
    """Return people with the connections that are restricted for each of them."""
    if not has_fallbacks(routes):
        return list(people)
    consented = {step.channel for route in routes for step in route.steps if step.consented_only}
    restricted = [candidate for candidate in candidates if _is_restricted(candidate, consented)]
    if not restricted:
        return list(people)
    numbers = {person.id: person.addresses.get(Address.PHONE, "") for person in people}
    contacts = find_contacts(
        {(Address.PHONE.value, number) for number in numbers.values() if number},
        test=request.test,
    )
    recipients = {
        person_id: contacts.get((Address.PHONE.value, number)) or _assumed(number, request)
        for person_id, number in numbers.items()
    }
    found = {person.id: _Restrictions() for person in people}
    for candidate in restricted:
        _check(candidate.connection, recipients, request, found)
    return [
        replace(
            person,
            unconsented=found[person.id].unconsented,
            without_consent=found[person.id].without_consent,
            closed_windows=found[person.id].closed_windows,
        )
        for person in people
    ]


def _assumed(number: str, request: RequestRecord) -> Recipient | None:
    """Return a contact that an event would add with its consents, if it is only previewed."""
    if not number or not request.assumed_consents:
        return None
    return Recipient(new_id("ctc"), number, address_key(Address.PHONE.value, number))


@dataclass
class _Restrictions:
    """The connections that are restricted for a person, by their IDs."""

    unconsented: set[str] = field(default_factory=set)
    without_consent: set[str] = field(default_factory=set)
    closed_windows: set[str] = field(default_factory=set)

    def add(self, connection_id: str) -> None:
        """Restrict a connection in every way."""
        for restricted in (self.unconsented, self.without_consent, self.closed_windows):
            restricted.add(connection_id)


def has_fallbacks(routes: Sequence[plan.Route]) -> bool:
    """Return whether a step of the routes follows another one that does not reach its goal."""
    return any(step.connective == Connective.OTHERWISE for route in routes for step in route.steps)


def _is_restricted(candidate: plan.Candidate, consented: Collection[str]) -> bool:
    connection = candidate.connection
    integration_class = integrations.get(connection.integration)
    return candidate.address_kind == Address.PHONE and (
        connection.channel in consented
        or bool(integration_class.session_window)
        or get_rules(connection).consent
    )


def _check(
    connection: ConnectionInfo,
    recipients: Mapping[str, Recipient | None],
    request: RequestRecord,
    found: Mapping[str, _Restrictions],
) -> None:
    """Add a connection to the restrictions of each person for whom it is restricted.

    A damaged row about one person restricts the connection for this person only.
    """
    try:
        _check_together(connection, recipients, request, found)
    except UnreadableRow:
        for person_id, recipient in recipients.items():
            try:
                _check_together(connection, {person_id: recipient}, request, found)
            except UnreadableRow:
                found[person_id].add(connection.id)


def _check_together(
    connection: ConnectionInfo,
    recipients: Mapping[str, Recipient | None],
    request: RequestRecord,
    found: Mapping[str, _Restrictions],
) -> None:
    known = {
        person_id: PolicyQuestion(
            recipient,
            source_id=request.source_id,
            assumed=assume_consents(request, recipient.address, connection),
        )
        for person_id, recipient in recipients.items()
        if recipient is not None
    }
    policy = Policy(connection, [*known.values()], planning=True)
    needs_consent = get_rules(connection).consent
    for person_id in recipients:
        question = known.get(person_id)
        restrictions = found[person_id]
        if question is not None and policy.is_blocked(question):
            continue  # a blocked message is stored, so that no other channel evades the refusal
        if question is None or not policy.has_consent(question):
            restrictions.unconsented.add(connection.id)
        if needs_consent if question is None else policy.lacks_consent(question):
            restrictions.without_consent.add(connection.id)
        if not policy.allows_free_text(question.recipient.id if question else ""):
            restrictions.closed_windows.add(connection.id)
