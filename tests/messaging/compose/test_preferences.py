"""A preference takes no message from steps that are always sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import Audience, Goal
from tests.messaging.compose.plan_factories import CHAT, DESK, make_person, make_route
from tests.messaging.compose.test_ladders import (
    BY_WHATSAPP,
    EVERYTHING,
    OTHERWISE,
    REACHABLE,
    THEN_SMS,
    VOICE,
    order,
    plan,
    step,
)


@given(
    channels=st.lists(
        st.sampled_from(["sms", "whatsapp", "email", "voice"]), min_size=1, max_size=4, unique=True
    ),
    fallback=st.none() | st.sampled_from(["sms", "whatsapp", "email", "voice"]),
    preference=st.lists(
        st.sampled_from(["sms", "whatsapp", "email", "voice", "birds", "chat", "desks"]),
        unique=True,
    ),
    is_linked=st.booleans(),
)
def test_preference_takes_no_message_from_steps_that_are_always_sent(
    channels: list[str], fallback: str | None, preference: list[str], is_linked: bool
) -> None:
    steps = [step(position, channel) for position, channel in enumerate(channels, 1)]
    if fallback is not None and len(steps) > 1:
        follows = step(9, fallback, connective=OTHERWISE, goal=Goal.DELIVERED.value)
        steps = [*steps[:-1], follows, steps[-1]]
    chats = {"con_chat": "77"} if is_linked else {}
    person = make_person(addresses=REACHABLE, preference=preference, chats=chats)
    ladders = plan(make_route(Audience.SIGNER, *steps), person, [*EVERYTHING, VOICE, CHAT, DESK])
    senders = {
        ladder.message(ladder.possible_rungs[0]).candidate.connection.id for ladder in ladders
    }
    assert len(senders) == len(channels)


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        (["email"], [["whatsapp", "sms"], ["email"]]),
        (["sms", "email"], [["sms", "whatsapp"], ["email"]]),
        (["voice"], [["voice", "whatsapp", "sms"], ["email"]]),
    ],
)
def test_preferred_channel_of_another_step_is_not_added(
    preference: list[str], expected: list[list[str]]
) -> None:
    route = make_route(Audience.SIGNER, BY_WHATSAPP, THEN_SMS, step(3, "email"))
    person = make_person(addresses=REACHABLE, preference=preference)
    ladders = plan(route, person, [*EVERYTHING, VOICE])
    assert [order(ladder) for ladder in ladders] == expected
