"""Find the connections that need a consent or an open window which a person does not have.

A step over such a connection is skipped in favor of the next one. Routes of single steps need no
restrictions: their messages are stored, and the rules of the connection decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hub import integrations
from hub.core.vocabulary import Address, Connective
from hub.db.compiled_sql import UnreadableRow
from hub.messaging.compose import plan
from hub.messaging.contacts.contacts import find_contacts
from hub.messaging.policy.policy import Policy, PolicyQuestion, get_rules
from hub.models import Recipient


def add_restrictions(
    people: Sequence[plan.Person],
    routes: Sequence[plan.Route],
    candidates: Sequence[plan.Candidate],
    *,
    source_id: str,
    test: bool,
) -> list[plan.Person]:
    """Return people with the connections that are restricted for each of them."""
    restricted = [candidate for candidate in candidates if _is_restricted(candidate)]
    if not restricted or not has_fallbacks(routes):
        return list(people)
    numbers = {person.id: person.addresses.get(Address.PHONE, "") for person in people}
    contacts = find_contacts(
        {(Address.PHONE.value, number) for number in numbers.values() if number}, test=test
    )
    recipients = {
        person_id: contacts.get((Address.PHONE.value, number))
        for person_id, number in numbers.items()
    }
    without_consent: dict[str, set[str]] = {person.id: set() for person in people}
    closed: dict[str, set[str]] = {person.id: set() for person in people}
    for candidate in restricted:
        _check(candidate, recipients, source_id, without_consent, closed)
    return [
        replace(
            person, without_consent=without_consent[person.id], closed_windows=closed[person.id]
        )
        for person in people
    ]


def has_fallbacks(routes: Sequence[plan.Route]) -> bool:
    """Return whether a step of the routes follows another one that does not reach its goal."""
    return any(step.connective == Connective.OTHERWISE for route in routes for step in route.steps)


def _is_restricted(candidate: plan.Candidate) -> bool:
    integration_class = integrations.get(candidate.connection.integration)
    return candidate.address_kind == Address.PHONE and (
        bool(integration_class.session_window) or get_rules(candidate.connection).consent
    )


def _check(
    candidate: plan.Candidate,
    recipients: Mapping[str, Recipient | None],
    source_id: str,
    without_consent: Mapping[str, set[str]],
    closed: Mapping[str, set[str]],
) -> None:
    """Add a connection to the restrictions of each person to whom it is restricted."""
    connection = candidate.connection
    known = {
        person_id: PolicyQuestion(recipient, source_id=source_id)
        for person_id, recipient in recipients.items()
        if recipient is not None
    }
    try:
        policy = Policy(connection, [*known.values()], planning=True)
    except UnreadableRow:
        return  # the message is stored, and its claim sets it aside
    needs_consent = get_rules(connection).consent
    for person_id in recipients:
        question = known.get(person_id)
        if policy.lacks_consent(question) if question else needs_consent:
            without_consent[person_id].add(connection.id)
        if not policy.allows_free_text(question.recipient.id if question else ""):
            closed[person_id].add(connection.id)
