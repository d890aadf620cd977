"""Events may come in any order: what happened last decides, and nothing that was done is undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.db.engine import db
from hub.models import Message, Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.effort import examples
from tests.hub_fixtures import ANNA, ERIC, signer_body, source_id

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
NUMBERS = count()


def event(minute: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "occurred_at": (START + timedelta(minutes=minute)).isoformat(), **more}


def end_of(events: list[dict[str, Any]] | tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Tell events about a request of their own, in this order, and return how everything stands
    then.
    """
    name = f"agr-order-{next(NUMBERS)}"
    for one in events:
        accept.accept_event(
            EventIn.model_validate({**one, "request": {"id": name, **one.get("request", {})}}),
            source_id(),
            test=True,
        )
    db.session.rollback()
    row = db.session.scalars(select(SigningRequest).where(SigningRequest.external_id == name)).one()
    return {
        "state": row.state,
        "title": row.title,
        "sender": row.sender,
        "signers": {
            one.external_id: (
                one.state,
                one.turn,
                one.signing_url,
                {key: value for key, value in one.details.items() if key != "reported_at"},
            )
            for one in db.session.scalars(select(Signer).where(Signer.request_id == row.id))
        },
    }


def same_in_any_order(*events: dict[str, Any]) -> dict[str, Any]:
    ends = [end_of(order) for order in permutations(events)]
    assert all(end == ends[0] for end in ends)
    return ends[0]


@pytest.mark.parametrize(
    "kind", ["request.completed", "request.declined", "request.expired", "request.canceled"]
)
def test_a_closed_request_stays_closed(connection: object, kind: str) -> None:
    end = same_in_any_order(
        event(0, "request.sent", signers=[signer_body("Eric")]),
        event(5, kind),
        event(3, "request.viewed", signer="eric"),
    )
    assert end["state"] == kind.partition(".")[2]


def test_of_two_ends_the_later_counts(connection: object) -> None:
    assert (
        same_in_any_order(
            event(5, "request.canceled"), event(6, "request.completed"), event(1, "request.sent")
        )["state"]
        == "completed"
    )


def test_a_signature_is_not_taken_back(connection: object) -> None:
    end = same_in_any_order(
        event(0, "request.sent", signers=[signer_body("Eric")]),
        event(2, "request.signed", signer="eric"),
        event(3, "request.viewed", signer="eric"),
    )
    assert end["signers"]["eric"][0] == "signed"


def test_signer_who_signs_after_declining_has_signed(connection: object) -> None:
    end = same_in_any_order(
        event(2, "request.declined", signer="eric"), event(3, "request.signed", signer="eric")
    )
    assert end["signers"]["eric"][0] == "signed"


def test_signer_who_declines_after_signing_has_declined(connection: object) -> None:
    """Found by a generated history: the same said twice counts from when it was said last."""
    end = same_in_any_order(
        event(1, "request.declined", signer="eric"),
        event(3, "request.declined", signer="eric"),
        event(2, "request.signed", signer="eric"),
    )
    assert end["signers"]["eric"][0] == "declined"


def test_a_number_that_was_cleared_stays_cleared(connection: object) -> None:
    """An older event that comes late must not bring back a number that must not be written to any
    more.
    """
    end = same_in_any_order(
        event(0, "request.sent", signers=[signer_body("Eric", ERIC)]),
        event(
            5,
            "request.viewed",
            signers=[{"id": "eric", "mobile_number": None, "signing_url": None}],
        ),
    )
    assert (end["signers"]["eric"][3]["mobile_number"], end["signers"]["eric"][2]) == (None, None)


def test_each_field_is_what_was_said_of_it_last(connection: object) -> None:
    end = same_in_any_order(
        event(0, "request.sent", signers=[signer_body("Eric", ERIC)]),
        event(3, "request.viewed", signers=[{"id": "eric", "mobile_number": ANNA}]),
        event(6, "request.viewed", signers=[{"id": "eric", "name": "Eric Smith", "order": 2}]),
    )
    state, turn, _, details = end["signers"]["eric"]
    assert (state, turn, details["mobile_number"], details["name"]) == (
        "pending",
        2,
        ANNA,
        "Eric Smith",
    )


def test_unmentioned_field_is_kept(connection: object) -> None:
    end = end_of(
        [
            event(
                0,
                "request.sent",
                request={"title": "T", "sender": {"name": "Acme"}},
                signers=[signer_body("Eric")],
            ),
            event(1, "request.viewed", signer="eric"),
        ]
    )
    assert (end["title"], end["sender"], end["signers"]["eric"][3]["mobile_number"]) == (
        "T",
        {"name": "Acme"},
        ERIC,
    )


def test_times_of_other_zones_are_compared_as_moments(connection: object) -> None:
    later = {
        **event(0, "request.viewed"),
        "occurred_at": "2026-11-21T20:30:00+10:00",
        "signers": [{"id": "eric", "name": "Later"}],
    }
    earlier = {
        **event(0, "request.viewed"),
        "occurred_at": "2026-11-21T10:00:00Z",
        "signers": [{"id": "eric", "name": "Earlier"}],
    }
    assert same_in_any_order(later, earlier)["signers"]["eric"][3]["name"] == "Later"


people = st.fixed_dictionaries(
    {"id": st.sampled_from(["eric", "anna"])},
    optional={
        "name": st.sampled_from(["A", "B", None]),
        "mobile_number": st.sampled_from([ERIC, ANNA, None]),
        "signing_url": st.sampled_from(["https://a.example/", None]),
        "send_to": st.sampled_from([{"mobile_number": False}, None]),
    },
)
kinds = st.sampled_from(
    [
        "request.sent",
        "request.viewed",
        "request.signed",
        "request.declined",
        "request.completed",
        "request.canceled",
    ]
)
histories = st.lists(
    st.tuples(
        kinds,
        st.lists(people, max_size=2, unique_by=lambda one: one["id"]),
        st.sampled_from(["eric", "anna"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories, data=st.data())
def test_any_history_ends_the_same_in_any_order(
    connection: object, history: list[tuple[str, Any, str]], data: st.DataObject
) -> None:
    events = [
        event(
            minute,
            kind,
            signers=told,
            **(
                {"signer": actor}
                if kind in ("request.signed", "request.declined", "request.viewed")
                else {}
            ),
        )
        for minute, (kind, told, actor) in enumerate(history)
    ]
    assert end_of(data.draw(st.permutations(events))) == end_of(events)


def test_messages_say_what_was_known_when_they_were_planned(
    hub_demo: Flask, connection: object
) -> None:
    end_of(
        [
            event(0, "request.sent", signers=[signer_body("Eric")]),
            event(1, "request.viewed", request={"title": "Renamed"}),
        ]
    )
    db.session.rollback()
    assert len(db.session.scalars(select(Message)).all()) == 1
