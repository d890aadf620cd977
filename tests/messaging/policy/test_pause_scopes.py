"""Pauses that a provider requests apply to their scope: a recipient, a sender or an account."""

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
from tests.fake_provider import FakeChat, FakeProvider
from tests.hub_fixtures import (
    ERIC,
    attempts,
    copy_connection,
    count,
    deliver,
    event_types,
    make_due,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
)


def queue_message(to: str = "room") -> str:
    return direct.send_message(to=to, text="Hello.", connection_slug="fake-chat", test=True)


def end(
    claim: calls.Claim, *, error: SendError | None = None, accepted: Accepted | None = None
) -> None:
    delivery.record_and_claim([calls.Outcome(claim, accepted, error, now(), 12, 429)], {})


def claim_messages(connection: Connection, limit: int = 10) -> list[calls.Claim]:
    db.session.rollback()
    return delivery.record_and_claim([], {connection.id: limit})


def pause_seconds(connection_id: str) -> float:
    """Return the remaining pause of a connection's sender in seconds."""
    db.session.rollback()
    row = db.session.get(Throttle, db.session.get_one(Connection, connection_id).throttle)
    return (row.paused_until - now()).total_seconds() if row and row.paused_until else 0


@pytest.fixture
def paced_connection(monkeypatch: pytest.MonkeyPatch, fake_chat: Connection) -> Connection:
    """Return a connection whose provider limits messages to one recipient."""
    monkeypatch.setattr(FakeChat, "per_recipient", 100.0)
    return fake_chat


# ── Recipients ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", [SlowDown, TransientError])
def test_recipient_limit_pauses_only_that_recipient(
    paced_connection: Connection, fake_provider: FakeProvider, kind: type[TransientError]
) -> None:
    first = queue_message()
    second = queue_message()
    other_message = queue_message("room-2")
    [claim] = [
        candidate for candidate in claim_messages(paced_connection) if candidate.message_id == first
    ]
    end(claim, error=kind("Slower.", "busy", 60, scope=Scope.RECIPIENT))
    assert pause_seconds(paced_connection.id) == 0
    later = queue_message()
    make_due(second)  # it stood back for a moment while the first one was sent
    claims = claim_messages(paced_connection)
    assert {candidate.message_id for candidate in claims} & {first, second, later} == set()
    assert status(other_message) == "sending"
    for message_id in (first, second, later):
        due = message(message_id).due_at
        assert due is not None
        assert due - now() > timedelta(seconds=50)
    assert queue_message("room-3") in {
        candidate.message_id for candidate in claim_messages(paced_connection)
    }


def test_limits_of_several_recipients_pause_the_sender(
    paced_connection: Connection, fake_provider: FakeProvider
) -> None:
    for recipient in ("a", "b", "c"):
        queue_message(recipient)
    ended = [
        calls.Outcome(
            claim,
            None,
            TransientError("Slower.", "busy", 60, scope=Scope.RECIPIENT),
            now(),
            12,
            429,
        )
        for claim in claim_messages(paced_connection)
    ]
    delivery.record_and_claim(ended, {})
    assert 50 < pause_seconds(paced_connection.id) <= 60
    queue_message("d")
    assert claim_messages(paced_connection) == []


def test_message_limit_pauses_one_message(
    paced_connection: Connection, fake_provider: FakeProvider
) -> None:
    first = queue_message()
    other_message = queue_message("room-2")
    claims = {claim.message_id: claim for claim in claim_messages(paced_connection)}
    end(claims[first], error=SlowDown("Slower.", "busy", 60, scope=Scope.MESSAGE))
    assert (
        pause_seconds(paced_connection.id),
        count(RecipientPace) > 0,
        status(first),
        status(other_message),
    ) == (
        0,
        True,
        "queued",
        "sending",
    )
    assert queue_message("room-3") in {
        claim.message_id for claim in claim_messages(paced_connection)
    }


# ── Senders and accounts ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("scope", "affects_others"), [(Scope.SENDER, False), (Scope.ACCOUNT, True)]
)
def test_account_limit_pauses_every_sender_of_the_account(
    hub_demo: Flask, connection: Connection, scope: Scope, affects_others: bool
) -> None:
    second = copy_connection("Second", like=connection, sender="+15005550007")
    stranger = copy_connection(
        "Stranger", like=connection, account_sid="AC" + "9" * 32, sender="+15005550008"
    )
    whatsapp = db.session.scalars(
        select(Connection).where(Connection.channel == "whatsapp")
    ).first()
    queue_text()
    [claim] = claim_messages(connection)
    end(claim, error=SlowDown("Too many.", "20429", 60, scope=scope))
    assert 50 < pause_seconds(connection.id) <= 60
    assert (pause_seconds(second) > 50) is affects_others
    assert pause_seconds(stranger) == 0
    if whatsapp is not None:
        assert (pause_seconds(whatsapp.id) > 50) is affects_others, (
            "another product of the same account"
        )
    row = db.session.get_one(Throttle, db.session.get_one(Connection, connection.id).throttle)
    assert (
        rate_limit.slowed_rate(
            rate_limit.RateState(*[getattr(row, name) for name in rate_limit.RateState.__slots__]),
            now(),
        )
        is not None
    )


# ── An error inside a success ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [Status.FAILED, Status.UNDELIVERED])
def test_accepted_message_that_cannot_be_sent_fails_with_its_code(
    fake_chat: Connection, fake_provider: FakeProvider, status: Status
) -> None:
    fake_provider.on_send = lambda outbound: Accepted(
        "p1", status, code="30003", reason="The phone is off."
    )
    message_id = queue_message()
    deliver()
    row = message(message_id)
    assert (row.status, row.code, row.provider_id, row.due_at) == (
        status.value,
        "30003",
        "p1",
        None,
    )
    assert event_types(message_id) == [f"fake_chat_{status.value}"]
    assert len(attempts(message_id)) == 1
    assert any("The phone is off." in entry.text for entry in timeline.timeline(row))
    assert count(Suppression) == 0


def test_opt_out_in_a_successful_response_is_recorded(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lambda outbound: Accepted(
        "p1", Status.FAILED, code="refused", error=RecipientRefused("Shooed.", "refused")
    )
    queue_message()
    deliver()
    assert message(queue_message()).code == "refused"


@pytest.mark.parametrize(
    ("code", "is_opted_out"), [("21610", True), ("21614", True), ("30003", False), ("30007", False)]
)
def test_callback_opts_out_by_the_same_codes_as_a_response(
    hub_demo: Flask, connection: Connection, code: str, is_opted_out: bool
) -> None:
    message_id = queue_text()
    [claim] = claim_messages(connection)
    end(claim, accepted=Accepted("SM" + "1" * 32))
    for _ in range(2):
        post_callback(hub_demo, status_form(hub_demo, "SM" + "1" * 32, "failed", ErrorCode=code))
        process_pending_callbacks()
    assert (status(message_id), message(message_id).code) == ("failed", code)
    assert (status(queue_text()) == "suppressed") is is_opted_out
    assert count(Suppression) == int(is_opted_out)


def test_repeated_opt_out_code_keeps_a_lifted_opt_out_lifted(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = queue_text()
    [claim] = claim_messages(connection)
    end(claim, accepted=Accepted("SM" + "1" * 32))
    refusal = RecipientRefused("They replied STOP.", "21610")
    update = StatusUpdate(
        provider_id="SM" + "1" * 32,
        status=Status.FAILED,
        provider_status="failed",
        code="21610",
        error=refusal,
    )
    statuses.apply_status(update, Origin("callback", [connection.id]))
    suppressions.lift_opt_outs_of_message(message_id)
    statuses.apply_status(update, Origin("callback", [connection.id]))
    assert status(queue_text(ERIC)) == "queued"
