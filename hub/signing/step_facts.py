"""Read what is known about the messages of steps: texts, rules, windows and prices. Reads only."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub import integrations
from hub.core.vocabulary import EventType
from hub.db.compiled_sql import UnreadableRow
from hub.db.types import new_id
from hub.integrations.base import Price
from hub.lib.text import segments
from hub.messaging.compose.opt_out_line import add_opt_out_line
from hub.messaging.compose.step_descriptions import StepFacts
from hub.messaging.contacts.contacts import find_contacts
from hub.messaging.policy.policy import Policy, PolicyDecision, PolicyQuestion
from hub.messaging.policy.session_windows import WINDOW_CLOSED
from hub.messaging.track.recorded_prices import RecordedPrices
from hub.models import ConnectionInfo, Recipient
from hub.shared.address_keys import address_key
from hub.signing import merged_notices
from hub.signing.message_texts import MessageText, MessageWriter, WrittenRung
from hub.signing.reported_consents import assume_consents

REPEATED = "repeated"


@dataclass(frozen=True)
class _Message:
    """A step that has a text, with its connection and the contact who would get it."""

    item: WrittenRung
    text: MessageText
    connection: ConnectionInfo
    question: PolicyQuestion

    @property
    def recipient(self) -> Recipient:
        return self.question.recipient


class FactsReader:
    """The facts of the steps of an event's ladders. Contacts and rules are read once for all."""

    def __init__(self, writer: MessageWriter, written: Iterable[WrittenRung]) -> None:
        self._writer = writer
        self._messages: dict[int, _Message] = {}
        self._prices: dict[str, RecordedPrices] = {}
        self._read_messages([item for item in written if item.text is not None])
        self._policies = {
            connection_id: _build_policy(messages[0].connection, messages)
            for connection_id, messages in self._by_connection().items()
        }

    def read(
        self, items: Sequence[WrittenRung], *, is_repeated: bool = False
    ) -> Iterator[StepFacts]:
        """Yield the facts of the steps of one ladder, in their order."""
        for item in items:
            message = self._messages.get(id(item))
            if message is None:
                yield StepFacts(item.reason or item.rung.reason)
            else:
                yield self._facts(message, is_repeated=is_repeated)

    def _read_messages(self, items: Sequence[WrittenRung]) -> None:
        """Find the contact of each step that has a text. A new contact gets an ID that none has."""
        request = self._writer.request
        wanted = {(item.rung.kind, item.rung.to) for item in items}
        known = find_contacts(wanted, test=request.test)
        known |= {
            key: Recipient(new_id("ctc"), key[1], address_key(*key)) for key in wanted - {*known}
        }
        asks_to_sign = self._writer.event.type.asks_to_sign
        for item in items:
            if item.text is None or item.rung.candidate is None:
                continue
            recipient = known[item.rung.kind, item.rung.to]
            zone = self._writer.signers[item.ladder.person.id].details.get("time_zone")
            connection = item.rung.candidate.connection
            question = PolicyQuestion(
                replace(recipient, time_zone=zone or recipient.time_zone),
                request.expires_at if asks_to_sign else None,
                source_id=request.source_id,
                assumed=assume_consents(request, recipient.address, connection),
            )
            self._messages[id(item)] = _Message(item, item.text, connection, question)

    def _by_connection(self) -> dict[str, list[_Message]]:
        found: dict[str, list[_Message]] = {}
        for message in self._messages.values():
            found.setdefault(message.connection.id, []).append(message)
        return found

    def _facts(self, message: _Message, *, is_repeated: bool) -> StepFacts:
        integration_class = integrations.get(message.connection.integration)
        rendered = message.text.rendered
        text = add_opt_out_line(
            rendered.text, message.connection, message.recipient, rendered.locale
        )
        policy = self._policies[message.connection.id] or _build_policy(
            message.connection, [message]
        )
        decision, cost = _decide(policy, message.question, text)
        has_window = bool(integration_class.session_window)
        allows_text = policy is None or policy.allows_free_text(message.recipient.id)
        template = message.text.template
        reason = message.item.reason or (REPEATED if is_repeated else decision.code)
        if not reason and has_window and not allows_text and template is None:
            reason = WINDOW_CLOSED
        count = max(segments(text), 1)
        recorded = self._recorded(message.connection).estimate(message.recipient.address, count)
        return StepFacts(
            reason,
            is_refused=policy is not None and policy.has_refused(message.question),
            not_before=self._waits_until(message),
            next_allowed=_quiet_hours(policy, message.question),
            is_waiting=not message.connection.enabled,
            subject=message.text.rendered.subject,
            text=text,
            is_template=template is not None
            and (integration_class.prefers_templates or not allows_text),
            has_open_window=has_window and allows_text,
            segments=count if integration_class.counts_segments else None,
            price=recorded or cost,
            price_is_recorded=recorded is not None,
        )

    def _recorded(self, connection: ConnectionInfo) -> RecordedPrices:
        """Return the prices that the provider reported, which are read once."""
        if connection.id not in self._prices:
            self._prices[connection.id] = RecordedPrices(connection)
        return self._prices[connection.id]

    def _waits_until(self, message: _Message) -> datetime | None:
        """Return until when a notice of the last signature waits for the completion, or None."""
        writer = self._writer
        if writer.event.type != EventType.SIGNED:
            return None
        person_id = message.item.ladder.person.id
        return merged_notices.waits_until(
            writer.event.type, writer.request, writer.actor, person_id
        )


def _build_policy(connection: ConnectionInfo, messages: Sequence[_Message]) -> Policy | None:
    """Return the rules of a connection for some messages, or None if a row is unreadable."""
    try:
        return Policy(connection, [message.question for message in messages], planning=True)
    except UnreadableRow:
        return None


def _decide(
    policy: Policy | None, question: PolicyQuestion, text: str
) -> tuple[PolicyDecision, Price | None]:
    """Return what the rules decide about a message now, and its price if the rules name one."""
    if policy is None:
        return PolicyDecision(), None
    decision = policy.decide(question)
    # a copy, because the other messages of the preview may never be sent
    code, cost = copy.copy(policy).spend(question, text)
    if code and not decision.code:
        decision = PolicyDecision(code)
    return decision, None if cost is None else Price(cost, policy.rules.currency)


def _quiet_hours(
    policy: Policy | None, question: PolicyQuestion
) -> Callable[[datetime], datetime | None]:
    """Return the function that moves the time of a message out of quiet hours."""

    def next_allowed(at: datetime) -> datetime | None:
        until = policy.next_allowed(question, at) if policy is not None else None
        # a message that would expire before is sent at once, or not at all
        ends_later = until and question.expires_at and until >= question.expires_at
        return None if ends_later else until

    return next_allowed
