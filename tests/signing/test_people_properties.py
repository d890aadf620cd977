"""Events in any order, and repeated: nobody is notified twice, or asked after signing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import EventType, Status
from hub.db.engine import db
from hub.models import Event, Message, Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.effort import examples
from tests.hub_fixtures import ANNA, ERIC, source_id
from tests.signing.people_steps import LEGAL, add_route

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
NUMBERS = count()
PEOPLE = {"eric": ERIC, "anna": ANNA, "ravi": "+919876543210"}
Step = tuple[str, str, dict[str, int], list[str]]  # type, actor, orders of signers, removed


@pytest.fixture(autouse=True)
def demo(hub_demo: Flask, connection: object) -> None:
    """Use the demo's SMS connection, and notify observers and other signers too."""
    for kind in ("signed", "declined", "completed"):
        add_route(kind, "observers")
    add_route("signed", "others")


kinds = st.sampled_from(["sent", "sent", "viewed", "signed", "signed", "declined", "canceled"])
names = st.sampled_from(sorted(PEOPLE))
steps = st.tuples(
    st.one_of(kinds, st.just("completed")),
    names,
    st.dictionaries(names, st.integers(1, 3), max_size=3),
    st.lists(names, max_size=1),
)
histories = st.lists(steps, min_size=1, max_size=6)


def body(number: int, request: str, step: Step) -> dict[str, Any]:
    """Return the event of a step, which happened that many minutes after the start."""
    kind, actor, orders, removed = step
    return {
        "type": f"request.{kind}",
        "id": f"{request}-{number}",
        "occurred_at": (START + timedelta(minutes=number)).isoformat(),
        "request": {"id": request},
        "signers": [
            {"id": name, "mobile_number": PEOPLE[name], "order": order}
            for name, order in orders.items()
        ],
        "signers_removed": [name for name in removed if name not in orders],
        "observers": [{"id": "legal", "mobile_number": LEGAL}],
        **({"signer": actor} if kind in ("viewed", "signed", "declined") else {}),
    }


def accept_all(events: list[dict[str, Any]]) -> SigningRequest:
    for event in events:
        accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    db.session.rollback()
    name = events[0]["request"]["id"]
    return db.session.scalars(
        select(SigningRequest).where(SigningRequest.external_id == name)
    ).one()


def notices(request: SigningRequest) -> list[tuple[Signer, str, str, Message]]:
    """Return each message with its person, the type of its event and whom it is about."""
    rows = db.session.execute(
        select(Signer, Event, Message)
        .join(Message, Message.signer_id == Signer.id)
        .join(Event, Event.id == Message.event_id)
        .where(Message.request_id == request.id)
    )
    return [
        (person, event.type, str((event.payload or {}).get("signer", "")), message)
        for person, event, message in rows
    ]


def check(request: SigningRequest) -> None:
    found = notices(request)
    rounds = request.reopenings + 1
    told = Counter(
        (person.id, kind, about)
        for person, kind, about, message in found
        if message.status != Status.CANCELED  # the notice of an end that another end replaced
    )
    once = {key: times for key, times in told.items() if key[1] != EventType.SENT}
    assert all(times <= rounds for times in once.values()), once
    asked = Counter(person.id for person, kind, _, _ in found if kind == EventType.SENT)
    assert all(times <= rounds for times in asked.values()), asked
    for person, kind, _, message in found:
        if EventType(kind).asks_to_sign and not message.stop_reason:
            assert person.state in ("pending", "viewed"), "asked after signing"
            assert person.removed_at is None
            assert request.state == "open"
    owing = [signer for signer in request.signers if signer.state in ("pending", "viewed")]
    turn = min((signer.turn for signer in owing), default=0)
    if request.state == "open" and request.sent_at is not None:
        assert all(signer.invited_at for signer in owing if signer.turn == turn), "left out"


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories, data=st.data())
def test_shuffled_and_repeated_events_notify_each_person_once(
    history: list[Step], data: st.DataObject
) -> None:
    request = f"agr-{next(NUMBERS)}"
    events = [body(number, request, step) for number, step in enumerate(history)]
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=3))
    arrivals = data.draw(st.permutations([*events, *repeated]))
    shuffled = accept_all(list(arrivals))
    check(shuffled)
    check(accept_all(list(arrivals)))  # may notify people who became known after their event
    before = len(notices(shuffled))
    check(accept_all(list(arrivals)))
    assert len(notices(shuffled)) == before, "a repeated event notified somebody"
