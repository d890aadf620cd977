"""Show what an event would do now: who is notified, over which channels, when, and why not.

It reads only. Planning, texts and rules are those of accepting an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.core.vocabulary import EventType
from hub.db.types import now
from hub.lib.times import format_time
from hub.messaging.compose import plan, plan_words
from hub.messaging.compose.step_descriptions import DescribedStep, StepFacts, describe_steps
from hub.messaging.track.error_codes import CODES
from hub.signing import (
    accept,
    late_notices,
    people,
    planning,
    reported_consents,
    requests,
    signing_batch,
)
from hub.signing.events import EventIn
from hub.signing.message_texts import EventRecord, MessageWriter
from hub.signing.signing_batch import RequestRecord, SignerRecord
from hub.signing.step_facts import FactsReader

BLOCKED = "A rule of the connection, or an opt-out, blocks the message."


@dataclass(frozen=True)
class PreviewedLadder:
    """The steps of a route for one person, as they would act."""

    ladder: plan.PlannedLadder
    steps: Sequence[DescribedStep]


@dataclass(frozen=True)
class PreviewedEvent:
    """The ladders and the posts to a team that an event would cause."""

    event_type: EventType
    ladders: Sequence[PreviewedLadder]
    posts: Sequence[plan.PlannedPost]


def preview_event(posted: EventIn, source_id: str, *, test: bool) -> dict[str, Any]:
    """Return what an event would do if it was posted now. Raises Refused as accepting it does."""
    request = signing_batch.read_request_of_source(
        source_id, posted.request.id, test=test
    ) or signing_batch.new_request(source_id, posted.request.id, posted.occurred_at, test=test)
    previews = [preview.show() for preview in _apply(posted, request)]
    return {
        "people": [
            _person_json(previewed.event_type, item)
            for previewed in previews
            for item in previewed.ladders
        ],
        "posts": [
            {"channel": post.connection.channel, "to": post.connection.destination}
            for post in previews[0].posts
        ],
    }


def preview_route(
    posted: EventIn, request: RequestRecord, route: plan.Route, person_id: str
) -> Sequence[PreviewedLadder]:
    """Return the steps of a route for one person if an event of a request was posted now.

    `route` takes the place of the route in force for its audience. Messages that were sent before
    are planned again. `request` is changed in memory. Raises Refused.
    """
    preview, *_ = _apply(posted, request)
    previewed = preview.show(replacing=route)
    return [
        item
        for item in previewed.ladders
        if item.ladder.person.id == person_id and item.ladder.route is route
    ]


def _apply(posted: EventIn, request: RequestRecord) -> list[_Preview]:
    """Apply an event to a request in memory; return it, and the invitations that it causes."""
    applied = requests.update_request(posted, request)
    request.assumed_consents = tuple(reported_consents.read_consents(posted, request))
    people.list_sender(request)
    event = EventRecord(
        "",
        posted.id or "",
        posted.type,
        posted.occurred_at,
        posted.model_dump(exclude_unset=True, mode="json"),
        outdated=requests.is_outdated(request, posted.type, posted.occurred_at),
        overtaken=late_notices.is_overtaken(request, posted.type, posted.occurred_at),
    )
    only = [applied.actor] if applied.actor and posted.type == EventType.REMINDER else None
    starts_at = applied.send_at or now()
    previews = [_Preview(event, request, applied.actor, only, starts_at)]
    later = [signer for signer in applied.invited if posted.type != EventType.SENT]
    if later:  # their turn comes by this event
        invitation = EventRecord("", "", EventType.SENT, posted.occurred_at, {})
        previews.append(_Preview(invitation, request, None, later, now()))
    return previews


@dataclass(frozen=True)
class _Preview:
    """An event that is not stored, and the people whom it may notify."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None
    only: Sequence[SignerRecord] | None
    starts_at: datetime

    def show(self, *, replacing: plan.Route | None = None) -> PreviewedEvent:
        """Return the steps of each person in the order in which they act, and posts to a team.

        With a route, it is used instead of the one in force, and nothing counts as sent before.
        """
        connections = planning.usable_connections(test=self.request.test)
        listed = self.request.people if self.only is None else self.only
        signers = {person.id: person for person in listed if person.removed_at is None}
        routes = accept.routes_of(self.event, self.request)
        if replacing is not None:
            others = [route for route in routes if route.audience != replacing.audience]
            routes = [*others, replacing]
        planned = accept.plan_event(
            self.event, self.request, self.actor, signers, connections, routes=routes
        )
        stored = {} if replacing else self._find_stored(planned, signers)
        writer = MessageWriter(
            self.event, self.request, self.actor, signers, connections, is_preview=True
        )
        written = {key: [*writer.write_rungs(item)] for key, item in planned.ladders.items()}
        reader = FactsReader(writer, [item for items in written.values() for item in items])
        ladders = []
        for key, ladder in planned.ladders.items():
            facts = reader.read(written[key], is_repeated=key in stored)
            steps = describe_steps(ladder, facts, starts_at=self.starts_at)
            ladders.append(PreviewedLadder(ladder, list(steps)))
        posts = [post for key, post in planned.posts.items() if key not in stored]
        return PreviewedEvent(self.event.type, ladders, posts)

    def _find_stored(
        self, planned: accept.EventPlan, signers: Mapping[str, SignerRecord]
    ) -> set[bytes]:
        """Return the keys of the ladders and posts of which a message is stored already."""
        possible = {key: item for key, item in planned.ladders.items() if item.possible_rungs}
        stored = accept.find_stored(self.event, self.request, self.actor, possible, planned.posts)
        repeated = accept.find_repeated(self.event, self.request, possible, stored, signers)
        return {*stored, *repeated}


def describe_reason(step: DescribedStep) -> str:
    """Return why a step is skipped, as a sentence."""
    problem = CODES.get(step.reason)
    return plan.REASONS.get(step.reason) or (problem.text if problem else BLOCKED)


# ── The response of the API ───────────────────────────────────────────────────────────────────────
def _person_json(event_type: EventType, item: PreviewedLadder) -> dict[str, Any]:
    person = item.ladder.person
    return {
        "signer": person.external_id,
        "role": person.role,
        "event": event_type.value,
        "audience": item.ladder.route.audience,
        "steps": [_step_json(step) for step in item.steps],
    }


def _step_json(step: DescribedStep) -> dict[str, Any]:
    facts = step.facts
    shown: dict[str, Any] = dict.fromkeys(_SHOWN_IF_ACTING) | {"template": False}
    if step.acts:
        shown = {
            "at": format_time(step.at) if step.at else None,
            "goal": step.goal or None,
            "minutes": step.minutes,
            "subject": facts.subject,
            "text": facts.text,
            "template": facts.is_template,
            "segments": facts.segments,
            "price": _price_json(facts),
        }
    return {
        "channel": step.rung.channel,
        "to": step.rung.to or None,
        "reason": step.reason or None,
        **shown,
        "summary": plan_words.describe_step(step) if step.acts else describe_reason(step),
    }


def _price_json(facts: StepFacts) -> dict[str, str] | None:
    if facts.price is None:
        return None
    basis = "recorded" if facts.price_is_recorded else "rules"
    return {"amount": str(facts.price.amount), "currency": facts.price.currency, "basis": basis}


_SHOWN_IF_ACTING = ("at", "goal", "minutes", "subject", "text", "segments", "price")
