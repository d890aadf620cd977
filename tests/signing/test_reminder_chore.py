"""The chore sends each reminder at most once, by any number of workers and with any clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.shutdown import ShutdownSignal
from hub.models import (
    QuarantinedRow,
    Signer,
    SigningRequest,
)
from hub.shared import clock_check
from hub.signing import automatic_reminders, ladders, reminder_clock
from tests.conftest import POSTGRES
from tests.hub_fixtures import SigningApp, signer_body, update_message
from tests.signing.ladder_steps import SMS_EMAIL, set_route
from tests.signing.reminder_steps import (
    DAY,
    check,
    daytime,
    let_pass,
    post,
    reminders_after,
    reminders_to,
    send,
    signer,
    zone_at_noon,
)


# ── Workers ───────────────────────────────────────────────────────────────────────────────────────
def test_two_workers_send_a_reminder_once(app: Flask, signing_app: SigningApp) -> None:
    for number in range(3):
        send(signing_app, id=f"agr-{number}")
    let_pass(3 * DAY)
    request_ids = list(db.session.scalars(select(SigningRequest.id)))
    db.session.rollback()

    def work(request_id: str) -> int:
        with app.app_context():
            return automatic_reminders.check_request(request_id)

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, [*request_ids, *request_ids])) == 3
    assert len(reminders_to()) == 3


def test_reminder_is_due_again_after_a_crash(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(3 * DAY)
    request_id = signer().request_id

    @transaction
    def crash() -> None:
        assert automatic_reminders.check_request(request_id) == 1
        raise MemoryError

    with pytest.raises(MemoryError):
        crash()
    assert reminders_to() == []
    assert check() == 1
    assert len(reminders_to()) == 1


def test_signature_that_comes_first_wins(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(3 * DAY)
    request_id = signer().request_id  # the chore has chosen it
    post(signing_app, "signed", signer="eric")
    assert automatic_reminders.check_request(request_id) == 0
    assert reminders_to() == []


def test_unreadable_request_does_not_delay_others(signing_app: SigningApp) -> None:
    send(signing_app, id="agr-1")
    send(signing_app, id="agr-2")
    let_pass(3 * DAY)
    damaged = db.session.scalars(
        select(SigningRequest.id).where(SigningRequest.external_id == "agr-1")
    ).one()

    @transaction
    def damage() -> None:
        db.session.execute(update(Signer).where(Signer.request_id == damaged).values(_details=b"?"))

    damage()
    assert check() == 1
    assert [row.row_id for row in db.session.scalars(select(QuarantinedRow))] == [damaged]
    assert not automatic_reminders.is_due()


def test_nobody_is_reminded_by_a_clock_that_cannot_be_trusted(signing_app: SigningApp) -> None:
    send(signing_app)
    assert clock_check.is_trusted()
    with time_machine.travel(now() + 30 * DAY, tick=True):
        let_pass(timedelta())
        assert automatic_reminders.send_due(ShutdownSignal(10)) == 0
    assert reminders_to() == []


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=400)])
def test_clock_that_was_ahead_for_a_moment_delays_no_reminder(
    signing_app: SigningApp, ahead: timedelta
) -> None:
    with time_machine.travel(now() + ahead, tick=True):
        send(signing_app)
    assert reminder_clock.correct_reminders() == 1
    assert reminder_clock.correct_reminders() == 0
    assert check() == 0
    assert [days for days in range(1, 9) if reminders_after(1)] == [3, 7]


def test_usual_times_are_not_corrected(signing_app: SigningApp) -> None:
    send(signing_app, reminders={"days": [300]})
    assert reminder_clock.correct_reminders() == 0
    let_pass(DAY)
    assert reminder_clock.correct_reminders() == 0


def test_next_step_of_an_automatic_reminder_waits_for_the_morning(
    signing_app: SigningApp,
) -> None:
    demo.connect_chats_and_mail()
    set_route(*SMS_EMAIL, event_type="request.reminder")
    send(signing_app, daytime("Eric", email="eric@example.com"))
    let_pass(3 * DAY)
    assert check() == 1
    [reminder] = reminders_to()
    night = zone_at_noon(-12)
    post(signing_app, "viewed", signers=[signer_body("Eric", time_zone=night)])
    update_message(reminder.id, status="undelivered", escalate_at=now())
    ladders.escalate_due(lambda: True)
    [reminder] = reminders_to()
    assert reminder.escalate_at is not None
    assert reminder.escalate_at.astimezone(ZoneInfo(night)).hour == 8
    post(signing_app, "viewed", signers=[daytime("Eric")])
    update_message(reminder.id, escalate_at=now())
    ladders.escalate_due(lambda: True)
    assert [message.channel for message in reminders_to()] == ["sms", "email"]


# ── A month ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.skipif(bool(POSTGRES), reason="PostgreSQL has its own clock")
@pytest.mark.parametrize(
    ("zone", "first_day"),
    [
        ("America/New_York", "2026-10-20"),
        ("America/New_York", "2027-03-02"),
        ("Europe/Berlin", "2026-10-12"),
        ("Europe/Berlin", "2027-03-15"),
        ("Australia/Sydney", "2027-03-22"),
        ("Australia/Sydney", "2026-09-22"),
        ("America/Santiago", "2027-03-22"),
        ("Australia/Lord_Howe", "2026-09-22"),  # by half an hour
    ],
)
def test_reminders_of_a_month_keep_the_time_of_day_when_clocks_change(
    signing_app: SigningApp, zone: str, first_day: str
) -> None:
    begins = datetime.fromisoformat(f"{first_day}T09:30").replace(tzinfo=ZoneInfo(zone))
    with time_machine.travel(begins, tick=True):
        confirm_clock()
        send(
            signing_app,
            signer_body("Eric", time_zone=zone),
            expires_at=(begins.replace(tzinfo=None) + 30 * DAY)
            .replace(tzinfo=ZoneInfo(zone))
            .isoformat(),
        )
    sent = []
    while (remind_at := signer().remind_at) is not None:
        assert check_at(remind_at - timedelta(minutes=1)) == 0
        if check_at(remind_at):
            sent.append(remind_at.astimezone(ZoneInfo(zone)))
    days = [(at.date() - begins.date()).days for at in sent]
    assert days == [3, 7, 14, 29]
    assert {f"{at:%H:%M}" for at in sent} == {"09:30"}
    offsets = {at.utcoffset() for at in sent}
    assert len(offsets) == 2, "the clocks changed meanwhile"


def check_at(moment: datetime) -> int:
    """Run the chore at a time, and return the number of reminded signers."""
    with time_machine.travel(moment, tick=True):
        confirm_clock()
        return check()


def confirm_clock() -> None:
    """Trust the clock of the simulated time."""
    db.session.rollback()
    clock_check.confirm()
