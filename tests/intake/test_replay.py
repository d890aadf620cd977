"""Replaying kept receipts: what was missed is made up for, and nothing else changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select, update

from hub.core.errors import NotFound, Refused
from hub.db.compiled_sql import table_of
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id, now
from hub.intake import process_callbacks, replay
from hub.intake.replay import Report, Selection
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.models import Attempt, Audit, Connection, Message, PlatformEvent, Receipt, StatusEvent
from tests.conftest import close, make_app
from tests.hub_fixtures import (
    a_connection,
    a_form,
    a_message,
    about,
    call_back,
    change,
    count,
    receipts,
    settle_receipts,
    status,
    told,
    words,
)

SID = "SM" + "0" * 32
EVERYTHING = Selection(since=datetime(2020, 1, 1, tzinfo=UTC))
FAILED = Selection(failed=True)


@pytest.fixture
def sent(connection: Connection) -> str:
    """Give a message that Twilio has accepted as SID."""
    return a_sent_message(connection, SID)


def a_sent_message(connection: Connection, sid: str) -> str:
    message_id = a_message(text=sid)
    [claim] = claims.record_and_claim([], {connection.id: 1})
    claims.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})
    return message_id


@pytest.fixture
def delivered(hub_demo: Flask, sent: str) -> str:
    """Give a message whose three callbacks are settled."""
    for word in ("queued", "sent", "delivered"):
        call_back(hub_demo, a_form(hub_demo, SID, word), target=about(sent))
    assert settle_receipts() == 3
    return sent


def everything(*models: Any) -> dict[str, list[Any]]:
    """Return every row of tables, to be compared."""
    db.session.rollback()
    return {
        model.__tablename__: [tuple(row) for row in db.session.execute(select(table_of(model)))]
        for model in models or (Message, Attempt, StatusEvent, PlatformEvent, Receipt)
    }


@transaction
def forget(message_id: str, words: tuple[str, ...] = ()) -> None:
    """Put a message back to where it was before its callbacks, as an old backup does; or only some
    of what they told.
    """
    facts = delete(StatusEvent).where(
        StatusEvent.message_id == message_id, StatusEvent.source == "callback"
    )
    db.session.execute(facts.where(StatusEvent.word.in_(words)) if words else facts)
    db.session.execute(delete(PlatformEvent).where(PlatformEvent.message_id == message_id))
    db.session.execute(
        update(Message).where(Message.id == message_id).values(status="accepted", code="")
    )


@transaction
def put(receipt_id: str, **columns: Any) -> None:
    db.session.execute(update(table_of(Receipt)).where(Receipt.id == receipt_id).values(**columns))


def sealed(receipt_id: str) -> bytes:
    found = db.session.scalar(select(Receipt._request).where(Receipt.id == receipt_id))
    assert found is not None
    return found


def time_passes() -> Any:
    """Let it be so late that what does not settle is given up."""
    return time_machine.travel(now() + process_callbacks.LOOK_FOR + timedelta(minutes=1))


# ── Nothing was missed ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "selection",
    [EVERYTHING, Selection(message=SID), Selection(message=SID, since=EVERYTHING.since)],
)
def test_where_nothing_was_missed_nothing_changes(delivered: str, selection: Selection) -> None:
    before = everything()
    report = replay.replay(selection)
    assert everything() == before
    assert (
        report.read,
        report.known,
        report.new,
        report.messages,
        report.events,
        report.failed,
    ) == (3, 3, 0, 0, 0, 0)
    assert not report.missed


def test_what_was_already_better_known_is_not_taken_back(delivered: str) -> None:
    change(delivered, status="read")
    assert not replay.replay(EVERYTHING).missed
    assert status(delivered) == "read"


def test_of_nothing_nothing_is_replayed(hub_demo: Flask) -> None:
    assert replay.replay(EVERYTHING) == replay.replay(FAILED) == Report()
    assert db.session.scalar(select(Audit.id).where(Audit.action.like("%.replayed"))) is None


# ── Something was ─────────────────────────────────────────────────────────────────────────────────
def test_after_an_old_backup_the_facts_are_applied_again_once(delivered: str) -> None:
    forget(delivered)
    report = replay.replay(EVERYTHING)
    assert (status(delivered), told(delivered)) == ("delivered", ["sms_delivered", "sms_sent"])
    assert words(delivered) == ["queued", "sent", "delivered"]
    assert (
        report.read,
        report.new,
        report.known,
        report.messages,
        report.events,
        report.missed,
    ) == (3, 3, 0, 1, 2, True)
    assert not replay.replay(EVERYTHING).missed


def test_a_single_fact_that_was_missed_is_told_apart_from_those_that_were_not(
    delivered: str,
) -> None:
    forget(delivered, ("delivered",))
    report = replay.replay(Selection(message=delivered))
    assert (report.new, report.known, report.messages, status(delivered)) == (1, 2, 1, "delivered")


def test_what_an_older_version_read_wrongly_is_put_right(delivered: str) -> None:
    @transaction
    def misread() -> None:
        db.session.execute(
            update(StatusEvent).where(StatusEvent.word == "delivered").values(status=None)
        )
        db.session.execute(delete(PlatformEvent).where(PlatformEvent.type == "sms_delivered"))

    misread()
    change(delivered, status="sent")
    report = replay.replay(EVERYTHING)
    assert (status(delivered), told(delivered)) == ("delivered", ["sms_delivered", "sms_sent"])
    assert (report.new, report.messages, report.events, report.missed) == (
        0,
        1,
        1,
        True,
    ), "the fact was known, what it means was not"


def test_a_receipt_whose_key_was_missing_is_settled_once_it_is_back(
    hub_demo: Flask, delivered: str
) -> None:
    call_back(hub_demo, a_form(hub_demo, SID, "read"), target=about(delivered))
    last = receipts()[-1].id
    whole = sealed(last)
    put(last, request=whole[:-1] + bytes([whole[-1] ^ 1]))
    with time_passes():
        settle_receipts()
    assert "k1" in receipts()[-1].error
    report = replay.replay(FAILED)
    assert (report.read, report.failed, status(delivered)) == (1, 1, "delivered")
    [why] = report.reasons
    assert "k1" in why, "it names the key"
    put(last, request=whole)
    report = replay.replay(FAILED)
    assert (report.read, report.new, report.failed, status(delivered)) == (1, 1, 0, "read")
    assert (receipts()[-1].due_at, receipts()[-1].error) == (None, "")
    assert replay.replay(FAILED).read == 0


def test_what_matched_nothing_is_applied_once_its_message_is_there(
    hub_demo: Flask, connection: Connection
) -> None:
    call_back(hub_demo, a_form(hub_demo, SID, "delivered"))
    with time_passes():
        settle_receipts()
    report = replay.replay(FAILED)
    assert (report.read, report.failed, [reason.count for reason in report.reasons.values()]) == (
        1,
        1,
        [1],
    )
    assert report.reasons[process_callbacks.UNKNOWN].example == receipts()[0].id
    message_id = a_sent_message(connection, SID)  # as from a backup
    assert replay.replay(FAILED).new == 1
    assert (status(message_id), receipts()[0].error) == ("delivered", "")


def test_what_is_still_tried_is_settled_at_once_or_left_to_the_workers(
    hub_demo: Flask, sent: str
) -> None:
    call_back(hub_demo, a_form(hub_demo, SID, "delivered"), target=about(sent))
    call_back(hub_demo, a_form(hub_demo, "SM" + "9" * 32, "delivered"))
    assert replay.replay(EVERYTHING).failed == 1
    one, other = receipts()
    assert (one.due_at, status(sent)) == (None, "delivered")
    assert other.due_at is not None
    assert process_callbacks.process_batch() == 1


# ── What cannot be applied ────────────────────────────────────────────────────────────────────────
def test_a_receipt_whose_body_was_removed_says_so(delivered: str) -> None:
    first, second, _ = receipts()
    put(first.id, request=None)
    put(second.id, request=None, error="It was never read.")
    before = everything()
    report = replay.replay(EVERYTHING)
    assert (report.read, report.removed, report.failed, report.known) == (3, 1, 1, 1)
    assert list(report.reasons) == [process_callbacks.REMOVED], (
        "what failed before its body went can never be made up for"
    )
    assert everything() == before, "why it failed then stays"


def test_one_that_fails_does_not_hold_the_others_and_stays_as_it_was(delivered: str) -> None:
    first = receipts()[0].id
    whole = sealed(first)
    put(first, request=whole[:-1] + bytes([whole[-1] ^ 1]))
    forget(delivered, ("delivered",))
    before = everything(Receipt)
    report = replay.replay(EVERYTHING)
    assert (report.failed, report.new, status(delivered)) == (1, 1, "delivered")
    assert everything(Receipt) == before, "it was settled"


class TestStray:
    """A hub that keeps callbacks of accounts which belong to no connection."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"TWILIO_WEBHOOK_AUTH_TOKEN": "stray-token"}

    def test_what_no_connection_verified_is_not_applied(self, hub_demo: Flask, sent: str) -> None:
        form = {**a_form(hub_demo, SID, "delivered"), "AccountSid": "AC" + "d" * 32}
        assert call_back(hub_demo, form, target=about(sent), token="stray-token").status_code == 200
        report = replay.replay(EVERYTHING)
        assert (report.read, report.unproven, report.failed, report.missed, status(sent)) == (
            1,
            1,
            0,
            False,
            "accepted",
        )


def test_what_another_connection_verified_is_not_applied(
    hub_demo: Flask, sent: str, connection: Connection
) -> None:
    a_connection("Rolled", like=connection, auth_token="f" * 32)
    assert (
        call_back(
            hub_demo, a_form(hub_demo, SID, "delivered"), target=about(sent), token="f" * 32
        ).status_code
        == 200
    )
    report = replay.replay(Selection(message=sent))
    assert (report.read, report.failed, status(sent)) == (1, 1, "accepted")


# ── Which ─────────────────────────────────────────────────────────────────────────────────────────
def test_only_those_about_one_message_are_replayed(
    hub_demo: Flask, delivered: str, connection: Connection
) -> None:
    other = a_sent_message(connection, "SM" + "1" * 32)
    call_back(hub_demo, a_form(hub_demo, "SM" + "1" * 32, "sent"))
    settle_receipts()
    for message_id in (delivered, other):
        forget(message_id)
    assert replay.replay(Selection(message="SM" + "1" * 32)).read == 1
    assert (status(delivered), status(other)) == ("accepted", "sent")
    assert replay.replay(Selection(message=delivered)).read == 3
    assert replay.replay(Selection(receipt_id=receipts()[0].id)).read == 1


@pytest.mark.parametrize(
    "wrong", ["SM" + "9" * 32, "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c", "msg_nonsense", "%"]
)
def test_a_message_that_is_not_known_is_said_to_be(delivered: str, wrong: str) -> None:
    with pytest.raises(NotFound, match=wrong):
        replay.replay(Selection(message=wrong))


def test_only_those_since_a_time_are_replayed(hub_demo: Flask, sent: str) -> None:
    call_back(hub_demo, a_form(hub_demo, SID, "sent"), target=about(sent))
    time.sleep(0.002)  # ids tell milliseconds
    between = now()
    call_back(hub_demo, a_form(hub_demo, SID, "delivered"), target=about(sent))
    assert replay.replay(Selection(since=between)).read == 1
    assert replay.replay(Selection(since=replay.newer_than("1m"))).read == 2


def test_times_are_read_as_people_write_them() -> None:
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
        assert replay.newer_than("2h") == datetime(2026, 11, 21, 10, tzinfo=UTC)
        assert replay.newer_than(" 3d ") == datetime(2026, 11, 18, 12, tzinfo=UTC)
        for text in ("2026-11-21T09:30:00Z", "2026-11-21T10:30:00+01:00"):
            assert replay.newer_than(text) == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
        assert (
            replay.newer_than("99999w")
            == replay.newer_than("0001-01-01T00:00:00+14:00")
            == replay.EPOCH
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2h30m",
        "-2h",
        "2026-11-21T09:30:00",
        "2026-11-21",
        "9999-01-01T00:00:00Z",
        "１h",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"2026-11-21T09:30:00Z|Give a time that is over"):
        replay.newer_than(text)


# ── Many, and workers beside ──────────────────────────────────────────────────────────────────────
def test_many_are_replayed_in_batches_oldest_first(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [a_sent_message(connection, f"SM{n:032d}") for n in range(7)]
    for n in range(7):
        call_back(hub_demo, a_form(hub_demo, f"SM{n:032d}", "delivered"))
    settle_receipts()
    for message_id in ids:
        forget(message_id)
    monkeypatch.setattr(replay, "BATCH", 3)
    heard: list[int] = []
    report = replay.replay(EVERYTHING, lambda so_far: heard.append(so_far.read))
    assert (heard, report.read, report.new, report.messages) == ([3, 6, 7], 7, 7, 7)
    facts = list(
        db.session.scalars(
            select(StatusEvent.message_id)
            .where(StatusEvent.source == "callback")
            .order_by(StatusEvent.id)
        )
    )
    assert facts == ids
    assert db.session.query(Audit).filter_by(action="receipt.replayed").count() == 1


def test_what_comes_in_meanwhile_is_left_to_the_workers(
    hub_demo: Flask, delivered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 1)
    later = new_id("rcp")

    def busy(so_far: Report) -> None:
        call_back(hub_demo, a_form(hub_demo, f"SM{so_far.read:032d}", "sent"))

    report = replay.replay(EVERYTHING, busy)
    assert report.read == 3
    assert receipts()[-1].id > later


def test_workers_may_settle_the_same_receipts_meanwhile(
    hub_demo: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [a_sent_message(connection, f"SM{n:032d}") for n in range(12)]
    for word in ("delivered", "sent", "queued"):
        for n in range(12):
            call_back(hub_demo, a_form(hub_demo, f"SM{n:032d}", word))
    monkeypatch.setattr(replay, "BATCH", 4)
    monkeypatch.setattr(
        process_callbacks,
        "_DUE",
        process_callbacks.Statement(process_callbacks._DUE._core.limit(5)),
    )
    problems: list[Exception] = []

    def beside(work: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            with hub_demo.app_context():
                try:
                    work()
                except Exception as problem:
                    problems.append(problem)

        return threading.Thread(target=run)

    threads = [
        beside(work)
        for work in (
            settle_receipts,
            settle_receipts,
            lambda: replay.replay(EVERYTHING),
            lambda: replay.replay(EVERYTHING),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert {status(one) for one in ids} == {"delivered"}
    assert (count(PlatformEvent), count(StatusEvent)) == (24, 36)
    assert {(one.due_at, one.error) for one in receipts()} == {(None, "")}


def test_it_is_written_down_who_replayed_what(delivered: str) -> None:
    replay.replay(Selection(message=delivered))
    replay.replay(Selection(message=SID))
    # nothing to do, and nothing done
    replay.replay(Selection(failed=True, since=datetime(2020, 1, 1, tzinfo=UTC)))
    rows = [
        (row.action, row.subject, row.title)
        for row in db.session.scalars(select(Audit).where(Audit.action.like("%.replayed")))
    ]
    assert rows == [("message.replayed", delivered, ""), ("receipt.replayed", "", f"about {SID}")]


def test_receipts_of_test_connections_are_read_where_no_demo_runs(
    delivered: str, environ: dict[str, str]
) -> None:
    forget(delivered)
    plain = make_app({**environ, "HUB_DEMO": "0"})
    with plain.app_context():
        assert replay.replay(EVERYTHING).new == 3
        close(plain)
    assert status(delivered) == "delivered"
