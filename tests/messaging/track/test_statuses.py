"""Status updates raise a status by rank, in any order and with any repeats."""

from __future__ import annotations

from itertools import pairwise

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted, StatusUpdate
from hub.integrations.twilio.statuses import STATUSES
from hub.messaging.send import calls, claims
from hub.messaging.state.message_batch import POLL_AFTER, raise_status
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message, PlatformEvent, StatusEvent
from tests.effort import examples
from tests.hub_fixtures import (
    attempts,
    copy_connection,
    count,
    event_types,
    message,
    queue_text,
    status,
    status_words,
    update_message,
)

SID = "SM" + "0" * 32
# Twilio's words in the order of a message's life; a message fails or is undelivered, never both
GOOD = ("queued", "sending", "sent", "delivered", "read")
BAD = ("queued", "sending", "sent", "undelivered")


def make_update(status: str, sid: str = SID, **update_fields: object) -> StatusUpdate:
    fields = {
        "provider_id": sid,
        "status": STATUSES.get(status),
        "provider_status": status,
        **update_fields,
    }
    return StatusUpdate(**fields)  # type: ignore[arg-type]


def send_accepted(connection: Connection, sid: str = SID) -> str:
    """Return a message that the provider accepted as `sid`."""
    message_id = queue_text(text=f"text {sid}")
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})
    return message_id


@pytest.fixture
def origin(connection: Connection) -> Origin:
    return Origin("callback", [connection.id])


def test_delivered_message_has_two_platform_events(connection: Connection, origin: Origin) -> None:
    message_id = send_accepted(connection)
    for reported_status in GOOD[:4]:
        assert statuses.apply_status(make_update(reported_status), origin)
    assert status(message_id) == Status.DELIVERED
    assert event_types(message_id) == ["sms_delivered", "sms_sent"]
    assert status_words(message_id) == list(GOOD[:4]), "all are kept"


def test_repeated_update_changes_nothing(connection: Connection, origin: Origin) -> None:
    message_id = send_accepted(connection)
    for _ in range(3):
        statuses.apply_status(make_update("sent"), origin)
    changed = message(message_id).changed_at
    statuses.apply_status(make_update("sent"), origin)
    assert message(message_id).changed_at == changed
    assert status_words(message_id) == ["sent"]
    assert event_types(message_id) == ["sms_sent"]


def test_late_sent_status_does_not_replace_delivered(
    connection: Connection, origin: Origin
) -> None:
    message_id = send_accepted(connection)
    for reported_status in ("delivered", "sent", "queued"):
        statuses.apply_status(make_update(reported_status), origin)
    assert status(message_id) == Status.DELIVERED
    assert event_types(message_id) == ["sms_delivered", "sms_sent"]


@pytest.mark.parametrize("reported", [(1, 3, None), (3, 1, None), (None, 3, 1)])
def test_segments_are_independent_of_the_order_of_updates(
    connection: Connection, origin: Origin, reported: tuple[int | None, ...]
) -> None:
    message_id = send_accepted(connection)
    for reported_status, segments in zip(("queued", "sent", "delivered"), reported, strict=True):
        statuses.apply_status(make_update(reported_status, segments=segments), origin)
    assert message(message_id).segments == 3


def test_undelivered_message_may_be_delivered_later(connection: Connection, origin: Origin) -> None:
    message_id = send_accepted(connection)
    statuses.apply_status(make_update("undelivered", code="30003"), origin)
    assert (status(message_id), message(message_id).code) == ("undelivered", "30003")
    statuses.apply_status(make_update("delivered"), origin)
    assert (status(message_id), message(message_id).code) == ("delivered", "")


def test_first_status_of_equal_rank_is_kept(connection: Connection, origin: Origin) -> None:
    message_id = send_accepted(connection)
    statuses.apply_status(make_update("undelivered", code="30003"), origin)
    statuses.apply_status(make_update("failed", code="30008"), origin)
    assert (status(message_id), message(message_id).code) == ("undelivered", "30003")


@pytest.mark.parametrize(
    "reported_status", ["receiving", "received", "canceled", "flibbertigibbet", ""]
)
def test_unknown_status_is_recorded_and_changes_nothing(
    connection: Connection, origin: Origin, reported_status: str
) -> None:
    message_id = send_accepted(connection)
    assert statuses.apply_status(make_update(reported_status), origin)
    assert (status(message_id), status_words(message_id), event_types(message_id)) == (
        "accepted",
        [reported_status],
        [],
    )


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_order_and_repetition_has_the_same_result(
    connection: Connection, origin: Origin, data: st.DataObject
) -> None:
    life = data.draw(
        st.sampled_from(
            [GOOD, BAD, GOOD[:4], ("queued", "failed"), ("sent", "undelivered", "delivered")]
        )
    )
    updates = data.draw(
        st.lists(st.sampled_from(life), max_size=4).flatmap(
            lambda extra: st.permutations([*life, *extra])
        )
    )
    number = count(StatusEvent) + count(PlatformEvent)  # a fresh id for each example
    straight, shuffled = (send_accepted(connection, f"SM{number:031d}{n}") for n in (0, 1))
    for message_id, order in ((straight, life), (shuffled, updates)):
        sid = message(message_id).provider_id or ""
        for reported_status in order:
            assert statuses.apply_status(make_update(reported_status, sid), origin)
    assert status(shuffled) == status(straight)
    assert event_types(shuffled) == event_types(straight)
    assert sorted(status_words(shuffled)) == sorted(status_words(straight))


@pytest.mark.parametrize("start", list(Status))
@pytest.mark.parametrize(
    "reported",
    [
        Status.ACCEPTED,
        Status.SENT,
        Status.FAILED,
        Status.UNDELIVERED,
        Status.DELIVERED,
        Status.READ,
    ],
)
def test_status_is_raised_by_rank_only(start: Status, reported: Status) -> None:
    row = Message(status=start.value, code="before", due_at=now())
    assert raise_status(row, reported, code="after") is (reported.rank > start.rank)
    assert row.status == (reported if reported.rank > start.rank else start)
    assert row.code == ("after" if reported.rank > start.rank else "before")


def test_statuses_are_ranked_as_designed() -> None:
    ladder = [
        "queued",
        "sending",
        "unknown",
        "canceled",
        "accepted",
        "sent",
        "failed",
        "delivered",
        "read",
    ]
    assert all(Status(low).rank < Status(high).rank for low, high in pairwise(ladder))
    assert Status.SUPPRESSED.rank == Status.CANCELED.rank == Status.EXPIRED.rank
    assert Status.FAILED.rank == Status.UNDELIVERED.rank


# ── Which message ─────────────────────────────────────────────────────────────────────────────────
def test_callback_before_the_response_finds_its_message_by_the_address(
    connection: Connection, origin: Origin
) -> None:
    message_id = queue_text()
    [claim] = claims.record_and_claim([], {connection.id: 1})
    assert statuses.apply_status(make_update("sent", message_id=message_id, attempt=1), origin)
    assert (status(message_id), message(message_id).provider_id) == ("sent", SID)
    claims.record_and_claim([calls.Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    assert status(message_id) == Status.SENT, "the slower answer does not take it back"
    assert attempts(message_id)[0].outcome == "accepted"
    assert event_types(message_id) == ["sms_sent"]


def test_callback_resolves_an_unknown_outcome(connection: Connection, origin: Origin) -> None:
    message_id = queue_text()
    claims.record_and_claim([], {connection.id: 1})
    update_message(message_id, status=Status.UNKNOWN.value, due_at=now())
    assert statuses.apply_status(make_update("sent", message_id=message_id, attempt=1), origin)
    row = message(message_id)
    assert (row.status, row.due_at) == (
        "sent",
        row.changed_at + POLL_AFTER,
    ), "what is left to do is to ask, should no more be heard"


def test_update_from_another_connection_changes_nothing(connection: Connection) -> None:
    message_id = send_accepted(connection)
    other_connection = copy_connection("Another", like=connection)
    for claimed in ({}, {"message_id": message_id, "attempt": 1}):
        assert not statuses.apply_status(
            make_update("delivered", **claimed), Origin("callback", [other_connection])
        )
    assert not statuses.apply_status(make_update("delivered"), Origin("callback", []))
    assert (status(message_id), status_words(message_id)) == ("accepted", [])


def test_provider_id_takes_precedence_over_the_message_in_the_address(
    connection: Connection, origin: Origin
) -> None:
    first = send_accepted(connection)
    second = send_accepted(connection, "SM" + "1" * 32)
    assert statuses.apply_status(
        make_update("delivered", SID, message_id=second, attempt=1), origin
    )
    assert (status(first), status(second)) == ("delivered", "accepted")


def test_status_without_a_provider_id_finds_its_message_by_the_reference(
    connection: Connection, origin: Origin
) -> None:
    message_id = send_accepted(connection)
    named = {"message_id": message_id, "attempt": 1}
    assert statuses.apply_status(make_update("delivered", "", **named), origin)
    assert (status(message_id), message(message_id).provider_id) == ("delivered", SID)
    assert not statuses.apply_status(make_update("read", "SM" + "f" * 32, **named), origin)
    assert status(message_id) == Status.DELIVERED


@pytest.mark.parametrize("named", ["", "msg_nonsense", "req_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"])
def test_unknown_provider_id_matches_nothing(
    connection: Connection, origin: Origin, named: str
) -> None:
    send_accepted(connection)
    assert not statuses.apply_status(
        make_update("delivered", "SM" + "f" * 32, message_id=named, attempt=1), origin
    )
    assert not statuses.apply_status(
        make_update("delivered", "", message_id=named, attempt=1), origin
    )


def test_event_without_an_id_matches_no_message(
    connection: Connection, origin: Origin, hub_demo: Flask
) -> None:
    queue_text()
    claims.record_and_claim([], {connection.id: 1})  # an attempt without a provider id is there
    assert not statuses.apply_status(make_update("delivered", ""), origin)


# ── Which attempt ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def message_tried_twice(connection: Connection) -> str:
    """Return a message whose second attempt is in progress; the first may have been sent as SID."""
    message_id = queue_text()
    claims.record_and_claim([], {connection.id: 1})
    update_message(message_id, status=Status.QUEUED.value, due_at=now())
    claims.record_and_claim([], {connection.id: 1})
    return message_id


@pytest.mark.parametrize("reported_status", ["failed", "undelivered"])
def test_failure_of_an_older_attempt_stays_with_that_attempt(
    message_tried_twice: str, origin: Origin, reported_status: str
) -> None:
    assert statuses.apply_status(
        make_update(reported_status, message_id=message_tried_twice, attempt=1, code="30003"),
        origin,
    )
    assert status(message_tried_twice) == Status.SENDING
    assert event_types(message_tried_twice) == [], (
        "the signing app is notified of a failure only if no attempt is in progress"
    )
    assert status_words(message_tried_twice) == [reported_status]


def test_delivery_of_an_older_attempt_counts(message_tried_twice: str, origin: Origin) -> None:
    assert statuses.apply_status(
        make_update("delivered", message_id=message_tried_twice, attempt=1), origin
    )
    assert status(message_tried_twice) == Status.DELIVERED
    assert event_types(message_tried_twice) == ["sms_delivered"]


# ── Platform events ───────────────────────────────────────────────────────────────────────────────
def test_platform_event_contains_the_details_of_the_provider(
    connection: Connection, origin: Origin
) -> None:
    message_id = send_accepted(connection)
    statuses.apply_status(
        make_update(
            "undelivered", code="30003", details={"MessageSid": SID, "ErrorMessage": "Unreachable"}
        ),
        origin,
    )
    event = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.message_id == message_id)
    ).one()
    assert event.type == "sms_undelivered"
    assert event.payload == {"MessageSid": SID, "ErrorMessage": "Unreachable", "code": "30003"}
