"""Calls that are no longer needed are canceled at the provider while they wait or ring."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import claims
from hub.messaging.send.calls import Claim
from hub.messaging.send.dispatcher import call_provider
from hub.messaging.state import withdrawals
from hub.messaging.track import withdraw_messages
from hub.messaging.track.timeline import timeline
from hub.models import Connection, Message, Withdrawal
from hub.signing import contact_erasure, stopping
from tests.hub_fixtures import clear_throttle, message, status, update_message
from tests.messaging.voice_steps import calls, let_it_be_day, press, report, settle
from tests.signing.ladder_steps import eric, post, set_route

NUMBERS = (f"+4420718{number:05d}" for number in count(38_000))
ENDINGS = ("request.signed", "request.declined", "request.canceled", "request.expired")


@pytest.fixture
def voice(hub_demo: Flask, simulator: Any) -> Connection:
    """Invite signers by a call, and nobody else."""
    set_route(("voice", None, None))
    return calls(hub_demo)


class Ringing:
    """An invitation of a signer by a call, as the provider and the hub see it."""

    def __init__(self, app: Flask, simulator: Any, voice: Connection) -> None:
        self.app = app
        self.simulator = simulator.extensions["simulator"]
        self.voice = voice
        self.number = next(NUMBERS)
        self.request = {"id": f"agr-{self.number}", "title": "Contract"}
        post(request=self.request, signers=[eric(mobile_number=self.number, email=None)])
        self.message_id = db.session.scalars(
            select(Message.id).order_by(Message.id.desc()).limit(1)
        ).one()
        let_it_be_day(self.message_id)
        db.session.rollback()

    def claim(self) -> Claim:
        clear_throttle(self.voice)
        [claim] = claims.record_and_claim([], {self.voice.id: 1})
        assert claim.message_id == self.message_id
        return claim

    def ring(self) -> Ringing:
        """Let the provider accept the call. The test posts its callbacks."""
        outcome = call_provider(self.claim())
        self.simulator.calls.change(self.sid, callback="")
        claims.record_and_claim([outcome], {})
        assert status(self.message_id) == "accepted"
        return self

    def end_request(self, kind: str = "request.signed") -> None:
        signer = (
            {"signer": {"id": "eric"}} if kind in ("request.signed", "request.declined") else {}
        )
        post(kind, request=self.request, **signer)

    @property
    def sid(self) -> str:
        return self.at_provider.sid

    @property
    def at_provider(self) -> Any:
        [call] = [call for call in self.simulator.calls.all() if call.to == self.number]
        return call

    def report(self, *names: str) -> None:
        for name in names:
            answer = report(self.app, name, message=self.message_id, sid=self.sid, to=self.number)
            assert answer.status_code == 200
            settle()

    def facts(self) -> list[str]:
        db.session.rollback()
        return [entry.kind for entry in timeline(message(self.message_id))]


def waiting() -> list[Withdrawal]:
    db.session.rollback()
    return list(db.session.scalars(select(Withdrawal)))


def withdraw(times: int = 1) -> None:
    """Run the chore, again after each pause."""
    for _ in range(times):
        make_due()
        withdraw_messages.withdraw_messages()


@transaction
def make_due() -> None:
    for row in db.session.scalars(select(Withdrawal)):
        row.due_at = now() - timedelta(seconds=1)


# ── What ends a call ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", ENDINGS)
def test_ringing_call_is_canceled_when_the_request_needs_no_call(
    hub_demo: Flask, simulator: Any, voice: Connection, kind: str
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    assert not withdrawals.is_due()
    call.end_request(kind)
    assert call.at_provider.status != "canceled", "no provider is called within a transaction"
    assert withdrawals.is_due()
    chores.run_chores(ShutdownSignal(10))
    assert call.at_provider.status == "canceled"
    assert (status(call.message_id), message(call.message_id).code) == (
        "undelivered",
        "call_canceled",
    )
    assert call.facts()[-2:] == ["withdrawn", "canceled"]
    assert waiting() == []


def test_call_to_an_erased_person_is_canceled(
    hub_demo: Flask, simulator: Any, voice: Connection
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    contact_erasure.erase_contact(message(call.message_id).contact_id, reason="asked by email")
    withdraw()
    assert call.at_provider.status == "canceled"


def test_call_of_a_signer_whom_a_user_stopped_is_canceled(
    hub_demo: Flask, simulator: Any, voice: Connection
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    stopping.stop_signer(message(call.message_id).request_id or "", "eric")
    withdraw()
    assert call.at_provider.status == "canceled"


@pytest.mark.parametrize("is_first", [False, True])
def test_call_that_was_being_made_is_canceled_when_it_is_accepted(
    hub_demo: Flask, simulator: Any, voice: Connection, is_first: bool
) -> None:
    """`is_first`: a callback arrives before the response to the call."""
    call = Ringing(hub_demo, simulator, voice)
    claim = call.claim()
    call.end_request()
    assert waiting() == []
    outcome = call_provider(claim)
    if is_first:
        call.report("ringing")
        withdraw()
    claims.record_and_claim([outcome], {})
    withdraw()
    assert call.at_provider.status == "canceled"
    assert call.facts().count("withdrawn") == 1
    assert "too_late" in call.facts()


def test_other_messages_are_not_withdrawn(
    hub_demo: Flask, simulator: Any, voice: Connection
) -> None:
    set_route(("sms", None, None), ("voice", "delivered", 30))
    post(signers=[eric(email=None)])
    [sms] = db.session.scalars(select(Message)).all()
    update_message(sms.id, status="accepted", escalate_at=now() + timedelta(minutes=30))
    post("request.signed", signer={"id": "eric"})
    assert message(sms.id).stop_reason == "signed"
    assert waiting() == []


# ── Interleavings ─────────────────────────────────────────────────────────────────────────────────
@given(
    before=st.lists(st.sampled_from(["queued", "initiated", "ringing"]), max_size=3),
    after=st.permutations(["ringing", "canceled", "canceled"]),
    runs=st.integers(1, 3),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_reports_before_and_after_the_response_give_one_result(
    hub_demo: Flask, simulator: Any, voice: Connection, before: Any, after: Any, runs: int
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    call.report(*before)
    call.end_request()
    split = len(after) * (runs - 1) // 2
    call.report(*after[:split])
    withdraw(runs)
    call.report(*after[split:])
    assert (status(call.message_id), message(call.message_id).code) == (
        "undelivered",
        "call_canceled",
    )
    assert call.facts().count("withdrawn") <= 1
    assert waiting() == []
    if "canceled" not in after[:split]:
        assert call.at_provider.status == "canceled"


@given(
    reported=st.booleans(),
    key=st.booleans(),
    order=st.permutations(["ringing", "in-progress", "completed"]),
)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_call_that_a_person_answers_just_then_goes_on(
    hub_demo: Flask, simulator: Any, voice: Connection, reported: bool, key: bool, order: Any
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    call.end_request()
    call.simulator.line.answer(call.sid)
    if reported:
        call.report("in-progress")
    withdraw(3)
    assert call.at_provider.status == "in-progress"
    assert call.facts().count("not_withdrawn") == (0 if reported else 1)
    assert waiting() == []
    if key:
        assert press(hub_demo, "2", message=call.message_id, sid=call.sid).status_code == 200
    call.report(*order)
    call.simulator.line.end(call.sid, "completed")
    assert status(call.message_id) == ("delivered" if key else "undelivered")


@pytest.mark.parametrize("fails", [1, 3, 4])
def test_provider_that_fails_is_asked_again(
    hub_demo: Flask, simulator: Any, voice: Connection, fails: int
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    call.end_request()
    call.simulator.faults.set(fail=fails)
    withdraw(fails)
    assert call.at_provider.status != "canceled"
    assert len(waiting()) == 1
    assert not withdrawals.is_due(), "there is a pause before the next try"
    withdraw()
    assert call.at_provider.status == "canceled"
    assert call.facts().count("withdrawn") == 1
    assert waiting() == []


def test_provider_that_always_fails_is_asked_five_times(
    hub_demo: Flask, simulator: Any, voice: Connection
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    call.end_request()
    call.simulator.faults.set(fail=100)
    withdraw(10)
    assert call.simulator.faults.fail == 95
    assert call.facts()[-1] == "not_withdrawn"
    assert waiting() == []
    call.simulator.faults.set(fail=0)
    call.report("no-answer")
    assert (status(call.message_id), message(call.message_id).code) == ("undelivered", "no_answer")


def test_worker_that_ends_during_the_request_is_replaced(
    hub_demo: Flask, simulator: Any, voice: Connection
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    call.end_request()
    make_due()
    withdraw_messages._claim()  # then the process ends
    assert len(waiting()) == 1
    withdraw()
    assert call.at_provider.status == "canceled"


def test_canceled_call_is_not_made_again(
    hub_demo: Flask, simulator: Any, voice: Connection
) -> None:
    call = Ringing(hub_demo, simulator, voice).ring()
    call.end_request()
    call.report("busy")
    withdraw()
    followers = select(Message.id).where(Message.after_id == call.message_id)
    assert db.session.scalars(followers).all() == []
    assert waiting() == []
