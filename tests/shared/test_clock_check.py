"""Clocks that leap: nothing is deleted by age until the clock is correct or confirmed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, new_id, now
from hub.intake import retention
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import media
from hub.messaging.send import recipient_pacing
from hub.models import (
    AuditEntry,
    Event,
    IdempotencyKey,
    MediaFile,
    Message,
    MessageBody,
    ProviderCallback,
    RecipientPace,
    Setting,
    UserSession,
)
from hub.shared import clock_check, idempotency
from hub.shared.clock_check import ClockReading, State
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import SigningApp, event_body, signer_body

DAY = 86400.0
KEPT = (MessageBody, Event, IdempotencyKey, MediaFile, Message, ProviderCallback)


def count_rows() -> dict[str, int]:
    db.session.rollback()
    return {
        model.__name__: db.session.scalar(select(func.count()).select_from(model)) or 0
        for model in KEPT
    }


def add_events(signing_app: SigningApp) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]), Idempotency_Key="k1")
    add_rows()


@transaction
def add_rows() -> None:
    callback = ProviderCallback(
        id=new_id("rcp"), subject=new_id("x"), detail="", endpoint="e", scope="s", due_at=None
    )
    callback.request = {"body": "", "headers": {}}
    db.session.add(callback)


@pytest.mark.parametrize("days", [2, 8, 31, 366, 4000, -2, -366])
def test_leap_deletes_nothing(signing_app: SigningApp, days: int) -> None:
    add_events(signing_app)
    before = count_rows()
    with time_machine.travel(now() + timedelta(days=days)):
        for _ in range(3):
            chores.run_chores(ShutdownSignal(5))
        assert (
            idempotency.delete_old_responses()
            + recipient_pacing.delete_old_paces()
            + media.delete_expired()
            + retention.apply_retention()
            == 0
        )
        assert {**count_rows(), "Message": 1} == {**before, "Message": 1}
        add_rows()  # newer rows do not confirm the clock
        chores.run_chores(ShutdownSignal(5))
        assert count_rows()["MessageBody"] == before["MessageBody"]
    assert clock_check.is_trusted(), "it resumes when the clock is right again"
    assert count_rows()["Event"] == before["Event"]


def test_leap_after_a_first_check_is_detected(signing_app: SigningApp) -> None:
    add_events(signing_app)
    assert clock_check.is_trusted()
    with time_machine.travel(now() + timedelta(days=366)):
        assert not clock_check.is_trusted()
    assert clock_check.is_trusted()


def test_old_rows_are_deleted_while_the_clock_is_right(signing_app: SigningApp) -> None:
    add_events(signing_app)

    @transaction
    def add_old_rows() -> None:
        db.session.add(
            MessageBody(
                owner_id=first_id_at("msg", now() - timedelta(days=31)), content={"text": "x"}
            )
        )
        user = UserSession(
            digest=b"x" * 32, user_id=user_id, expires_at=now() - timedelta(seconds=1)
        )
        db.session.add(user)

    from hub.accounts import users

    user_id = users.create_user("dana@acme.example", "Dana")
    before = count_rows()
    add_old_rows()
    chores.run_chores(ShutdownSignal(5))
    assert count_rows() == before
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 0


def test_admin_confirms_the_clock_of_a_hub_that_was_off(
    app: Flask, browser_for: Callable[..., Browser]
) -> None:
    admin = browser_for(Role.ADMIN)
    viewer = browser_for(Role.VIEWER)
    with app.app_context():
        assert clock_check.is_trusted()
    assert "The clock" not in admin.get("/").text
    assert "The clock is correct. No action is needed." in admin.get("/clock").text
    with time_machine.travel(now() + timedelta(days=365)):
        for browser in (admin, viewer):
            browser.sign_in()
        assert "The clock may be wrong" in viewer.get("/").text
        page = viewer.get("/clock").text
        assert "365 days ahead of the time that Signpost expects" in page
        assert "Confirm the clock</button>" not in page
        assert viewer.post("/clock").status_code == 403
        body = app.test_client().get("/readyz").get_json()
        ahead = "The clock is 365 days ahead of the time that Signpost expects."
        assert (
            body["clock"]
            == f"{ahead} Signpost does not delete expired data until the clock is confirmed."
        )
        assert body["status"] == "degraded"
        assert "Confirm the clock</button>" in admin.get("/clock").text
        assert admin.post("/clock").status_code == 303
        assert "may be wrong" not in admin.get("/").text
        assert app.test_client().get("/readyz").get_json()["clock"] == "ok"
        assert "Confirmed the clock" in admin.get("/activity").text
        with app.app_context():
            assert clock_check.is_trusted()


def test_repeated_checks_do_not_write(in_app: Flask) -> None:
    assert clock_check.is_trusted()
    before = db.session.get_one(Setting, clock_check.SETTING).changed_at
    for _ in range(5):
        assert clock_check.is_trusted()
    db.session.rollback()
    assert db.session.get_one(Setting, clock_check.SETTING).changed_at == before


def test_system_without_proc_uses_the_process_uptime(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_check._boot_id.cache_clear()
    monkeypatch.setattr(Path, "read_text", lambda *_: (_ for _ in ()).throw(FileNotFoundError()))
    source, uptime = clock_check._uptime()
    assert source.startswith("process ")
    assert clock_check._uptime()[1] >= uptime
    clock_check._boot_id.cache_clear()


# ── Any sequence of leaps, restarts and pauses ────────────────────────────────────────────────────
class Machine:
    """A machine whose clock may be wrong, with a check about every ten minutes."""

    def __init__(self) -> None:
        self.true = 1_800_000_000.0
        self.offset = 0.0
        self.boot = 0
        self.booted_at = self.true
        self.state: State | None = None

    def mark(self) -> ClockReading:
        return ClockReading(
            self.true + self.offset, f"boot {self.boot}", self.true - self.booted_at
        )

    def check(self) -> bool:
        mark = self.mark()
        self.state = (self.state or State(mark, mark)).after(mark)
        return self.state.trusts_clock(mark)

    def run(self, hours: float) -> bool:
        believed = self.check()
        for _ in range(max(1, int(hours))):
            self.true += hours * 3600 / max(1, int(hours))
            believed = self.check()
        return believed

    def restart(self, off: float = 0.0) -> None:
        self.true += off
        self.boot = self.boot + 1
        self.booted_at = self.true


leaps = st.floats(5 * DAY, 5000 * DAY) | st.floats(-5000 * DAY, -5 * DAY)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.2, 20), leaps, st.booleans(), st.floats(0.2, 20)), max_size=6)
)
def test_clock_is_trusted_only_while_it_is_correct(
    story: list[tuple[float, float, bool, float]],
) -> None:
    machine = Machine()
    assert machine.check()
    for right, leap, restarted, wrong in story:
        assert machine.run(right)
        machine.offset = leap
        if restarted:
            machine.restart(off=600)
        assert not machine.run(wrong), "less than a week"
        machine.offset = 0.0
        assert machine.check(), "right again"


@settings(max_examples=examples(100), deadline=None)
@given(st.floats(68 * DAY, 5000 * DAY), st.booleans())
def test_leap_of_months_never_confirms_itself(leap: float, restarted: bool) -> None:
    machine = Machine()
    machine.run(5)
    machine.offset = leap
    if restarted:
        machine.restart(off=600)
    for _ in range(6):
        assert not machine.run(5 * 24)
    machine.offset = 0.0
    assert machine.run(8 * 24), "right again"


@settings(max_examples=examples(100), deadline=None)
@given(st.floats(5 * DAY, 59 * DAY))
def test_hub_that_was_off_is_trusted_after_a_week(off: float) -> None:
    machine = Machine()
    machine.run(5)
    machine.restart(off)
    assert not machine.run(6.9 * 24)
    assert machine.run(0.2 * 24)


@settings(max_examples=examples(100), deadline=None)
@given(st.floats(0, 3.9 * DAY), st.booleans())
def test_weekend_off_raises_no_alarm(off: float, rebooted: bool) -> None:
    machine = Machine()
    machine.run(5)
    if rebooted:
        machine.restart(off)
    else:
        machine.true += off * 100  # stopped for long on a machine that ran on
    assert machine.check()


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.floats(2 * 3600, 23 * 3600), min_size=40, max_size=60))
def test_small_leaps_do_not_add_up(steps: list[float]) -> None:
    machine = Machine()
    believed = True
    machine.check()
    for step in steps:
        machine.offset += step
        believed = machine.run(0.5)
    assert not believed


def test_admin_pages_ignore_a_small_difference(admin: Browser, app: Flask) -> None:
    with app.app_context():
        clock_check.is_trusted()
        assert db.session.scalar(select(func.count()).select_from(RecipientPace)) == 0
        assert db.session.scalar(select(func.count()).select_from(AuditEntry)) is not None
    with time_machine.travel(now() + timedelta(hours=10)):
        assert "may be wrong" not in admin.get("/").text


@pytest.mark.parametrize("stored", [b"\x00", b"", b"{"])
def test_damaged_check_deletes_nothing_until_confirmed(
    app: Flask, admin: Browser, stored: bytes
) -> None:
    @transaction
    def damage() -> None:
        db.session.get_one(Setting, clock_check.SETTING)._value = stored

    with app.app_context():
        assert clock_check.is_trusted()
        damage()
        assert not clock_check.is_trusted()
    assert clock_check.DAMAGED in admin.get("/").text
    assert clock_check.DAMAGED in admin.get("/clock").text
    assert clock_check.DAMAGED in app.test_client().get("/readyz").get_json()["clock"]
    assert admin.post("/clock").status_code == 303
    with app.app_context():
        assert clock_check.is_trusted()
