"""An error code has the same effect in a response, a success, a callback and a lookup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connection_tests
from hub.core.errors import (
    ConnectionBroken,
    RecipientRefused,
    SendError,
    SlowDown,
)
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import replay
from hub.integrations.base import Accepted, Outbound, StatusUpdate, WebhookRequest
from hub.integrations.twilio.errors import ERRORS, error_for
from hub.integrations.twilio.integration import TwilioIntegration
from hub.integrations.twilio.sms import TwilioSms
from hub.lib import provider_http
from hub.lib.provider_http import ProviderResponse
from hub.messaging.compose import direct
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Suppression, Throttle
from tests.effort import sized
from tests.hub_fixtures import (
    copy_connection,
    count,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
)
from tests.integrations.http_recorder import HttpRecorder, record_requests
from tests.messaging.send.status_error_steps import connection_of, paused_until, queue_and_accept

# without those that Signpost itself gives to calls
CODES = {code: entry for code, entry in ERRORS.codes.items() if not entry.from_signpost}
WIDE = {
    code
    for code, entry in CODES.items()
    if entry.error in (SlowDown, ConnectionBroken, RecipientRefused)
}
HOUR = timedelta(hours=1)
PER_KIND = sized(len(CODES), 4)


def tried_codes() -> list[str]:
    """Return the codes to try: all in a long run, some of each kind in a short one."""
    by_kind: dict[Any, list[str]] = {}
    for code, entry in CODES.items():
        kind = (entry.error, entry.scope, entry.retry_after, entry.sure, entry.from_signpost)
        by_kind.setdefault(kind, []).append(code)
    return [code for codes in by_kind.values() for code in codes[:PER_KIND]]


# ── Every code, every way ─────────────────────────────────────────────────────────────────────────
class ErrorCase:
    """Two connections of one account, and one message in progress for an error code."""

    def __init__(self, like: Connection, number: int, code: str) -> None:
        account = f"AC{number:032x}"
        self.code = code
        self.number = number
        self.sid = f"SM{number:032x}"
        self.id = copy_connection(
            f"Line {number}", like=like, account_sid=account, sender=f"+1500{number:07d}"
        )
        self.sibling = copy_connection(
            f"Beside {number}", like=like, account_sid=account, sender=f"+1501{number:07d}"
        )
        self.message_id = direct.send_message(
            to=f"+44791{1000000 + number}",
            text="Sign.",
            connection_slug=f"line-{number}",
            test=True,
        )

    def effects(self) -> tuple[Any, ...]:
        """Return the effect on the connection, the senders of its account, and the recipient."""
        db.session.rollback()
        query = select(Suppression.reason, Suppression.code).where(
            Suppression.message_id == self.message_id
        )
        reasons = [tuple(row) for row in db.session.execute(query)]
        return (
            *(self._effects_of(connection_id) for connection_id in (self.id, self.sibling)),
            reasons,
        )

    def _effects_of(self, connection_id: str) -> tuple[Any, ...]:
        connection = db.session.get_one(Connection, connection_id)
        row = db.session.get(Throttle, connection.throttle)
        is_paused = row is not None and row.paused_until is not None
        minutes = (
            round((row.paused_until - now()).total_seconds() / 60, 0)
            if row and row.paused_until
            else 0
        )
        return (
            connection.state,
            connection.state_reason,
            is_paused,
            minutes,
            row.reason if row else "",
        )


Ended = tuple[Accepted | None, SendError | None]


def refuse(line: ErrorCase, http_recorder: HttpRecorder, twilio: TwilioIntegration) -> Ended:
    return None, error_for(ProviderResponse(400, {}, b""), line.code)


def accept_as_failed(
    line: ErrorCase, http_recorder: HttpRecorder, twilio: TwilioIntegration
) -> Ended:
    http_recorder.answer(201, failed_message(line))
    return twilio.send(Outbound("msg_1", 1, "+13175551234", "Sign.")), None


def failed_message(line: ErrorCase) -> dict[str, Any]:
    return {
        "sid": line.sid,
        "status": "failed",
        "error_code": int(line.code),
        "num_segments": "1",
        "date_updated": now().strftime("%a, %d %b %Y %H:%M:%S +0000"),
    }


def parse_callback(
    line: ErrorCase, http_recorder: HttpRecorder, twilio: TwilioIntegration
) -> StatusUpdate:
    body = f"MessageSid={line.sid}&MessageStatus=undelivered&ErrorCode={line.code}&AccountSid=AC1"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    [fact] = twilio.parse_events(
        WebhookRequest("POST", "https://hub.example/x", "twilio/sms", headers, body.encode())
    )
    assert isinstance(fact, StatusUpdate)
    return fact


def look_up(
    line: ErrorCase, http_recorder: HttpRecorder, twilio: TwilioIntegration
) -> StatusUpdate:
    http_recorder.answer(200, failed_message(line))
    return twilio.fetch_status(line.sid)


@pytest.fixture
def http_recorder() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


@pytest.mark.parametrize("way", [accept_as_failed, parse_callback, look_up])
def test_code_has_the_same_effect_in_every_report(
    hub_demo: Flask, connection: Connection, http_recorder: HttpRecorder, way: Any
) -> None:
    twilio = TwilioSms(
        connection.settings,
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"]),
        {"twilio": http_recorder.url},
    )
    codes = tried_codes()
    [lines, other_lines] = make_cases(connection, [*codes, *codes], 2)
    untouched = lines[0].effects()
    record_outcomes(lines, [refuse(line, http_recorder, twilio) for line in lines])
    way_results = [way(line, http_recorder, twilio) for line in other_lines]
    if isinstance(way_results[0], StatusUpdate):
        record_outcomes(other_lines, [(Accepted(line.sid), None) for line in other_lines])
        facts = [
            (fact, Origin("poll", [line.id]))
            for fact, line in zip(way_results, other_lines, strict=True)
        ]
        assert all(statuses.apply_statuses(facts))
    else:
        record_outcomes(other_lines, way_results)
    results = {line.code: line.effects() for line in lines}
    assert {line.code: line.effects() for line in other_lines} == results
    assert {code for code, result in results.items() if result != untouched} == WIDE & set(codes)


def make_cases(like: Connection, codes: Sequence[str], groups: int) -> list[list[ErrorCase]]:
    """Return cases for these codes in groups, each with a message in progress."""
    lines = transaction(
        lambda: [ErrorCase(like, number, code) for number, code in enumerate(codes)]
    )()
    size = len(lines) // groups
    return [lines[start : start + size] for start in range(0, len(lines), size)]


def record_outcomes(lines: Sequence[ErrorCase], ended: Sequence[Ended]) -> None:
    db.session.rollback()
    claims = {
        claimed.message_id: claimed
        for claimed in delivery.record_and_claim([], {line.id: 1 for line in lines})
    }
    outcomes = [
        calls.Outcome(claims[line.message_id], accepted, error, now(), 12, 201 if accepted else 400)
        for line, (accepted, error) in zip(lines, ended, strict=True)
    ]
    delivery.record_and_claim(outcomes, {})


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────
def post_status(
    app: Flask, code: str, sid: str = "SM" + "1" * 32, status: str = "undelivered"
) -> None:
    assert post_callback(app, status_form(app, sid, status, ErrorCode=code)).status_code == 200
    process_pending_callbacks()


@pytest.mark.parametrize(
    ("code", "affects_others"),
    [("63018", False), ("30022", False), ("63038", True), ("63017", True)],
)
def test_rate_limit_in_a_callback_applies_to_its_scope(
    hub_demo: Flask, connection: Connection, code: str, affects_others: bool
) -> None:
    second = copy_connection("Second", like=connection, sender="+15005550007")
    stranger = copy_connection(
        "Stranger", like=connection, account_sid="AC" + "9" * 32, sender="+15005550008"
    )
    queue_and_accept(connection)
    post_status(hub_demo, code)
    assert paused_until(connection.id) > 5
    assert (paused_until(second) > 5) is affects_others
    assert paused_until(stranger) == 0
    waiting = queue_text()
    assert delivery.record_and_claim([], {connection.id: 10}) == []
    assert status(waiting) == Status.QUEUED


@pytest.mark.parametrize("code", ["30032", "63051", "30002"])
def test_broken_sender_in_a_callback_pauses_the_connection_until_a_test_passes(
    hub_demo: Flask, connection: Connection, simulator: Any, code: str
) -> None:
    queue_and_accept(connection)
    waiting = queue_text()
    post_status(hub_demo, code)
    broken = connection_of(connection)
    assert (broken.state, broken.state_reason) == (ConnectionState.BROKEN, CODES[code].sentence)
    assert delivery.find_due_connections() == []
    assert connection_tests.run_test(connection.id).check.ok
    assert connection_of(connection).enabled
    replay.replay(replay.Selection(since=now() - HOUR))
    assert connection_of(connection).enabled, "what is read again breaks nothing again"
    assert [
        claimed.message_id for claimed in delivery.record_and_claim([], {connection.id: 10})
    ] == [waiting]


def test_callback_about_an_attempt_before_a_passed_test_breaks_nothing(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    queue_and_accept(connection, "SM" + "1" * 32)
    assert connection_tests.run_test(connection.id).check.ok
    post_status(hub_demo, "30032", "SM" + "1" * 32)
    assert connection_of(connection).enabled
    queue_and_accept(connection, "SM" + "2" * 32)
    post_status(hub_demo, "30032", "SM" + "2" * 32)
    assert connection_of(connection).state == ConnectionState.BROKEN


@pytest.mark.parametrize("status", ["delivered", "sent", "read"])
def test_code_with_a_successful_status_pauses_nothing(
    hub_demo: Flask, connection: Connection, status: str
) -> None:
    for number, code in enumerate(["30032", "63038", "30005"]):
        sid = f"SM{number:032x}"
        queue_and_accept(connection, sid)
        post_status(hub_demo, code, sid, status)
    assert connection_of(connection).enabled
    assert paused_until(connection.id) == count(Suppression) == 0
