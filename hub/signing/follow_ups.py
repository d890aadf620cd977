"""Describe the steps that may follow the messages of an event, for the response of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hub.core.vocabulary import Goal, Status
from hub.db.compiled_sql import UnreadableRow
from hub.db.types import new_id
from hub.messaging.compose import plan_words
from hub.messaging.compose.outbox import MessageSummary
from hub.messaging.compose.plan import Rung
from hub.messaging.compose.step_descriptions import StepFacts, describe_follow_ups
from hub.messaging.contacts.contacts import find_contacts
from hub.messaging.policy.policy import QUIET, Policy, PolicyQuestion
from hub.models import Recipient
from hub.shared.address_keys import address_key
from hub.signing.message_texts import WrittenRung
from hub.signing.signing_batch import RequestRecord

# rules that may allow a message again by the time at which its step follows
TEMPORARY = (QUIET, "cap_hour", "cap_day")
Place = tuple[str, str]  # the ID of a connection, and an address


def list_follow_ups(
    request: RequestRecord,
    written: Mapping[bytes, WrittenRung],
    stored: Mapping[bytes, MessageSummary],
) -> list[dict[str, Any]]:
    """Return the steps that follow messages that do not reach their goals."""
    items = [(item, stored[key]) for key, item in written.items() if len(item.ladder.rungs) > 1]
    facts = _read_facts(request, _rungs_to_check(items)) if items else {}
    return [entry for item, message in items for entry in _describe(item, message, facts)]


def _describe(
    item: WrittenRung, message: MessageSummary, facts: Mapping[Place, StepFacts]
) -> list[dict[str, Any]]:
    known = [facts.get(_place(rung), StepFacts()) for rung in item.ladder.rungs]
    return [
        {
            "message": message.id,
            "signer": item.ladder.person.external_id,
            "role": item.ladder.person.role,
            "channel": step.rung.channel,
            "to": step.rung.to,
            # without a goal, the message before is blocked
            "goal": step.goal or Goal.DELIVERED.value,
            "minutes": step.minutes,
            "text": plan_words.describe_follow_up(step),
        }
        for step in describe_follow_ups(item.ladder, item.rung, known)
    ]


def _rungs_to_check(items: Iterable[tuple[WrittenRung, MessageSummary]]) -> list[Rung]:
    """Return the rungs after first messages, and those of first messages that are blocked."""
    return [
        rung
        for item, message in items
        for rung in item.ladder.rungs[item.ladder.rungs.index(item.rung) :]
        if rung.can_act and (rung is not item.rung or message.status == Status.SUPPRESSED)
    ]


def _place(rung: Rung) -> Place:
    return (rung.candidate.connection.id if rung.candidate else "", rung.to)


def _read_facts(request: RequestRecord, rungs: Iterable[Rung]) -> dict[Place, StepFacts]:
    """Return what opt-outs and other lasting rules say about messages of rungs."""
    rungs_by_place = {_place(rung): rung for rung in rungs if rung.candidate is not None}
    recipients = _find_recipients(request, rungs_by_place.values())
    questions = {
        place: PolicyQuestion(recipients[rung.kind, rung.to], source_id=request.source_id)
        for place, rung in rungs_by_place.items()
    }
    connections = {
        rung.candidate.connection.id: rung.candidate.connection
        for rung in rungs_by_place.values()
        if rung.candidate is not None
    }
    facts: dict[Place, StepFacts] = {}
    for connection_id, connection in connections.items():
        asked = {place: item for place, item in questions.items() if place[0] == connection_id}
        try:
            policy = Policy(connection, [*asked.values()], planning=True)
        except UnreadableRow:  # the claim, which checks again, sets such a message aside
            continue
        facts |= {place: _decide(policy, question) for place, question in asked.items()}
    return facts


def _decide(policy: Policy, question: PolicyQuestion) -> StepFacts:
    code = policy.decide(question).code
    return StepFacts("" if code in TEMPORARY else code, is_refused=policy.has_refused(question))


def _find_recipients(
    request: RequestRecord, rungs: Iterable[Rung]
) -> dict[tuple[str, str], Recipient]:
    """Return the contact of each address. A new contact gets an ID that none has."""
    wanted = {(rung.kind, rung.to) for rung in rungs}
    known = find_contacts(wanted, test=request.test) if wanted else {}
    new = {key: Recipient(new_id("ctc"), key[1], address_key(*key)) for key in wanted - {*known}}
    return known | new
