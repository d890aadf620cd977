"""Changed settings of reminders reach all open requests in batches, also after a crash."""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select, update

from hub.core.vocabulary import RequestState, SignerState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.models import Signer, SigningRequest, Source
from hub.signing import reminder_rechecks
from tests.effort import examples
from tests.hub_fixtures import SigningApp, source_id
from tests.signing.reminder_steps import DAY, check, let_pass, reminders_to, send
from tests.signing.test_reminder_settings import save_reminders


@transaction
def store_requests(states: list[tuple[RequestState, SignerState]]) -> None:
    """Store requests with one signer each, whom no chore checks."""
    db.session.execute(delete(Signer))
    db.session.execute(delete(SigningRequest))
    for number, (state, signer_state) in enumerate(states):
        row = SigningRequest(
            source_id=source_id(),
            external_id=f"agr-{number}",
            test=True,
            state=state.value,
            reported_at=now(),
        )
        db.session.add(row)
        db.session.flush()
        db.session.add(
            Signer(
                request_id=row.id,
                external_id="eric",
                state=signer_state.value,
                reported_at=now(),
            )
        )
        db.session.flush()


def marked() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(Signer.remind_at.is_not(None))) or 0


def position() -> str | None:
    db.session.rollback()
    return db.session.scalars(
        select(Source.reminders_position).where(Source.id == source_id())
    ).one()


@pytest.fixture
def small_batches(hub_demo: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminder_rechecks, "BATCH", 3)


OPEN = (RequestState.OPEN, SignerState.PENDING)
requests = st.lists(
    st.tuples(st.sampled_from(RequestState), st.sampled_from(SignerState)), max_size=14
)


@settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(states=requests)
def test_all_pending_signers_of_open_requests_are_checked(
    small_batches: None, states: list[tuple[RequestState, SignerState]]
) -> None:
    store_requests(states)
    reminder_rechecks.begin(source_id())
    reminder_rechecks.mark_all(ShutdownSignal(10))
    wanted = [
        state for state, signer in states if state == RequestState.OPEN and signer.has_not_signed
    ]
    assert marked() == len(wanted)
    assert position() is None
    assert not reminder_rechecks.is_due()


def test_first_batch_is_marked_at_once_and_another_process_continues(small_batches: None) -> None:
    store_requests([OPEN] * 8)
    reminder_rechecks.begin(source_id())
    assert marked() == 3
    assert reminder_rechecks.is_due()
    assert chores.is_due()
    reminder_rechecks.mark_next(source_id())  # then the process ends
    assert marked() == 6
    reminder_rechecks.mark_all(ShutdownSignal(10))
    assert (marked(), position()) == (8, None)


def test_crash_within_a_batch_loses_nothing(small_batches: None) -> None:
    store_requests([OPEN] * 8)
    reminder_rechecks.begin(source_id())

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    event.listen(db.engine, "before_cursor_execute", crash, named=False)
    try:
        with pytest.raises(KeyboardInterrupt):
            reminder_rechecks.mark_next(source_id())
    finally:
        event.remove(db.engine, "before_cursor_execute", crash)
    db.session.rollback()
    assert marked() == 3
    reminder_rechecks.mark_all(ShutdownSignal(10))
    assert marked() == 8


def test_change_while_batches_are_left_begins_again(small_batches: None) -> None:
    store_requests([OPEN] * 8)
    reminder_rechecks.begin(source_id())

    @transaction
    def forget() -> None:
        db.session.execute(update(Signer).values(remind_at=None))

    forget()
    reminder_rechecks.begin(source_id())
    reminder_rechecks.mark_all(ShutdownSignal(10))
    assert marked() == 8


def test_stopping_leaves_the_rest_for_later(small_batches: None) -> None:
    store_requests([OPEN] * 8)
    reminder_rechecks.begin(source_id())
    assert reminder_rechecks.mark_all(ShutdownSignal(0)) == 0
    assert reminder_rechecks.is_due()


def test_every_batch_is_a_bounded_transaction(small_batches: None) -> None:
    store_requests([OPEN] * 8)
    writes: list[str] = []

    def note(_: object, __: object, statement: str, parameters: object, *rest: object) -> None:
        if statement.startswith("UPDATE signers"):
            writes.append(str(parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        reminder_rechecks.begin(source_id())
        reminder_rechecks.mark_all(ShutdownSignal(10))
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert len(writes) == 3


def test_saved_settings_reach_requests_of_later_batches(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminder_rechecks, "BATCH", 1)
    for number in range(3):
        send(signing_app, id=f"agr-{number}")
    let_pass(1.5 * DAY)
    assert check() == 0, "they are next checked when their reminder is due, after 3 days"
    let_pass(0.5 * DAY)
    save_reminders(days=[2], days_before_expiry=[], most=5, working_days=False)
    check()
    assert len(reminders_to()) == 1
    reminder_rechecks.mark_all(ShutdownSignal(10))
    check()
    assert len(reminders_to()) == 3
