"""Limits in a status: when they begin and end, and the senders they pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, select

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TransientError,
)
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, StatusUpdate, WebhookRequest
from hub.integrations.twilio.sms import TwilioSms
from hub.lib import provider_http
from hub.messaging.compose import direct
from hub.messaging.contacts import suppressions
from hub.messaging.send import calls, destinations
from hub.messaging.send import claims as delivery
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Attempt, Connection, PausedDestination, RecipientPace, Suppression, Throttle
from tests.fake_provider import FakeChat, FakeProvider
from tests.hub_fixtures import attempts, count, message, queue_text, status
from tests.messaging.send.status_error_steps import connection_of, paused_until, queue_and_accept
from tests.team_connections import connect_team as connect_team


# ── In time ───────────────────────────────────────────────────────────────────────────────────────
def report_error(
    connection: Connection,
    error: SendError,
    at: datetime | None,
    sid: str = "SM" + "1" * 32,
    **fields: Any,
) -> None:
    update = StatusUpdate(
        provider_id=sid,
        status=Status.FAILED,
        provider_status="failed",
        code=error.code,
        error=error,
        **fields,
    )
    assert statuses.apply_status(update, Origin("callback", [connection.id], None, at))


def test_pause_begins_at_the_time_of_the_status(hub_demo: Flask, connection: Connection) -> None:
    queue_and_accept(connection)
    report_error(connection, SlowDown("Wait.", "63018", 3600), now() - timedelta(minutes=40))
    assert 1150 < paused_until(connection.id) <= 1200


@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.ACCOUNT])
def test_expired_pause_is_ignored(hub_demo: Flask, connection: Connection, scope: Scope) -> None:
    queue_and_accept(connection)
    report_error(
        connection, SlowDown("Wait.", "63018", 3600, scope=scope), now() - timedelta(minutes=61)
    )
    assert paused_until(connection.id) == 0
    assert db.session.get(Throttle, connection.throttle) is None, "no trace"


def test_repeated_report_does_not_extend_a_pause(hub_demo: Flask, connection: Connection) -> None:
    queue_and_accept(connection)
    error = SlowDown("Wait.", "63018", 600)
    report_error(connection, error, now())
    with time_machine.travel(now() + timedelta(minutes=5), tick=False):
        report_error(connection, error, now())
        assert paused_until(connection.id) == pytest.approx(300, abs=5)


def test_lookup_without_a_time_counts_from_the_attempt(
    hub_demo: Flask, connection: Connection
) -> None:
    queue_and_accept(connection)

    @transaction
    def age() -> None:
        db.session.scalars(select(Attempt)).one().started_at = now() - timedelta(minutes=50)

    age()
    report_error(connection, SlowDown("Wait.", "63018", 3600), None)
    assert 550 < paused_until(connection.id) <= 600


def test_concurrent_failures_halve_the_rate_once(hub_demo: Flask, connection: Connection) -> None:
    transaction(
        lambda: setattr(db.session.get_one(Connection, connection.id), "per_second", 16.0)
    )()
    for number in range(8):
        queue_text(text=f"{number}")
    claims = delivery.record_and_claim([], {connection.id: 8})
    delivery.record_and_claim(
        [
            calls.Outcome(claimed, Accepted(f"SM{n}"), None, now(), 12, 201)
            for n, claimed in enumerate(claims)
        ],
        {},
    )
    for number in range(8):
        report_error(connection, SlowDown("Wait.", "30022", 10), now(), f"SM{number}")
    row = db.session.scalars(select(Throttle)).one()
    assert (row.rate, row.full_rate, row.epoch) == (8, 16, 1)


# ── Destinations and recipients ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "error", [DestinationUnavailable("Closed.", "closed"), RecipientRefused("Removed.", "removed")]
)
def test_status_error_pauses_a_teams_destination(
    connect_team: Callable[[str], Connection], error: SendError
) -> None:
    team_chat = connect_team("Tower")
    first = send_post(team_chat, "p1")
    report_error(team_chat, error, now(), "p1")
    assert count(Suppression) == 0
    assert destinations.find_pauses([team_chat.id])[team_chat.id].code == error.code
    late = queue_post(team_chat)
    assert delivery.record_and_claim([], {team_chat.id: 10}) == []
    destinations.reopen_destination(team_chat.id)
    assert status(first) == Status.FAILED
    [claim] = delivery.record_and_claim([], {team_chat.id: 10})
    assert claim.message_id == late


def test_status_before_a_reopening_pauses_no_destination(
    connect_team: Callable[[str], Connection],
) -> None:
    team_chat = connect_team("Tower")
    send_post(team_chat, "p1")
    send_post(team_chat, "p2")
    report_error(team_chat, DestinationUnavailable("Closed.", "closed"), now(), "p1")
    destinations.reopen_destination(team_chat.id)
    report_error(team_chat, DestinationUnavailable("Closed.", "closed"), now(), "p2")
    assert destinations.find_pauses([team_chat.id]) == {}
    send_post(team_chat, "p3")
    report_error(team_chat, DestinationUnavailable("Closed.", "closed"), now(), "p3")
    assert list(destinations.find_pauses([team_chat.id])) == [team_chat.id]


def queue_post(team_chat: Connection) -> str:
    return direct.send_message(to="Tower", text="Hello.", connection_slug=team_chat.slug, test=True)


def send_post(team_chat: Connection, provider_id: str) -> str:
    message_id = queue_post(team_chat)
    [claim] = delivery.record_and_claim([], {team_chat.id: 10})
    delivery.record_and_claim(
        [calls.Outcome(claim, Accepted(provider_id), None, now(), 12, 201)], {}
    )
    return message_id


def test_status_from_before_a_lifted_opt_out_adds_none(
    hub_demo: Flask, connection: Connection
) -> None:
    first = queue_and_accept(connection, "SM1")
    queue_and_accept(connection, "SM2")
    refusal = RecipientRefused("They replied STOP.", "21610")
    report_error(connection, refusal, now(), "SM1")
    suppressions.lift_opt_outs_of_message(first)
    report_error(connection, refusal, now(), "SM2")
    queue_and_accept(connection, "SM3")
    report_error(connection, refusal, now(), "SM3")
    assert status(queue_text()) == Status.SUPPRESSED


def test_recipient_limit_in_a_status_pauses_that_recipient(
    fake_chat: Connection, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeChat, "per_recipient", 100.0)
    queue_and_accept(fake_chat, "p1", to="room")
    report_error(
        fake_chat, TransientError("Slower.", "busy", 60, scope=Scope.RECIPIENT), now(), "p1"
    )
    paused, free = (
        queue_text(to, channel="", connection_slug="fake-chat") for to in ("room", "room-2")
    )
    assert [
        claimed.message_id for claimed in delivery.record_and_claim([], {fake_chat.id: 10})
    ] == [free]
    due = message(paused).due_at
    assert due is not None
    assert due - now() > timedelta(seconds=50)
    assert count(RecipientPace) == 2


def test_account_error_in_a_successful_response_pauses_the_connection(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lambda outbound: Accepted(
        "p1", Status.FAILED, code="gone", error=ConnectionBroken("The fake_provider burnt.", "gone")
    )
    message_id = queue_text("room", channel="", connection_slug="fake-chat")
    [claim] = delivery.record_and_claim([], {fake_chat.id: 1})
    delivery.record_and_claim(
        [calls.Outcome(claim, fake_provider.on_send(claim.outbound), None, now(), 12, 201)], {}
    )
    assert (status(message_id), attempts(message_id)[0].outcome) == ("failed", "accepted")
    assert (connection_of(fake_chat).state, connection_of(fake_chat).state_reason) == (
        "broken",
        "The fake_provider burnt.",
    )


# ── The cost ──────────────────────────────────────────────────────────────────────────────────────
def test_ordinary_status_needs_no_extra_statement(hub_demo: Flask, connection: Connection) -> None:
    statements: list[str] = []
    engine = db.engine
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    counts = []
    for number, (reported_status, code) in enumerate(
        [("failed", "30003"), ("failed", ""), ("failed", "30007")]
    ):
        sid = f"SM{number:032x}"
        queue_and_accept(connection, sid)
        statements.clear()
        update = parse_callback(connection, sid, reported_status, code)
        statuses.apply_status(update, Origin("callback", [connection.id], None, now()))
        counts.append(
            [
                line
                for line in statements
                if "throttles" in line or "paused" in line or "suppressions" in line
            ]
        )
    assert counts == [[], [], []]
    assert count(PausedDestination) == 0


def parse_callback(connection: Connection, sid: str, status: str, code: str) -> StatusUpdate:
    body = f"MessageSid={sid}&MessageStatus={status}&AccountSid=AC1" + (
        f"&ErrorCode={code}" if code else ""
    )
    headers = {"content-type": "application/x-www-form-urlencoded"}
    request = WebhookRequest("POST", "https://hub.example/x", "twilio/sms", headers, body.encode())
    [fact] = TwilioSms(
        connection.settings, provider_http.ProviderHttpClient(allow=[])
    ).parse_events(request)
    assert isinstance(fact, StatusUpdate)
    return fact
