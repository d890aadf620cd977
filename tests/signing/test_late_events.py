"""The notices that were not sent yet are the same in any order of a request's events."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import EventType
from hub.db.engine import db
from hub.db.types import now
from hub.lib.shutdown import ShutdownSignal
from hub.models import Event, Message, Signer, SigningRequest
from hub.signing import accept, plan_scheduled
from hub.signing.events import EventIn
from tests.effort import examples
from tests.hub_fixtures import ANNA, ERIC, deliver, source_id
from tests.signing.people_steps import LEGAL, SENDER, add_route, at, post, statuses
from tests.signing.test_scheduled_events import make_due

NUMBERS = count()
RAVI = "+919876543210"
PEOPLE = {"eric": ERIC, "anna": ANNA, "ravi": RAVI}
SIGNERS = [{"id": name, "mobile_number": number} for name, number in PEOPLE.items()]
Step = tuple[str, str]  # the kind, and the signer whom it is about
Notices = tuple[str, dict[str, str], Counter[tuple[str, str, str]]]


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Notify every audience of everything over the demo's SMS connection."""
    for kind in ("viewed", "signed", "declined", "completed", "expired", "canceled"):
        for audience in ("signer", "others", "sender", "observers"):
            add_route(kind, audience)


def event_of(request: str, minute: int, step: Step) -> dict[str, Any]:
    kind, signer = step
    sender = {"name": "Acme HR", "mobile_number": SENDER}
    return {
        "type": f"request.{kind}",
        "id": f"{request}-{minute}",
        "occurred_at": (now() - timedelta(hours=1) + timedelta(minutes=minute)).isoformat(),
        "request": {"id": request, "sender": sender},
        "signers": SIGNERS,
        "observers": [{"id": "legal", "mobile_number": LEGAL}],
        **({"signer": signer} if signer else {}),
    }


def accept_all(history: list[tuple[int, Step]]) -> Notices:
    """Accept events of a new request in this order; return its state and its notices."""
    name = f"agr-{next(NUMBERS)}"
    for minute, step in history:
        posted = EventIn.model_validate(event_of(name, minute, step))
        accept.accept_event(posted, source_id(), test=True)
    db.session.rollback()
    request = db.session.scalars(
        select(SigningRequest).where(SigningRequest.external_id == name)
    ).one()
    return request.state, {row.external_id: row.state for row in request.signers}, kept(request.id)


def kept(request_id: str) -> Counter[tuple[str, str, str]]:
    """Return the notices that are not canceled: to whom, of which event, and about whom."""
    rows = db.session.execute(
        select(Signer.external_id, Event)
        .join(Message, Message.signer_id == Signer.id)
        .join(Event, Event.id == Message.event_id)
        .where(Message.request_id == request_id, Message.status != "canceled")
    )
    return Counter(
        (person, event.type.removeprefix("request."), (event.payload or {}).get("signer", ""))
        for person, event in rows
    )


def check_sense(notices: Notices) -> None:
    """Check that nobody gets notices that contradict each other."""
    state, signers, messages = notices
    ends = {kind for _, kind, _ in messages} & {"completed", "expired", "canceled", "declined"}
    assert ends <= {state}, messages
    for (person, kind, _), times in messages.items():
        assert times == 1, messages
        if EventType(f"request.{kind}").asks_to_sign:
            assert state == "open"
            assert signers[person] in ("pending", "viewed")


acts = st.tuples(st.sampled_from(["viewed", "signed", "declined"]), st.sampled_from([*PEOPLE]))
ends = st.sampled_from(["completed", "expired", "canceled"]).map(lambda kind: (kind, ""))


def ends_once(history: list[Step]) -> bool:
    """Return whether nothing ends or sends out a request that was completed."""
    kinds = [kind for kind, _ in history]
    after = kinds[kinds.index("completed") + 1 :] if "completed" in kinds else []
    return not {"completed", "expired", "canceled", "declined", "sent"} & {*after}


def is_resent_after_withdrawn_signature(history: list[Step]) -> bool:
    """Return whether someone signed, declined later, and was asked again after that."""
    return any(
        kind == "declined"
        and ("signed", signer) in history[:number]
        and ("sent", "") in history[number:]
        for number, (kind, signer) in enumerate(history)
    )


# the notice of an act is not repeated, so each act happens once
histories = (
    st.lists(
        acts | acts | ends | st.just(("sent", "")),
        max_size=5,
        unique_by=lambda step: step if step[1] else object(),
    )
    .filter(ends_once)
    .filter(lambda history: not is_resent_after_withdrawn_signature(history))
)


@settings(
    max_examples=examples(80),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories, data=st.data())
def test_any_order_leaves_the_same_state_and_notices(
    history: list[Step], data: st.DataObject
) -> None:
    in_order = list(enumerate([("sent", ""), *history]))
    shuffled = data.draw(st.permutations(in_order))
    expected = accept_all(in_order)
    check_sense(expected)
    assert accept_all(list(shuffled)) == expected


@pytest.mark.xfail(strict=True, reason="the signer is shown as pending, and is not asked again")
def test_withdrawn_signature_that_is_reported_after_the_request_was_sent_again() -> None:
    in_order = [
        (0, ("sent", "")),
        (1, ("signed", "eric")),
        (2, ("declined", "eric")),
        (3, ("sent", "")),
    ]
    expected = accept_all(in_order)
    assert accept_all([in_order[index] for index in (0, 1, 3, 2)]) == expected


# ── Notices that were sent already, or wait ───────────────────────────────────────────────────────
def test_waiting_notice_of_the_expiry_is_withdrawn_from_who_signed_before() -> None:
    post(signers=SIGNERS, occurred_at=at(-9))
    post("expired", occurred_at=at(-5))
    asked_to = statuses("eric", "expired")
    answer = post("signed", signer="eric", occurred_at=at(-6))
    assert asked_to == [("queued", ERIC)]
    assert [status for status, _ in statuses("eric", "expired")] == ["canceled", "queued"]
    assert statuses("eric", "signed") == []
    assert {item["reason"] for item in answer["skipped"]} == {"outdated"}
    assert [(item["signer"], item["status"]) for item in answer["messages"]] == [("eric", "queued")]


def test_nobody_gets_a_second_notice_of_an_end_that_was_sent(simulator: Flask) -> None:
    del simulator  # it accepts what is delivered
    post(signers=SIGNERS, occurred_at=at(-9))
    post("expired", occurred_at=at(-5))
    deliver()
    sent = statuses("eric", "expired")
    assert [status for status, _ in sent] == ["accepted"]
    answer = post("signed", signer="eric", occurred_at=at(-6))
    assert answer["messages"] == []
    assert statuses("eric", "expired") == sent


@pytest.mark.parametrize("first", ["expired", "declined", "canceled"])
def test_waiting_notices_of_a_former_end_are_withdrawn_when_the_request_is_completed(
    first: str,
) -> None:
    post(signers=SIGNERS, occurred_at=at(-9))
    post("viewed", signer="eric", occurred_at=at(-8))
    post(first, occurred_at=at(-7), **({"signer": "anna"} if first == "declined" else {}))
    post("completed", occurred_at=at(-6))
    for person in PEOPLE:
        assert {status for status, _ in statuses(person, first)} <= {"canceled"}
        assert [status for status, _ in statuses(person, "completed")] == ["queued"]


def test_notice_that_was_withdrawn_is_planned_again_when_it_is_right_again() -> None:
    post(signers=SIGNERS, occurred_at=at(-9))
    post("viewed", signer="eric", occurred_at=at(-8))
    for minutes, kind in ((-7, "canceled"), (-6, "expired"), (-5, "canceled")):
        post(kind, id=f"e{minutes}", occurred_at=at(minutes))
    assert [status for status, _ in statuses("eric", "canceled")] == ["canceled", "queued"]
    assert [status for status, _ in statuses("eric", "expired")] == ["canceled"]


def test_cancellation_is_reported_to_those_who_know_the_request(simulator: Flask) -> None:
    del simulator  # it accepts what is delivered
    people = [{**signer, "order": order} for order, signer in enumerate(SIGNERS, 1)]
    post(signers=people, occurred_at=at(-9))
    deliver()
    post("signed", signer="eric", occurred_at=at(-8))
    post("canceled", occurred_at=at(-7))
    assert statuses("anna", "sent") == [("canceled", ANNA)], "her invitation was not sent yet"
    assert [status for status, _ in statuses("eric", "canceled")] == ["queued"]
    for person in ("anna", "ravi"):
        assert statuses(person, "canceled") == []


def test_scheduled_notice_of_an_end_is_left_out_after_the_completion() -> None:
    post(signers=SIGNERS, occurred_at=at(-9))
    answer = post("expired", occurred_at=at(-5), send_at=at(5))
    post("completed", occurred_at=at(-4))
    make_due(answer["event"]["id"])  # PostgreSQL has its own clock
    assert plan_scheduled.plan_due(ShutdownSignal(10)) == 1
    assert statuses("eric", "expired") == []
