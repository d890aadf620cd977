"""Webhooks of a signing app may come in any order and repeatedly: the result is the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import config_of
from tests.effort import examples
from tests.intake.source_steps import ANNA, ERIC, SigningAppSteps
from tests.integrations.http_recorder import record_requests

NUMBERS = itertools.count()
HISTORIES = [
    [("sent", ""), ("signed", "eric"), ("signed", "anna"), ("complete", "")],
    [("sent", ""), ("expired", "")],
    [("sent", ""), ("signed", "eric"), ("expired", "")],
    [("sent", ""), ("signed", "eric"), ("expired", ""), ("signed", "anna"), ("complete", "")],
    [("sent", ""), ("signed", "anna")],
    [("sent", "")],
]


@pytest.fixture
def pactsafe(hub_demo: Flask) -> Iterator[SigningAppSteps]:
    with record_requests(config_of(hub_demo).simulator_bind.port) as recorder:
        steps = SigningAppSteps(hub_demo, recorder)
        steps.answer_requests(ERIC, ANNA)
        yield steps


def receive_all(steps: SigningAppSteps, name: str, webhooks: list[dict[str, Any]]) -> Any:
    """Receive webhooks in this order; return the final state and the messages that are sent."""
    for webhook in webhooks:
        steps.post({**webhook, "request": name, "id": f"{name}-{webhook['id']}"})
        steps.process()
    return steps.request(name).state, steps.signers(name), steps.messages(name)


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_order_and_repetition_has_the_same_result(
    pactsafe: SigningAppSteps, data: st.DataObject
) -> None:
    history = data.draw(st.sampled_from(HISTORIES))
    webhooks = [
        {**pactsafe.webhook(kind, minute, signer=signer), "id": f"{kind}-{signer}"}
        for minute, (kind, signer) in enumerate(history)
    ]
    repeats = data.draw(st.lists(st.sampled_from(webhooks), max_size=4))
    shuffled = data.draw(st.permutations([*webhooks, *repeats]))
    expected = receive_all(pactsafe, f"ordered-{next(NUMBERS)}", webhooks)
    assert receive_all(pactsafe, f"shuffled-{next(NUMBERS)}", shuffled) == expected


def test_complete_before_sent_asks_nobody_to_sign(pactsafe: SigningAppSteps) -> None:
    pactsafe.receive("complete", 9)
    pactsafe.receive("sent", 1)
    assert pactsafe.request().state == "completed"
    assert {kind for kind, _, _ in pactsafe.messages()} == {"completed"}
