"""Show what an event would do now: who is notified, over which channels, when, and why not.

It reads only. Planning, texts and rules are those of accepting an event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub import integrations
from hub.core.vocabulary import Channel, EventType
from hub.db.compiled_sql import UnreadableRow
from hub.db.types import now
from hub.lib.text import segments
from hub.lib.times import format_time
from hub.messaging.compose import plan, plan_words
from hub.messaging.contacts.contacts import find_contacts
from hub.messaging.policy.policy import QUIET, Policy, PolicyDecision, PolicyQuestion, get_rules
from hub.models import ConnectionInfo
from hub.signing import accept, next_step, people, planning, requests, signing_batch
from hub.signing.events import EventIn
from hub.signing.message_texts import EventRecord, MessageText, MessageWriter, WrittenRung
from hub.signing.signing_batch import RequestRecord, SignerRecord

REPEATED = "repeated"
# rules that forbid a message although the person has not opted out
LIMITS = (
    "country_not_allowed",
    "cap_hour",
    "cap_day",
    "consent_missing",
    "consent_old",
    QUIET,
)
BLOCKED = "A rule of the connection, or an opt-out, blocks the message."


def preview_event(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Return what an event would do if it was posted now. Raises Refused as accepting it does."""
    request = signing_batch.read_request_of_source(
        source_id, posted.request.id, test=test
    ) or signing_batch.new_request(source_id, posted.request.id, posted.occurred_at, test=test)
    applied = requests.update_request(posted, request)
    people.list_sender(request)
    payload = posted.model_dump(exclude_unset=True, mode="json")
    event = EventRecord(
        "",
        posted.id or "",
        posted.type,
        posted.occurred_at,
        payload,
        outdated=applied.is_outdated(posted.type),
    )
    only = [applied.actor] if applied.actor and posted.type == EventType.REMINDER else None
    starts_at = applied.send_at or now()
    previews = [_Preview(event, request, applied.actor, only, starts_at)]
    later = [signer for signer in applied.invited if posted.type != EventType.SENT]
    if later:  # their turn comes by this event
        invitation = EventRecord("", "", EventType.SENT, posted.occurred_at, {})
        previews.append(_Preview(invitation, request, None, later, now()))
    shown = [preview.show() for preview in previews]
    return {
        "people": [person for item in shown for person in item["people"]],
        "posts": shown[0]["posts"],
    }


@dataclass(frozen=True)
class _Preview:
    """An event that is not stored, and the people whom it may notify."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None
    only: Sequence[SignerRecord] | None
    starts_at: datetime

    def show(self) -> dict[str, Any]:
        """Return the steps of each person in the order in which they act, and posts to a team."""
        connections = planning.usable_connections(test=self.request.test)
        listed = self.request.people if self.only is None else self.only
        signers = {person.id: person for person in listed if person.removed_at is None}
        planned = accept.plan_event(self.event, self.request, self.actor, signers, connections)
        possible = {key: item for key, item in planned.ladders.items() if item.possible_rungs}
        stored = accept.find_stored(self.event, self.request, self.actor, possible, planned.posts)
        repeated = {
            *stored,
            *accept.repeated_invitations(self.event, self.request, possible, stored, signers),
        }
        writer = MessageWriter(
            self.event, self.request, self.actor, signers, connections, with_invitations=False
        )
        return {
            "people": [
                {
                    "signer": ladder.person.external_id,
                    "role": ladder.person.role,
                    "event": self.event.type.value,
                    "audience": ladder.route.audience,
                    "steps": list(self._steps(ladder, writer, is_repeated=key in repeated)),
                }
                for key, ladder in planned.ladders.items()
            ],
            "posts": [
                {"channel": post.connection.channel, "to": post.connection.destination}
                for key, post in planned.posts.items()
                if key not in stored
            ],
        }

    def _steps(
        self, ladder: plan.PlannedLadder, writer: MessageWriter, *, is_repeated: bool
    ) -> Iterator[dict[str, Any]]:
        """Yield the steps of a ladder, each with its time or with the reason to skip it."""
        written = list(writer.write_rungs(ladder))
        at: datetime | None = self.starts_at
        before: plan.Rung | None = None
        refused = ""  # the channel that the person has opted out of
        for item in written:
            decision = self._decide(item)
            reason = item.reason or (REPEATED if is_repeated else decision.code)
            reason = reason or next_step.reason_after_refusal(ladder.route, item.rung, refused)
            if decision.code and decision.code not in LIMITS and item.rung.channel != Channel.EMAIL:
                refused = item.rung.channel
            if reason or item.text is None:
                yield _skipped_step(item, reason)
                continue
            condition = ladder.condition_after(before) if before else None
            if condition is not None:
                minutes = condition[1]
                at = at + timedelta(minutes=minutes) if at and minutes is not None else None
            if at and decision.until and decision.until > at:
                at = decision.until
            yield _acting_step(item.rung, item.text, at, condition)
            before = item.rung

    def _decide(self, item: WrittenRung) -> PolicyDecision:
        """Return what the rules of a connection decide about a message now."""
        rung = item.rung
        if rung.candidate is None or item.text is None:
            return PolicyDecision()
        known = find_contacts({(rung.kind, rung.to)}, test=self.request.test)
        recipient = known.get((rung.kind, rung.to))
        if recipient is None:
            return PolicyDecision()
        question = PolicyQuestion(
            recipient, self.request.expires_at, source_id=self.request.source_id
        )
        try:
            return Policy(rung.candidate.connection, [question], planning=True).decide(question)
        except UnreadableRow:
            return PolicyDecision()


def _skipped_step(item: WrittenRung, reason: str) -> dict[str, Any]:
    words = plan.REASONS.get(reason, BLOCKED)
    return _step(item.rung, reason=reason, summary=words)


def _acting_step(
    rung: plan.Rung,
    text: MessageText,
    at: datetime | None,
    condition: tuple[str, int | None] | None,
) -> dict[str, Any]:
    connection = rung.candidate.connection if rung.candidate else None
    count = _segments(connection, text)
    price = _price(connection, rung.to, count)
    parts = [
        f"{plan_words.channel_title(rung.channel)} to {rung.to}",
        *([f"{count} segment{'' if count == 1 else 's'}"] if count else []),
        *([f"{price['amount']} {price['currency']}"] if price else []),
        *([plan_words.describe_condition(*condition)] if condition else []),
    ]
    return _step(
        rung,
        at=format_time(at) if at else None,
        goal=condition[0] if condition else None,
        minutes=condition[1] if condition else None,
        subject=text.rendered.subject,
        text=text.rendered.text,
        template=text.template is not None,
        segments=count,
        price=price,
        summary=", ".join(parts),
    )


def _step(rung: plan.Rung, **values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("at", "goal", "minutes", "reason", "subject", "text", "segments", "price")
    )
    return {
        "channel": rung.channel,
        "to": rung.to or None,
        **empty,
        "template": False,
        **values,
    }


def _segments(connection: ConnectionInfo | None, text: MessageText) -> int | None:
    """Return the number of SMS segments, or None for a channel that does not count them."""
    if connection is None or not integrations.get(connection.integration).counts_segments:
        return None
    return max(segments(text.rendered.text), 1)


def _price(connection: ConnectionInfo | None, to: str, count: int | None) -> dict[str, str] | None:
    """Return the price at the rates of the connection, or None if it has none."""
    rules = get_rules(connection) if connection else None
    if rules is None or not rules.has_prices:
        return None
    return {"amount": str(rules.cost(to, count or 1)), "currency": rules.currency}
