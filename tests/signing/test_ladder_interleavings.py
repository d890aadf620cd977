"""No signer is asked to sign after the signature is stored, in any order of what can happen.

Reminders, fallbacks, reports, opt-outs, broken connections and signatures are interleaved, also
with calls of the provider that are in progress and with a list of due fallbacks that is outdated.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from flask import current_app
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from hub.core.errors import Conflict, OutcomeUnknown, PermanentError, SendError, TransientError
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, StatusUpdate
from hub.messaging.compose import resend
from hub.messaging.contacts import suppressions
from hub.messaging.send import calls, claims
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Attempt, Event, Message, SigningRequest, Throttle
from hub.signing import ladders, reminders
from tests.effort import sized
from tests.hub_fixtures import set_connection_state
from tests.signing.ladder_steps import (
    SMS_EMAIL,
    SMS_WHATSAPP,
    connection_of,
    eric,
    escalate,
    post,
    set_route,
)

NUMBERS = count(1)
CHANNELS = ("sms", "whatsapp", "email")
REPORTS = (Status.SENT, Status.DELIVERED, Status.READ, Status.UNDELIVERED, Status.FAILED)
FAILURES: tuple[SendError, ...] = (
    PermanentError("Rejected.", "21211"),
    TransientError("Try again.", "30008"),
    OutcomeUnknown("No response.", "no_answer"),
)


@transaction
def make_everything_due() -> None:
    db.session.execute(update(Throttle).values(ready_at=None, bulk_ready_at=None, refilled_at=None))
    db.session.execute(update(Message).where(Message.status == Status.QUEUED).values(due_at=now()))


@transaction
def end_all_times() -> None:
    db.session.execute(
        update(Message).where(Message.escalate_at.is_not(None)).values(escalate_at=now())
    )


@transaction
def put_away() -> None:
    """End what a run has left, so that it does not disturb the next one."""
    db.session.execute(
        update(Message).values(status=Status.CANCELED.value, escalate_at=None, due_at=None)
    )


class Interleavings(RuleBasedStateMachine):
    """One signer with an invitation that has fallbacks, and reminders that have some too."""

    @initialize()
    def invite(self) -> None:
        number = next(NUMBERS)
        self.request = {"id": f"agr-{number}", "title": "Lease", "sender": {"name": "Acme HR"}}
        self.number = f"+1317555{number:04}"
        self.email = f"eric{number}@example.com"
        self.signer = eric(mobile_number=self.number, email=self.email)
        self.calls: list[calls.Claim] = []
        self.outdated: list[Any] = []
        self.attempts_at_signature: int | None = None
        self.signed_by = ""  # the event that ended the asking
        self.post("request.sent", signers=[self.signer])
        query = select(SigningRequest.id).where(SigningRequest.external_id == self.request["id"])
        self.request_id = db.session.scalars(query).one()

    def post(self, kind: str, **fields: Any) -> None:
        post(kind, request=self.request, **fields)

    # ── What the app and people do ────────────────────────────────────────────────────────────────
    @rule()
    def repeat_the_invitation(self) -> None:
        self.post("request.sent", signers=[self.signer])
        if self.signed_by == "request.declined":  # the app asks again
            self.attempts_at_signature = None
            self.signed_by = ""

    @rule()
    def remind(self) -> None:
        try:
            reminders.remind(self.request_id)
        except Conflict:
            db.session.rollback()

    @rule(ends=st.booleans())
    def snooze(self, ends: bool) -> None:
        try:
            (reminders.unsnooze if ends else reminders.snooze)(self.request_id)
        except Conflict:
            db.session.rollback()

    @rule()
    def view(self) -> None:
        self.post("request.viewed", signer="eric")

    @precondition(lambda self: self.attempts_at_signature is None)
    @rule(kind=st.sampled_from(["request.signed", "request.declined", "request.completed"]))
    def sign(self, kind: str) -> None:
        self.post(kind, **({} if kind == "request.completed" else {"signer": "eric"}))
        self.signed_by = kind
        self.attempts_at_signature = self.count_attempts()
        asking = select(Event.id).where(Event.type.in_(["request.sent", "request.reminder"]))
        timed = select(func.count()).where(
            Message.request_id == self.request_id,
            Message.escalate_at.is_not(None),
            Message.event_id.in_(asking),
        )
        assert db.session.scalar(timed) == 0

    @rule(channel=st.sampled_from(["sms", "whatsapp", "email"]))
    def opt_out(self, channel: str) -> None:
        address = self.email if channel == "email" else self.number
        suppressions.add_opt_out(address, channel=channel, test=True)

    @rule(index=st.integers(0, 5))
    def resend_by_hand(self, index: int) -> None:
        messages = self.messages()
        try:
            resend.resend(messages[index % len(messages)].id)
        except Conflict:
            db.session.rollback()

    # ── What the workers do ───────────────────────────────────────────────────────────────────────
    @rule(channel=st.sampled_from(CHANNELS))
    def claim(self, channel: str) -> None:
        make_everything_due()
        self.calls += claims.record_and_claim([], {connection_of(channel).id: 4})

    @precondition(lambda self: self.calls)
    @rule(error=st.sampled_from([None, None, *FAILURES]))
    def end_call(self, error: SendError | None) -> None:
        claim = self.calls.pop(0)
        accepted = None if error else Accepted(f"SM{claim.message_id}{claim.number}")
        claims.record_and_claim([calls.Outcome(claim, accepted, error, now(), 5, 201)], {})

    @rule(index=st.integers(0, 5), status=st.sampled_from(REPORTS), outside=st.booleans())
    def receive_report(self, index: int, status: Status, outside: bool) -> None:
        tried = [message for message in self.messages() if message.tries]
        if not tried:
            return
        message = tried[index % len(tried)]
        update = StatusUpdate(
            message_id=message.id,
            attempt=message.tries,
            provider_status=status.value,
            status=status,
            outside_window=outside and status == Status.FAILED,
        )
        statuses.apply_status(update, Origin("callback", [message.connection_id]))

    @rule()
    def list_due_fallbacks(self) -> None:
        end_all_times()
        due = select(Message.id, Message.request_id).where(Message.escalate_at.is_not(None))
        self.outdated = list(db.session.execute(due))
        db.session.rollback()

    @rule()
    def act_on_the_outdated_list(self) -> None:
        for message_id, request_id in self.outdated:
            ladders._escalate_alone(message_id, request_id)

    @rule()
    def escalate(self) -> None:
        end_all_times()
        escalate()

    @rule(channel=st.sampled_from(CHANNELS), works=st.booleans())
    def change_connection(self, channel: str, works: bool) -> None:
        state = ConnectionState.ENABLED if works else ConnectionState.BROKEN
        set_connection_state(connection_of(channel).id, state)
        ladders.time_waiting_messages()

    # ── What must hold ────────────────────────────────────────────────────────────────────────────
    @invariant()
    def nobody_is_asked_after_the_signature(self) -> None:
        if getattr(self, "attempts_at_signature", None) is not None:
            assert self.count_attempts() == self.attempts_at_signature

    @invariant()
    def each_message_has_one_successor_and_no_step_repeats_itself(self) -> None:
        if not hasattr(self, "request_id"):
            return
        chains: dict[str, int] = {}
        for message in self.messages():
            assert chains.get(message.after_id or "", 0) < 12
            chains[message.id] = chains.get(message.after_id or "", 0) + 1

    def messages(self) -> list[Message]:
        db.session.rollback()
        query = select(Message).where(Message.request_id == self.request_id)
        return list(db.session.scalars(query.order_by(Message.id)))

    def count_attempts(self) -> int:
        """Count the attempts of messages that ask to sign."""
        db.session.rollback()
        asks = select(Message.id).join(Event, Event.id == Message.event_id)
        asks = asks.where(
            Message.request_id == self.request_id,
            Event.type.in_(["request.sent", "request.reminder"]),
        )
        query = select(func.count()).select_from(Attempt).where(Attempt.message_id.in_(asks))
        return db.session.scalar(query) or 0

    def teardown(self) -> None:
        db.session.rollback()
        put_away()
        for channel in CHANNELS:
            set_connection_state(connection_of(channel).id, ConnectionState.ENABLED)


@pytest.mark.usefixtures("ladder")
def test_nobody_is_asked_to_sign_after_signing() -> None:
    set_route(*SMS_WHATSAPP, ("email", "opened", 60))
    set_route(
        *SMS_EMAIL,
        event_type="request.reminder",
    )
    current_app.extensions.pop("hub.cached", None)
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=sized(300, 8), stateful_step_count=sized(40, 25), deadline=None
        ),
    )
