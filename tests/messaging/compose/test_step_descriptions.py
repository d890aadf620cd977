"""One pure function describes the steps of a ladder, for previews, answers and the next step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from hub.core.vocabulary import Audience, Channel, Connective, EventType, Goal
from hub.messaging.compose.plan import PlannedEvent, PlannedLadder, Step, plan_ladders
from hub.messaging.compose.step_descriptions import (
    DescribedStep,
    StepFacts,
    describe_follow_ups,
    describe_steps,
)
from tests.messaging.compose.plan_factories import (
    EMAIL,
    MAIL,
    PHONE,
    SMS,
    WHATSAPP,
    make_person,
    make_route,
)

AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
CANDIDATES = [SMS, WHATSAPP, EMAIL]


def next_morning(at: datetime) -> datetime | None:
    """Return the end of quiet hours between midnight and 8 o'clock, None outside of them."""
    return at.replace(hour=8, minute=0, second=0) if at.hour < 8 else None


steps = st.lists(
    st.tuples(
        st.sampled_from(["sms", "whatsapp", "email", "voice"]),
        st.sampled_from([goal.value for goal in Goal]),
        st.none() | st.integers(1, 60 * 24 * 30),
    ),
    min_size=1,
    max_size=10,
)
facts = st.lists(
    st.builds(
        StepFacts,
        st.sampled_from(["", "", "", "consent_no", "too_long"]),
        is_refused=st.booleans(),
        not_before=st.none() | st.integers(-600, 6000).map(lambda count: AT + timedelta(0, count)),
        next_allowed=st.sampled_from([lambda at: None, lambda at: next_morning(at)]),
        is_waiting=st.booleans(),
    ),
    min_size=10,
    max_size=10,
)


def make_ladder(
    entered: list[tuple[str, str, int | None]], *, continues: bool, reports: bool = True
) -> PlannedLadder:
    """Return the ladder of a route for a person with a phone and an email address."""
    planned = [
        Step(
            f"stp_{position}",
            channel,
            "t",
            position=position,
            connective=(Connective.OTHERWISE if position > 1 else Connective.ALSO).value,
            goal=goal,
            wait_minutes=minutes,
        )
        for position, (channel, goal, minutes) in enumerate(entered, 1)
    ]
    route = replace(make_route(Audience.SIGNER, *planned), continue_after_opt_out=continues)
    person = make_person(addresses={**PHONE, **MAIL})
    candidates = [replace(candidate, reports=reports) for candidate in CANDIDATES]
    [ladder] = plan_ladders(route, person, candidates, PlannedEvent(EventType.SENT))
    return ladder


def condition(step: DescribedStep) -> tuple[str, str, int | None]:
    return step.rung.step.id, step.goal, step.minutes


@given(steps, facts, st.booleans())
def test_each_step_acts_in_order_or_has_a_reason(
    entered: list[tuple[str, str, int | None]], known: list[StepFacts], continues: bool
) -> None:
    ladder = make_ladder(entered, continues=continues)
    described = list(describe_steps(ladder, known[: len(ladder.rungs)], starts_at=AT))
    assert [step.rung for step in described] == list(ladder.rungs)
    acting = [step for step in described if step.acts]
    times = [step.at for step in acting if step.at is not None]
    assert times == sorted(times)
    assert all(at >= AT for at in times)
    for index, step in enumerate(acting):
        assert bool(step.goal) == bool(index), "each step but the first has a condition"
        if step.at:
            assert step.at >= (step.facts.not_before or AT)
            assert step.facts.next_allowed(step.at) is None, "it is sent in quiet hours"
        assert step.at is None or not step.facts.is_waiting
    after_failure = next((i for i, step in enumerate(acting) if i and step.minutes is None), None)
    if after_failure is not None:
        assert all(step.at is None for step in acting[after_failure:])


@given(steps, facts)
def test_no_phone_follows_an_opt_out(
    entered: list[tuple[str, str, int | None]], known: list[StepFacts]
) -> None:
    ladder = make_ladder(entered, continues=False)
    refused = False
    for step in describe_steps(ladder, known[: len(ladder.rungs)], starts_at=AT):
        assert not (refused and step.acts and step.rung.channel != Channel.EMAIL)
        refused = refused or step.facts.is_refused


@given(steps)
def test_steps_that_may_follow_are_those_of_the_preview(
    entered: list[tuple[str, str, int | None]],
) -> None:
    ladder = make_ladder(entered, continues=False)
    shown = describe_steps(ladder, [StepFacts()] * len(ladder.rungs))
    first, *others = [step for step in shown if step.acts] or [None]
    assume(first is not None)
    assert first is not None
    follow_ups = describe_follow_ups(ladder, first.rung, [StepFacts()] * len(ladder.rungs))
    assert [condition(step) for step in follow_ups] == [
        condition(step) for step in others if step is not None
    ]


@given(steps, facts, st.booleans())
def test_steps_that_may_follow_are_those_of_the_preview_also_after_opt_outs(
    entered: list[tuple[str, str, int | None]], known: list[StepFacts], continues: bool
) -> None:
    """The first rung's message is stored even if it is blocked, so the others follow it."""
    ladder = make_ladder(entered, continues=continues)
    known = [
        item if rung.can_act else StepFacts()
        for rung, item in zip(ladder.rungs, known, strict=False)
    ]
    shown = [*describe_steps(ladder, known)]
    stored = next((step for step in shown if step.rung.can_act), None)
    assume(stored is not None)
    assert stored is not None
    follow_ups = describe_follow_ups(ladder, stored.rung, known)
    later = shown[shown.index(stored) + 1 :]
    assert [condition(step) for step in follow_ups] == [
        condition(step) for step in later if step.acts
    ]


@given(steps)
def test_time_of_a_provider_without_reports_counts_only_until_the_document_is_opened(
    entered: list[tuple[str, str, int | None]],
) -> None:
    ladder = make_ladder(entered, continues=False, reports=False)
    for step in describe_steps(ladder, [StepFacts()] * len(ladder.rungs)):
        assert step.minutes is None or step.goal == Goal.OPENED
    for rung in ladder.possible_rungs:
        message = ladder.message(rung)
        assert message.fallback_minutes is None or message.fallback_goal == Goal.OPENED
