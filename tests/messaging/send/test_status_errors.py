"""An error code has the same effect in an answer, in a success, in a callback and in a look-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connection_tests
from hub.core.errors import (
    SendError,
)
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import replay
from hub.integrations.base import Accepted, Outbound, StatusUpdate, WebhookRequest
from hub.integrations.twilio.errors import catalog, raise_for
from hub.integrations.twilio.integration import TwilioIntegration
from hub.integrations.twilio.sms import TwilioSms
from hub.lib import provider_http
from hub.messaging.compose import direct
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Suppression, Throttle
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

WIDE = {
    code for code, entry in catalog().items() if entry.kind in ("throttle", "broken", "suppress")
}
HOUR = timedelta(hours=1)


# ── Every code, every way ─────────────────────────────────────────────────────────────────────────
class Line:
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

    def came_of_it(self) -> tuple[Any, ...]:
        """Return the effect on the connection, the senders of its account, and the recipient."""
        db.session.rollback()
        found = select(Suppression.reason, Suppression.code).where(
            Suppression.message_id == self.message_id
        )
        reasons = [tuple(row) for row in db.session.execute(found)]
        return (*(self._of(one) for one in (self.id, self.sibling)), reasons)

    def _of(self, connection_id: str) -> tuple[Any, ...]:
        connection = db.session.get_one(Connection, connection_id)
        row = db.session.get(Throttle, connection.throttle)
        held = row is not None and row.paused_until is not None
        minutes = (
            round((row.paused_until - now()).total_seconds() / 60, 0)
            if row and row.paused_until
            else 0
        )
        return connection.state, connection.state_reason, held, minutes, row.reason if row else ""


Ended = tuple[Accepted | None, SendError | None]


def refused(line: Line, http_recorder: HttpRecorder, twilio: TwilioIntegration) -> Ended:
    with pytest.raises(SendError) as caught:
        raise_for(400, line.code, "", None)
    return None, caught.value


def failed_at_once(line: Line, http_recorder: HttpRecorder, twilio: TwilioIntegration) -> Ended:
    http_recorder.answer(201, made(line))
    return twilio.send(Outbound("msg_1", 1, "+13175551234", "Sign.")), None


def made(line: Line) -> dict[str, Any]:
    return {
        "sid": line.sid,
        "status": "failed",
        "error_code": int(line.code),
        "num_segments": "1",
        "date_updated": now().strftime("%a, %d %b %Y %H:%M:%S +0000"),
    }


def called_back(line: Line, http_recorder: HttpRecorder, twilio: TwilioIntegration) -> StatusUpdate:
    body = f"MessageSid={line.sid}&MessageStatus=undelivered&ErrorCode={line.code}&AccountSid=AC1"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    [fact] = twilio.parse_events(
        WebhookRequest("POST", "https://hub.example/x", "twilio/sms", headers, body.encode())
    )
    assert isinstance(fact, StatusUpdate)
    return fact


def looked_up(line: Line, http_recorder: HttpRecorder, twilio: TwilioIntegration) -> StatusUpdate:
    http_recorder.answer(200, made(line))
    return twilio.fetch_status(line.sid)


@pytest.fixture
def http_recorder() -> Iterator[HttpRecorder]:
    with record_requests() as here:
        yield here


@pytest.mark.parametrize("way", [failed_at_once, called_back, looked_up])
def test_every_code_means_the_same_as_in_the_answer(
    hub_demo: Flask, connection: Connection, http_recorder: HttpRecorder, way: Any
) -> None:
    twilio = TwilioSms(
        connection.settings,
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"]),
        {"twilio": http_recorder.url},
    )
    codes = list(catalog())
    [lines, others] = claim_message(connection, [*codes, *codes], 2)
    untouched = lines[0].came_of_it()
    end(lines, [refused(line, http_recorder, twilio) for line in lines])
    found = [way(line, http_recorder, twilio) for line in others]
    if isinstance(found[0], StatusUpdate):
        end(others, [(Accepted(line.sid), None) for line in others])
        told = [(fact, Origin("poll", [line.id])) for fact, line in zip(found, others, strict=True)]
        assert all(statuses.apply_statuses(told))
    else:
        end(others, found)
    results = {line.code: line.came_of_it() for line in lines}
    assert {line.code: line.came_of_it() for line in others} == results
    assert {code for code, result in results.items() if result != untouched} == WIDE


def claim_message(like: Connection, codes: Sequence[str], groups: int) -> list[list[Line]]:
    """Return lines for codes, in groups. The message of each is in progress."""
    lines = transaction(lambda: [Line(like, number, code) for number, code in enumerate(codes)])()
    size = len(lines) // groups
    return [lines[start : start + size] for start in range(0, len(lines), size)]


def end(lines: Sequence[Line], ended: Sequence[Ended]) -> None:
    db.session.rollback()
    claims = {
        one.message_id: one for one in delivery.record_and_claim([], {line.id: 1 for line in lines})
    }
    outcomes = [
        calls.Outcome(claims[line.message_id], accepted, error, now(), 12, 201 if accepted else 400)
        for line, (accepted, error) in zip(lines, ended, strict=True)
    ]
    delivery.record_and_claim(outcomes, {})


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────
def log_lines(app: Flask, code: str, sid: str = "SM" + "1" * 32, word: str = "undelivered") -> None:
    assert post_callback(app, status_form(app, sid, word, ErrorCode=code)).status_code == 200
    process_pending_callbacks()


@pytest.mark.parametrize(
    ("code", "others"), [("63018", False), ("30022", False), ("63038", True), ("63017", True)]
)
def test_a_limit_in_a_callback_holds_what_it_names(
    hub_demo: Flask, connection: Connection, code: str, others: bool
) -> None:
    second = copy_connection("Second", like=connection, sender="+15005550007")
    stranger = copy_connection(
        "Stranger", like=connection, account_sid="AC" + "9" * 32, sender="+15005550008"
    )
    queue_and_accept(connection)
    log_lines(hub_demo, code)
    assert paused_until(connection.id) > 5
    assert (paused_until(second) > 5) is others
    assert paused_until(stranger) == 0
    waiting = queue_text()
    assert delivery.record_and_claim([], {connection.id: 10}) == []
    assert status(waiting) == Status.QUEUED


@pytest.mark.parametrize("code", ["30032", "63051", "30002"])
def test_a_callback_that_names_a_broken_sender_pauses_its_connection_until_a_test_passes(
    hub_demo: Flask, connection: Connection, simulator: Any, code: str
) -> None:
    queue_and_accept(connection)
    waiting = queue_text()
    log_lines(hub_demo, code)
    broken = connection_of(connection)
    assert (broken.state, broken.state_reason) == (ConnectionState.BROKEN, catalog()[code].sentence)
    assert delivery.is_due() == []
    assert connection_tests.run_test(connection.id).check.ok
    assert connection_of(connection).enabled
    replay.replay(replay.Selection(since=now() - HOUR))
    assert connection_of(connection).enabled, "what is read again breaks nothing again"
    assert [one.message_id for one in delivery.record_and_claim([], {connection.id: 10})] == [
        waiting
    ]


def test_a_callback_about_an_attempt_from_before_a_passed_test_breaks_nothing(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    queue_and_accept(connection, "SM" + "1" * 32)
    assert connection_tests.run_test(connection.id).check.ok
    log_lines(hub_demo, "30032", "SM" + "1" * 32)
    assert connection_of(connection).enabled
    queue_and_accept(connection, "SM" + "2" * 32)
    log_lines(hub_demo, "30032", "SM" + "2" * 32)
    assert connection_of(connection).state == ConnectionState.BROKEN


@pytest.mark.parametrize("word", ["delivered", "sent", "read"])
def test_a_code_beside_good_news_pauses_nothing(
    hub_demo: Flask, connection: Connection, word: str
) -> None:
    for number, code in enumerate(["30032", "63038", "30005"]):
        sid = f"SM{number:032x}"
        queue_and_accept(connection, sid)
        log_lines(hub_demo, code, sid, word)
    assert connection_of(connection).enabled
    assert paused_until(connection.id) == count(Suppression) == 0
