"""Describe the steps of a ladder: which act, when, why others do not, and what a message costs.

Accepting an event, the step after a message, previews and the Routing page all use it. It is a pure
function: what it has to know about each step is read before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.core.vocabulary import PHONE_CHANNELS, Channel
from hub.integrations.base import Price
from hub.messaging.compose.plan import PlannedLadder, Route, Rung

OPTED_OUT = "opted_out"


@dataclass(frozen=True)
class StepFacts:
    """Facts that were read about the message of a step. By default, nothing forbids it."""

    reason: str = ""  # why it is skipped, or ''
    is_refused: bool = False  # the person has opted out of the channel
    not_before: datetime | None = None  # it waits, because another message may replace it
    # takes the time at which it is due, and returns when its rules let it be sent, None: then
    next_allowed: Callable[[datetime], datetime | None] = lambda at: None
    is_waiting: bool = False  # its connection does not send now
    subject: str | None = None
    text: str | None = None
    is_template: bool = False  # an approved template is sent instead of the text
    has_open_window: bool = False  # the channel has windows for free text, and this one is open
    segments: int | None = None  # None: the channel does not count them
    price: Price | None = None  # None: neither recent messages nor the connection have prices
    price_is_recorded: bool = False  # the median of recent messages, not a rate of the connection


@dataclass(frozen=True)
class DescribedStep:
    """A step of a ladder as it would act, or the reason why it is skipped."""

    rung: Rung
    facts: StepFacts
    reason: str = ""  # '' if it acts
    at: datetime | None = None  # None: after a failure only, or when its connection sends again
    # what the message before must achieve, and the minutes that it has; '': no message comes before
    goal: str = ""
    minutes: int | None = None  # None: only a failure lets the step follow

    @property
    def acts(self) -> bool:
        return not self.reason


def describe_steps(
    ladder: PlannedLadder,
    facts: Iterable[StepFacts],
    *,
    starts_at: datetime | None = None,
    refused: Collection[str] = (),
) -> Iterator[DescribedStep]:
    """Yield the steps of a ladder in their order, each at the time at which it would act.

    `facts`: those of each rung. `starts_at`: the time of the first step. `refused`: the channels
    of earlier messages that the person has opted out of.
    """
    refused = {*refused}
    at = starts_at
    before: Rung | None = None
    for rung, known in zip(ladder.rungs, facts, strict=True):
        reason = rung.reason or known.reason or reason_after_refusal(ladder.route, rung, refused)
        if known.is_refused:
            refused.add(rung.channel)
        if reason:
            yield DescribedStep(rung, known, reason)
            continue
        goal, minutes = (ladder.condition_after(before) if before else None) or ("", None)
        if goal:
            at = at + timedelta(minutes=minutes) if at and minutes is not None else None
        if at is not None:
            at = max(at, known.not_before or at)
            at = known.next_allowed(at) or at
        yield DescribedStep(rung, known, "", None if known.is_waiting else at, goal, minutes)
        before = rung


def describe_follow_ups(
    ladder: PlannedLadder, first: Rung, known: Sequence[StepFacts]
) -> list[DescribedStep]:
    """Return the steps that may follow the message of a rung.

    `known`: what is known about each rung of the ladder. If the message of the first rung is
    blocked, its reason says why, and the next step follows at once. Texts are not known yet: they
    are read when the steps act.
    """
    position = ladder.rungs.index(first)
    # the rungs before had no text
    facts = [StepFacts("skipped") if index < position else item for index, item in enumerate(known)]
    described = list(describe_steps(ladder, facts))
    return [step for step in described[position + 1 :] if step.acts]


def reason_after_refusal(route: Route, rung: Rung, refused: Collection[str]) -> str:
    """Return OPTED_OUT if a step would evade an opt-out of channels, otherwise ''."""
    if not refused or rung.channel == Channel.EMAIL:
        return ""
    evades = not route.continue_after_opt_out or (
        # an opt-out of texts covers calls, and one of emails never leads to a phone
        (Channel.EMAIL in refused and rung.channel in PHONE_CHANNELS)
        or (Channel.SMS in refused and rung.channel == Channel.VOICE)
    )
    return OPTED_OUT if evades else ""
