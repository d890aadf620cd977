"""Signers are reminded on schedule, and never after they have signed."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from hub.db.engine import db
from hub.db.types import now
from hub.jobs import chores
from hub.lib.shutdown import ShutdownSignal
from hub.models import (
    Contact,
    Event,
    MessageBody,
)
from hub.signing import automatic_reminders, contact_erasure, reminders
from tests.hub_fixtures import ANNA, ERIC, SigningApp, event_body, json_of, signer_body
from tests.signing.reminder_steps import (
    DAY,
    HOUR,
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


# ── The schedule ──────────────────────────────────────────────────────────────────────────────────
def test_signer_is_reminded_after_3_7_and_14_days(signing_app: SigningApp) -> None:
    send(signing_app)
    sent = [days for days in range(1, 31) if reminders_after(1)]
    assert sent == [3, 7, 14]
    assert signer().remind_at is None
    assert signer().reminders == 3
    body = db.session.get_one(MessageBody, reminders_to()[0].id)
    assert body.content["text"].startswith("Reminder: "), "it does not look like the first message"


def test_signer_is_reminded_1_day_before_the_expiry(signing_app: SigningApp) -> None:
    send(signing_app, expires_at=(now() + 20 * DAY).isoformat())
    assert [days for days in range(1, 31) if reminders_after(1)] == [3, 7, 14, 19]
    assert check() == 0


def test_cron_wakes_the_chore_that_reminds(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(3 * DAY)
    assert automatic_reminders.is_due()
    assert chores.is_due()
    assert chores.run_chores(ShutdownSignal(10)) >= 1
    assert len(reminders_to()) == 1
    assert not automatic_reminders.is_due()


def test_missed_reminders_become_one(signing_app: SigningApp) -> None:
    send(signing_app)
    assert reminders_after(10) == 1
    assert check() == 0
    assert len(reminders_to()) == 1
    assert [days for days in range(11, 31) if reminders_after(1)] == [14]


def test_at_most_five_reminders_are_sent(signing_app: SigningApp) -> None:
    send(signing_app, reminders={"days": [1, 2, 3, 4, 5, 6, 7, 8]})
    assert sum(reminders_after(1) for _ in range(12)) == 5


def test_automatic_reminders_wait_for_the_turn_of_a_signer(signing_app: SigningApp) -> None:
    send(signing_app, daytime("Eric", order=1), daytime("Anna", ANNA, order=2))
    assert reminders_after(3) == 1
    assert reminders_to("anna") == []
    post(signing_app, "signed", signer="eric")
    assert reminders_after(3) == 1, "Anna's days count from her turn"
    assert len(reminders_to("anna")) == 1
    assert len(reminders_to("eric")) == 1


def test_reminder_at_night_waits_for_the_morning(signing_app: SigningApp) -> None:
    send(signing_app, signer_body("Eric", time_zone=zone_at_noon(-12)))
    assert reminders_after(3) == 0
    remind_at = signer().remind_at
    assert remind_at is not None
    local = remind_at.astimezone(ZoneInfo(zone_at_noon(-12)))
    assert (local.hour, local.minute) == (8, 0)


def test_api_tells_when_a_signer_is_reminded_next(signing_app: SigningApp) -> None:
    send(signing_app)
    [listed] = json_of(signing_app.get("/requests/agr-1001"))["signers"]
    next_at = datetime.fromisoformat(listed["next_reminder_at"])
    assert timedelta(days=2, hours=23) < next_at - now() < timedelta(days=3, hours=1)
    post(signing_app, "signed", signer="eric")
    [listed] = json_of(signing_app.get("/requests/agr-1001"))["signers"]
    assert listed["next_reminder_at"] is None


# ── Stops ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", ["signed", "declined", "completed", "expired", "canceled"])
def test_ended_request_sends_no_reminder(signing_app: SigningApp, kind: str) -> None:
    send(signing_app)
    assert signer().remind_at is not None
    post(signing_app, kind, signer="eric")
    assert signer().remind_at is None, "cleared in the same transaction"
    assert reminders_after(5) == 0
    assert reminders_to() == []


def test_signature_withdraws_a_reminder_that_waits(signing_app: SigningApp) -> None:
    send(signing_app)
    assert reminders_after(3) == 1
    post(signing_app, "signed", signer="eric")
    assert [message.status for message in reminders_to()] == ["canceled"]


def test_removed_signer_is_not_reminded(signing_app: SigningApp) -> None:
    send(signing_app, daytime("Eric"), daytime("Anna", ANNA))
    post(signing_app, "viewed", signers_removed=["eric"])
    assert signer("eric").remind_at is None
    assert reminders_after(3) == 1
    assert reminders_to("eric") == []


def test_erased_signer_is_not_reminded(signing_app: SigningApp) -> None:
    send(signing_app)
    contact = db.session.scalars(select(Contact.id).where(Contact.address == ERIC)).one()
    contact_erasure.erase_contact(contact, reason="asked for it")
    assert signer().remind_at is None
    assert reminders_after(3) == 0


def test_request_that_expired_without_an_event_sends_no_reminder(signing_app: SigningApp) -> None:
    send(signing_app, expires_at=(now() + 2 * DAY).isoformat())
    assert reminders_after(2.5) == 0
    assert signer().remind_at is None


def test_snooze_moves_the_reminder_to_its_end_once(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(2.5 * DAY)
    reminders.snooze(signer().request_id)
    assert reminders_after(0.9) == 0, "the third day is over, and the snooze is not"
    assert reminders_after(0.2) == 1
    assert check() == 0
    assert [days for days in range(4, 9) if reminders_after(1)] == [7]


def test_ended_snooze_restores_the_reminder(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(2.9 * DAY)
    reminders.snooze(signer().request_id)
    reminders.unsnooze(signer().request_id)
    assert reminders_after(0.2) == 1


def test_prolonged_expiry_moves_the_last_reminder(signing_app: SigningApp) -> None:
    send(signing_app, expires_at=(now() + 20 * DAY).isoformat())
    sent = [days for days in range(1, 17) if reminders_after(1)]
    body = event_body("request.viewed", signer="eric")
    body["request"]["expires_at"] = (now() + 14 * DAY).isoformat()
    assert signing_app.post("/events", body).status_code == 202
    sent += [days for days in range(17, 40) if reminders_after(1)]
    assert sent == [3, 7, 14, 29]


def test_reopened_request_counts_its_reminders_anew(signing_app: SigningApp) -> None:
    send(signing_app)
    assert reminders_after(3) == 1
    post(signing_app, "canceled", occurred_at=(now() + timedelta(seconds=1)).isoformat())
    assert reminders_after(5) == 0
    body = event_body(occurred_at=(now() + timedelta(seconds=2)).isoformat())
    assert signing_app.post("/events", body).status_code == 202
    assert signer().reminders == 0
    assert [days for days in range(1, 31) if reminders_after(1)] == [3, 7, 14]


# ── Other reminders ───────────────────────────────────────────────────────────────────────────────
def test_manual_reminder_moves_the_automatic_one(signing_app: SigningApp) -> None:
    send(signing_app)
    let_pass(2.9 * DAY)
    assert signing_app.post("/requests/agr-1001/remind").status_code == 202
    assert reminders_after(0.5) == 0
    assert reminders_after(1) == 1, "20 hours later, or the next morning"
    assert signer().reminders == 2


def test_manual_reminders_are_an_hour_apart(signing_app: SigningApp) -> None:
    send(signing_app)
    assert signing_app.post("/requests/agr-1001/remind").status_code == 202
    refused = signing_app.post("/requests/agr-1001/remind")
    assert (refused.status_code, json_of(refused)["code"]) == (409, "reminded_recently")
    assert "Try again after" in json_of(refused)["detail"]
    let_pass(HOUR)
    assert signing_app.post("/requests/agr-1001/remind").status_code == 202


def test_only_signers_who_were_not_reminded_recently_are_reminded(signing_app: SigningApp) -> None:
    send(signing_app, daytime("Eric"), daytime("Anna", ANNA))
    assert signing_app.post("/requests/agr-1001/remind", {"signer": "eric"}).status_code == 202
    answer = json_of(signing_app.post("/requests/agr-1001/remind"))
    assert [message["signer"] for message in answer["messages"]] == ["anna"]
    assert ("eric", "reminded_recently") in {
        (item["signer"], item["reason"]) for item in answer["skipped"]
    }


def test_reminders_that_the_app_posts_are_an_hour_apart(signing_app: SigningApp) -> None:
    send(signing_app)
    assert len(post(signing_app, "reminder", id="r1")["messages"]) == 1
    repeated = post(signing_app, "reminder", id="r2")
    assert repeated["messages"] == []
    assert [item["reason"] for item in repeated["skipped"]] == ["reminded_recently"]
    assert signer().reminders == 1


def test_reminder_that_reaches_nobody_is_not_counted(signing_app: SigningApp) -> None:
    send(signing_app, daytime("Eric", send_to={"mobile_number": False}))
    assert reminders_after(3) == 0
    assert (signer().reminders, signer().reminded_at) == (0, None)
    assert [
        days for days in range(4, 8) if automatic_reminders.is_due() or reminders_after(1)
    ] == []
    event = db.session.scalars(select(Event).where(Event.type == "request.reminder")).first()
    assert event is not None
    assert {item["reason"] for item in event.skipped} == {"not_wanted"}, "the page says why"
