"""Replaying stored receipts applies missed statuses and changes nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select, update

from hub.db.compiled_sql import get_table
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import callback_rows, process_callbacks, replay
from hub.intake.replay import Report, Selection
from hub.models import (
    Attempt,
    AuditEntry,
    Connection,
    Message,
    PlatformEvent,
    ProviderCallback,
    StatusEvent,
)
from tests.hub_fixtures import (
    callbacks,
    copy_connection,
    event_types,
    post_callback,
    process_pending_callbacks,
    status,
    status_form,
    status_target,
    status_words,
    update_message,
)
from tests.intake.replay_steps import EVERYTHING, SID, add_sent_message, remove_events
from tests.intake.replay_steps import delivered as delivered
from tests.intake.replay_steps import sent as sent

FAILED = Selection(failed=True)


def all_rows(*models: Any) -> dict[str, list[Any]]:
    """Return every row of these tables, for comparison."""
    db.session.rollback()
    return {
        model.__tablename__: [tuple(row) for row in db.session.execute(select(get_table(model)))]
        for model in models or (Message, Attempt, StatusEvent, PlatformEvent, ProviderCallback)
    }


@transaction
def update_callback(callback_id: str, **columns: Any) -> None:
    db.session.execute(
        update(get_table(ProviderCallback))
        .where(ProviderCallback.id == callback_id)
        .values(**columns)
    )


def encrypted_request(callback_id: str) -> bytes:
    encrypted = db.session.scalar(
        select(ProviderCallback._request).where(ProviderCallback.id == callback_id)
    )
    assert encrypted is not None
    return encrypted


def after_the_lookup_window() -> Any:
    """Travel to a time when unmatched callbacks are no longer retried."""
    return time_machine.travel(now() + process_callbacks.MATCH_WINDOW + timedelta(minutes=1))


# ── Nothing was missed ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "selection",
    [EVERYTHING, Selection(message=SID), Selection(message=SID, since=EVERYTHING.since)],
)
def test_replay_changes_nothing_if_nothing_was_missed(delivered: str, selection: Selection) -> None:
    before = all_rows()
    report = replay.replay(selection)
    assert all_rows() == before
    assert (
        report.read_count,
        report.known_count,
        report.new_count,
        report.message_count,
        report.event_count,
        report.failed_count,
    ) == (3, 3, 0, 0, 0, 0)
    assert not report.missed


def test_newer_status_is_not_overwritten(delivered: str) -> None:
    update_message(delivered, status="read")
    assert not replay.replay(EVERYTHING).missed
    assert status(delivered) == "read"


def test_replay_without_callbacks_does_nothing(hub_demo: Flask) -> None:
    assert replay.replay(EVERYTHING) == replay.replay(FAILED) == Report()
    assert (
        db.session.scalar(select(AuditEntry.id).where(AuditEntry.action.like("%.replayed"))) is None
    )


# ── Something was ─────────────────────────────────────────────────────────────────────────────────
def test_replay_after_an_old_backup_applies_status_events_once(delivered: str) -> None:
    remove_events(delivered)
    report = replay.replay(EVERYTHING)
    assert (status(delivered), event_types(delivered)) == (
        "delivered",
        ["sms_delivered", "sms_sent"],
    )
    assert status_words(delivered) == ["queued", "sent", "delivered"]
    assert (
        report.read_count,
        report.new_count,
        report.known_count,
        report.message_count,
        report.event_count,
        report.missed,
    ) == (3, 3, 0, 1, 2, True)
    assert not replay.replay(EVERYTHING).missed


def test_missed_status_event_is_reported_separately_from_known_ones(
    delivered: str,
) -> None:
    remove_events(delivered, ("delivered",))
    report = replay.replay(Selection(message=delivered))
    assert (report.new_count, report.known_count, report.message_count, status(delivered)) == (
        1,
        2,
        1,
        "delivered",
    )


def test_row_misread_by_an_older_version_is_corrected(delivered: str) -> None:
    @transaction
    def misread_status() -> None:
        db.session.execute(
            update(StatusEvent)
            .where(StatusEvent.provider_status == "delivered")
            .values(status=None)
        )
        db.session.execute(delete(PlatformEvent).where(PlatformEvent.type == "sms_delivered"))

    misread_status()
    update_message(delivered, status="sent")
    report = replay.replay(EVERYTHING)
    assert (status(delivered), event_types(delivered)) == (
        "delivered",
        ["sms_delivered", "sms_sent"],
    )
    assert (report.new_count, report.message_count, report.event_count, report.missed) == (
        0,
        1,
        1,
        True,
    ), "the fact was known, what it means was not"


def test_receipt_whose_key_was_missing_is_processed_once_it_is_back(
    hub_demo: Flask, delivered: str
) -> None:
    post_callback(hub_demo, status_form(hub_demo, SID, "read"), target=status_target(delivered))
    last = callbacks()[-1].id
    stored_request = encrypted_request(last)
    update_callback(last, request=stored_request[:-1] + bytes([stored_request[-1] ^ 1]))
    with after_the_lookup_window():
        process_pending_callbacks()
    assert "k1" in callbacks()[-1].error
    report = replay.replay(FAILED)
    assert (report.read_count, report.failed_count, status(delivered)) == (1, 1, "delivered")
    [reason] = report.reasons
    assert "k1" in reason, "it names the key"
    update_callback(last, request=stored_request)
    report = replay.replay(FAILED)
    assert (report.read_count, report.new_count, report.failed_count, status(delivered)) == (
        1,
        1,
        0,
        "read",
    )
    assert (callbacks()[-1].due_at, callbacks()[-1].error) == (None, "")
    assert replay.replay(FAILED).read_count == 0


def test_unmatched_callback_is_applied_once_its_message_exists(
    hub_demo: Flask, connection: Connection
) -> None:
    post_callback(hub_demo, status_form(hub_demo, SID, "delivered"))
    with after_the_lookup_window():
        process_pending_callbacks()
    report = replay.replay(FAILED)
    assert (
        report.read_count,
        report.failed_count,
        [reason.count for reason in report.reasons.values()],
    ) == (
        1,
        1,
        [1],
    )
    assert report.reasons[callback_rows.UNKNOWN].example == callbacks()[0].id
    message_id = add_sent_message(connection, SID)  # as from a backup
    assert replay.replay(FAILED).new_count == 1
    assert (status(message_id), callbacks()[0].error) == ("delivered", "")


def test_pending_callback_is_processed_at_once_or_by_the_workers(
    hub_demo: Flask, sent: str
) -> None:
    post_callback(hub_demo, status_form(hub_demo, SID, "delivered"), target=status_target(sent))
    post_callback(hub_demo, status_form(hub_demo, "SM" + "9" * 32, "delivered"))
    assert replay.replay(EVERYTHING).failed_count == 1
    first, second = callbacks()
    assert (first.due_at, status(sent)) == (None, "delivered")
    assert second.due_at is not None
    assert process_callbacks.process_batch() == 1


# ── What cannot be applied ────────────────────────────────────────────────────────────────────────
def test_callback_with_a_removed_body_shows_it(delivered: str) -> None:
    first, second, _ = callbacks()
    update_callback(first.id, request=None)
    update_callback(second.id, request=None, error="It was never read.")
    before = all_rows()
    report = replay.replay(EVERYTHING)
    assert (report.read_count, report.deleted_count, report.failed_count, report.known_count) == (
        3,
        1,
        1,
        1,
    )
    assert list(report.reasons) == [callback_rows.REMOVED], (
        "what failed before its body went can never be made up for"
    )
    assert all_rows() == before, "why it failed then stays"


def test_failing_callback_does_not_delay_others_and_is_unchanged(delivered: str) -> None:
    first = callbacks()[0].id
    stored_request = encrypted_request(first)
    update_callback(first, request=stored_request[:-1] + bytes([stored_request[-1] ^ 1]))
    remove_events(delivered, ("delivered",))
    before = all_rows(ProviderCallback)
    report = replay.replay(EVERYTHING)
    assert (report.failed_count, report.new_count, status(delivered)) == (1, 1, "delivered")
    assert all_rows(ProviderCallback) == before, "it was settled"


class TestUnassigned:
    """A hub that stores callbacks of accounts without a connection."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"TWILIO_WEBHOOK_AUTH_TOKEN": "stray-token"}

    def test_unverified_callback_is_not_applied(self, hub_demo: Flask, sent: str) -> None:
        form = {**status_form(hub_demo, SID, "delivered"), "AccountSid": "AC" + "d" * 32}
        assert (
            post_callback(
                hub_demo, form, target=status_target(sent), token="stray-token"
            ).status_code
            == 200
        )
        report = replay.replay(EVERYTHING)
        assert (
            report.read_count,
            report.unverified_count,
            report.failed_count,
            report.missed,
            status(sent),
        ) == (
            1,
            1,
            0,
            False,
            "accepted",
        )


def test_callback_verified_by_another_connection_is_not_applied(
    hub_demo: Flask, sent: str, connection: Connection
) -> None:
    copy_connection("Rolled", like=connection, auth_token="f" * 32)
    assert (
        post_callback(
            hub_demo,
            status_form(hub_demo, SID, "delivered"),
            target=status_target(sent),
            token="f" * 32,
        ).status_code
        == 200
    )
    report = replay.replay(Selection(message=sent))
    assert (report.read_count, report.failed_count, status(sent)) == (1, 1, "accepted")
