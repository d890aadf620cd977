"""A pause that a provider asks for holds for what it names: a recipient, a sender, an account; and
an error inside a success.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import RecipientRefused, Scope, SendError, SlowDown, TransientError
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted, StatusUpdate
from hub.messaging.compose import direct
from hub.messaging.contacts import suppressions
from hub.messaging.send import calls, rate_limit
from hub.messaging.send import claims as delivery
from hub.messaging.track import statuses, timeline
from hub.messaging.track.statuses import Origin
from hub.models import Connection, RecipientPace, Suppression, Throttle
from tests.fake_provider import Loft, Pigeon
from tests.hub_fixtures import (
    ERIC,
    a_connection,
    a_form,
    a_message,
    attempts,
    call_back,
    count,
    deliver,
    make_due,
    message,
    process_pending_callbacks,
    status,
    told,
)


def by_pigeon(to: str = "roof") -> str:
    return direct.send_message(to=to, text="Coo.", connection_slug="pigeon", test=True)


def end(
    claim: calls.Claim, *, error: SendError | None = None, accepted: Accepted | None = None
) -> None:
    delivery.record_and_claim([calls.Outcome(claim, accepted, error, now(), 12, 429)], {})


def claimed(connection: Connection, most: int = 10) -> list[calls.Claim]:
    db.session.rollback()
    return delivery.record_and_claim([], {connection.id: most})


def rested(connection_id: str) -> float:
    """Return for how many seconds a connection's sender is left alone."""
    db.session.rollback()
    row = db.session.get(Throttle, db.session.get_one(Connection, connection_id).throttle)
    return (row.paused_until - now()).total_seconds() if row and row.paused_until else 0


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch, pigeons: Connection) -> Connection:
    """Give a connection whose provider limits messages to one recipient."""
    monkeypatch.setattr(Pigeon, "per_recipient", 100.0)
    return pigeons


# ── Recipients ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", [SlowDown, TransientError])
def test_a_recipients_limit_holds_everything_to_them_and_nothing_else(
    paced: Connection, loft: Loft, kind: type[TransientError]
) -> None:
    first = by_pigeon()
    second = by_pigeon()
    other = by_pigeon("attic")
    [claim] = [one for one in claimed(paced) if one.message_id == first]
    end(claim, error=kind("Slower.", "busy", 60, scope=Scope.RECIPIENT))
    assert rested(paced.id) == 0
    later = by_pigeon()
    make_due(second)  # it stood back for a moment while the first one was sent
    claims = claimed(paced)
    assert {one.message_id for one in claims} & {first, second, later} == set()
    assert status(other) == "sending"
    for one in (first, second, later):
        due = message(one).due_at
        assert due is not None
        assert due - now() > timedelta(seconds=50)
    assert by_pigeon("chimney") in {one.message_id for one in claimed(paced)}


def test_several_recipients_at_once_are_the_sender(paced: Connection, loft: Loft) -> None:
    for place in ("a", "b", "c"):
        by_pigeon(place)
    ended = [
        calls.Outcome(
            one, None, TransientError("Slower.", "busy", 60, scope=Scope.RECIPIENT), now(), 12, 429
        )
        for one in claimed(paced)
    ]
    delivery.record_and_claim(ended, {})
    assert 50 < rested(paced.id) <= 60
    by_pigeon("d")
    assert claimed(paced) == []


def test_a_methods_limit_holds_one_message(paced: Connection, loft: Loft) -> None:
    first = by_pigeon()
    other = by_pigeon("attic")
    claims = {one.message_id: one for one in claimed(paced)}
    end(claims[first], error=SlowDown("Slower.", "busy", 60, scope=Scope.MESSAGE))
    assert (rested(paced.id), count(RecipientPace) > 0, status(first), status(other)) == (
        0,
        True,
        "queued",
        "sending",
    )
    assert by_pigeon("chimney") in {one.message_id for one in claimed(paced)}


# ── Senders and accounts ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("scope", "others"), [(Scope.SENDER, False), (Scope.ACCOUNT, True)])
def test_an_accounts_limit_holds_every_sender_of_it(
    hub_demo: Flask, connection: Connection, scope: Scope, others: bool
) -> None:
    second = a_connection("Second", like=connection, sender="+15005550007")
    stranger = a_connection(
        "Stranger", like=connection, account_sid="AC" + "9" * 32, sender="+15005550008"
    )
    whatsapp = db.session.scalars(
        select(Connection).where(Connection.channel == "whatsapp")
    ).first()
    a_message()
    [claim] = claimed(connection)
    end(claim, error=SlowDown("Too many.", "20429", 60, scope=scope))
    assert 50 < rested(connection.id) <= 60
    assert (rested(second) > 50) is others
    assert rested(stranger) == 0
    if whatsapp is not None:
        assert (rested(whatsapp.id) > 50) is others, "another product of the same account"
    row = db.session.get_one(Throttle, db.session.get_one(Connection, connection.id).throttle)
    assert (
        rate_limit.slowed_rate(
            rate_limit.RateState(*[getattr(row, name) for name in rate_limit.RateState.__slots__]),
            now(),
        )
        is not None
    )


# ── An error inside a success ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("given", [Status.FAILED, Status.UNDELIVERED])
def test_what_is_taken_and_cannot_be_sent_ends_with_its_code(
    pigeons: Connection, loft: Loft, given: Status
) -> None:
    loft.fly = lambda outbound: Accepted("p1", given, code="30003", why="The phone is off.")
    message_id = by_pigeon()
    deliver()
    row = message(message_id)
    assert (row.status, row.code, row.provider_id, row.due_at) == (given.value, "30003", "p1", None)
    assert told(message_id) == [f"pigeon_{given.value}"]
    assert len(attempts(message_id)) == 1
    assert any("The phone is off." in entry.text for entry in timeline.timeline(row))
    assert count(Suppression) == 0


def test_a_stop_inside_a_success_opts_out(pigeons: Connection, loft: Loft) -> None:
    loft.fly = lambda outbound: Accepted(
        "p1", Status.FAILED, code="shooed", error=RecipientRefused("Shooed.", "shooed")
    )
    by_pigeon()
    deliver()
    assert message(by_pigeon()).code == "shooed"


@pytest.mark.parametrize(
    ("code", "closed"), [("21610", True), ("21614", True), ("30003", False), ("30007", False)]
)
def test_a_callback_opts_out_by_the_codes_of_an_answer(
    hub_demo: Flask, connection: Connection, code: str, closed: bool
) -> None:
    message_id = a_message()
    [claim] = claimed(connection)
    end(claim, accepted=Accepted("SM" + "1" * 32))
    for _ in range(2):
        call_back(hub_demo, a_form(hub_demo, "SM" + "1" * 32, "failed", ErrorCode=code))
        process_pending_callbacks()
    assert (status(message_id), message(message_id).code) == ("failed", code)
    assert (status(a_message()) == "suppressed") is closed
    assert count(Suppression) == int(closed)


def test_said_again_it_opts_out_nobody_who_came_back(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = a_message()
    [claim] = claimed(connection)
    end(claim, accepted=Accepted("SM" + "1" * 32))
    refusal = RecipientRefused("They replied STOP.", "21610")
    update = StatusUpdate(
        provider_id="SM" + "1" * 32,
        status=Status.FAILED,
        word="failed",
        code="21610",
        error=refusal,
    )
    statuses.apply_status(update, Origin("callback", [connection.id]))
    suppressions.lift_for_sender(message_id)
    statuses.apply_status(update, Origin("callback", [connection.id]))
    assert status(a_message(ERIC)) == "queued"
