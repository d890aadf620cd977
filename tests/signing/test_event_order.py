"""Events may arrive in any order: the latest one decides, and completed actions stay."""

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


def make_event(minute: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "occurred_at": (START + timedelta(minutes=minute)).isoformat(), **fields}


def state_after(events: list[dict[str, Any]] | tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Accept events about a new request in this order, and return its final state."""
    name = f"agr-order-{next(NUMBERS)}"
    for event in events:
        accept.accept_event(
            EventIn.model_validate({**event, "request": {"id": name, **event.get("request", {})}}),
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
            event.external_id: (
                event.state,
                event.turn,
                event.signing_url,
                {key: value for key, value in event.details.items() if key != "reported_at"},
            )
            for event in db.session.scalars(select(Signer).where(Signer.request_id == row.id))
        },
    }


def same_state_in_any_order(*events: dict[str, Any]) -> dict[str, Any]:
    end_states = [state_after(order) for order in permutations(events)]
    assert all(end == end_states[0] for end in end_states)
    return end_states[0]


@pytest.mark.parametrize(
    "kind", ["request.completed", "request.declined", "request.expired", "request.canceled"]
)
def test_closed_request_stays_closed(connection: object, kind: str) -> None:
    end = same_state_in_any_order(
        make_event(0, "request.sent", signers=[signer_body("Eric")]),
        make_event(5, kind),
        make_event(3, "request.viewed", signer="eric"),
    )
    assert end["state"] == kind.partition(".")[2]


def test_later_of_two_final_events_counts(connection: object) -> None:
    assert (
        same_state_in_any_order(
            make_event(5, "request.canceled"),
            make_event(6, "request.completed"),
            make_event(1, "request.sent"),
        )["state"]
        == "completed"
    )


def test_signature_cannot_be_withdrawn(connection: object) -> None:
    end = same_state_in_any_order(
        make_event(0, "request.sent", signers=[signer_body("Eric")]),
        make_event(2, "request.signed", signer="eric"),
        make_event(3, "request.viewed", signer="eric"),
    )
    assert end["signers"]["eric"][0] == "signed"


def test_signer_who_signs_after_declining_has_signed(connection: object) -> None:
    end = same_state_in_any_order(
        make_event(2, "request.declined", signer="eric"),
        make_event(3, "request.signed", signer="eric"),
    )
    assert end["signers"]["eric"][0] == "signed"


def test_signer_who_declines_after_signing_has_declined(connection: object) -> None:
    """Repeating the same event counts from its latest time."""
    end = same_state_in_any_order(
        make_event(1, "request.declined", signer="eric"),
        make_event(3, "request.declined", signer="eric"),
        make_event(2, "request.signed", signer="eric"),
    )
    assert end["signers"]["eric"][0] == "declined"


def test_cleared_number_stays_cleared(connection: object) -> None:
    """An older event that arrives late must not restore a removed number."""
    end = same_state_in_any_order(
        make_event(0, "request.sent", signers=[signer_body("Eric", ERIC)]),
        make_event(
            5,
            "request.viewed",
            signers=[{"id": "eric", "mobile_number": None, "signing_url": None}],
        ),
    )
    assert (end["signers"]["eric"][3]["mobile_number"], end["signers"]["eric"][2]) == (None, None)


def test_latest_value_of_each_field_counts(connection: object) -> None:
    end = same_state_in_any_order(
        make_event(0, "request.sent", signers=[signer_body("Eric", ERIC)]),
        make_event(3, "request.viewed", signers=[{"id": "eric", "mobile_number": ANNA}]),
        make_event(6, "request.viewed", signers=[{"id": "eric", "name": "Eric Smith", "order": 2}]),
    )
    state, turn, _, details = end["signers"]["eric"]
    assert (state, turn, details["mobile_number"], details["name"]) == (
        "pending",
        2,
        ANNA,
        "Eric Smith",
    )


def test_unmentioned_field_is_kept(connection: object) -> None:
    end = state_after(
        [
            make_event(
                0,
                "request.sent",
                request={"title": "T", "sender": {"name": "Acme"}},
                signers=[signer_body("Eric")],
            ),
            make_event(1, "request.viewed", signer="eric"),
        ]
    )
    assert (end["title"], end["sender"], end["signers"]["eric"][3]["mobile_number"]) == (
        "T",
        {"name": "Acme"},
        ERIC,
    )


@pytest.mark.parametrize("kind", ["request.canceled", "request.expired", "request.completed"])
@pytest.mark.parametrize("dated", [True, False])
def test_event_of_a_clock_far_ahead_hides_no_later_event(
    connection: object, kind: str, dated: bool
) -> None:
    for ahead in (timedelta(minutes=11), timedelta(hours=2), timedelta(days=400)):
        sent = make_event(0, "request.sent", signers=[signer_body("Eric")])
        sent["occurred_at"] = (datetime.now(UTC) + ahead).isoformat()
        end = {"type": kind}
        if dated:
            end["occurred_at"] = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        assert state_after([sent, end])["state"] == kind.partition(".")[2], ahead


def test_clock_a_few_minutes_ahead_keeps_the_order_of_events(connection: object) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=9)
    sent = make_event(0, "request.sent", signers=[signer_body("Eric")])
    sent["occurred_at"] = ahead.isoformat()
    canceled = {
        "type": "request.canceled",
        "occurred_at": (ahead + timedelta(seconds=1)).isoformat(),
    }
    assert state_after([canceled, sent])["state"] == "canceled"


def test_times_of_different_zones_are_compared_as_instants(connection: object) -> None:
    later = {
        **make_event(0, "request.viewed"),
        "occurred_at": "2026-11-21T20:30:00+10:00",
        "signers": [{"id": "eric", "name": "Later"}],
    }
    earlier = {
        **make_event(0, "request.viewed"),
        "occurred_at": "2026-11-21T10:00:00Z",
        "signers": [{"id": "eric", "name": "Earlier"}],
    }
    assert same_state_in_any_order(later, earlier)["signers"]["eric"][3]["name"] == "Later"


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
        st.lists(people, max_size=2, unique_by=lambda person: person["id"]),
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
def test_any_history_ends_in_the_same_state_in_any_order(
    connection: object, history: list[tuple[str, Any, str]], data: st.DataObject
) -> None:
    events = [
        make_event(
            minute,
            kind,
            signers=event_fields,
            **(
                {"signer": actor}
                if kind in ("request.signed", "request.declined", "request.viewed")
                else {}
            ),
        )
        for minute, (kind, event_fields, actor) in enumerate(history)
    ]
    assert state_after(data.draw(st.permutations(events))) == state_after(events)


def test_accepting_later_events_does_not_add_messages(hub_demo: Flask, connection: object) -> None:
    state_after(
        [
            make_event(0, "request.sent", signers=[signer_body("Eric")]),
            make_event(1, "request.viewed", request={"title": "Renamed"}),
        ]
    )
    db.session.rollback()
    assert len(db.session.scalars(select(Message)).all()) == 1
