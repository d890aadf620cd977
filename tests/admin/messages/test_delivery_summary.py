"""The sentence at the top of a message's page, decided by a pure function."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from hub.admin.messages.delivery_summary import Situation, summarize
from hub.core.vocabulary import Channel, ConnectionState, Status
from hub.db.types import first_id_at
from hub.integrations.base import Problem
from hub.messaging.policy import policy
from hub.messaging.policy.policy import QUIET
from hub.messaging.send.destinations import DestinationPause
from hub.messaging.track.block_descriptions import RULE_NAMES
from hub.models import Connection, Message

PLANNED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PROBLEM = Problem("30003", "The phone is off.", "Try again later.")
PAUSED = DestinationPause("#contracts", "channel_not_found", "The channel is gone.", PLANNED, 1)


def make_situation(status: Status, *, enabled: bool = True, **fields: object) -> Situation:
    state = ConnectionState.ENABLED if enabled else ConnectionState.DISABLED
    connection = Connection(
        integration="twilio_sms", title="Texts", slug="texts", state=state, state_reason=""
    )
    message = Message(
        id=first_id_at("msg", PLANNED),
        status=status,
        connection=connection,
        changed_at=PLANNED + timedelta(seconds=2),
        **fields,
    )
    return Situation(message, connection, status, None, None, "", None)


@pytest.fixture(autouse=True)
def _page(app: Flask) -> object:
    with app.test_request_context("/"):
        yield


def test_delivered_message_shows_how_long_it_took() -> None:
    summary = summarize(make_situation(Status.DELIVERED))
    assert summary.tone == "good"
    assert summary.title == "Delivered in 2 s."


def test_failed_message_shows_why_and_how_to_fix_it() -> None:
    summary = summarize(replace(make_situation(Status.FAILED), problem=PROBLEM))
    assert (summary.tone, summary.text) == ("bad", "The phone is off. Try again later.")


def test_resent_message_that_was_delivered_is_shown_as_success() -> None:
    failed = replace(make_situation(Status.FAILED), problem=PROBLEM, unreadable_reason="damaged")
    resent_message = make_situation(Status.DELIVERED).message
    summary = summarize(replace(failed, later_delivery=resent_message))
    assert (summary.tone, summary.href) == ("good", f"/messages/{resent_message.id}")


def test_damaged_row_is_named_before_its_connection() -> None:
    off = make_situation(Status.QUEUED, enabled=False)
    assert summarize(replace(off, unreadable_reason="damaged")).text == "damaged"
    assert summarize(off).href == "/connections/texts"


def test_paused_destination_is_named_before_the_next_attempt() -> None:
    waiting = make_situation(Status.QUEUED, tries=1, due_at=PLANNED)
    assert "#contracts" in summarize(replace(waiting, pause=PAUSED)).title
    assert "Next attempt at" in summarize(waiting).title


def test_quiet_hours_are_named_before_the_next_attempt() -> None:
    waiting = make_situation(Status.QUEUED, tries=1, due_at=PLANNED, code=policy.QUIET)
    assert "quiet hours" in summarize(waiting).title


def test_message_at_the_provider_shows_the_next_status_poll() -> None:
    sent = make_situation(Status.SENT, due_at=PLANNED)
    text = summarize(sent).text
    assert text != summarize(make_situation(Status.SENT)).text
    assert "Signpost asks Twilio at 09:30 UTC." in text


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("21610", "Not sent. The recipient opted out."),
        ("keyword", "Not sent. The recipient opted out."),
        ("admin", "Not sent. The recipient opted out."),
        ("country_not_allowed", "Not sent. Blocked by the rule Allowed countries."),
        ("cap_day", "Not sent. Blocked by the rule Messages per day."),
        (
            "quiet_hours",
            "Not sent. Blocked by the rule Quiet hours. The message would expire before they end.",
        ),
        ("consent_no", "Not sent. The recipient refused consent."),
        (
            "window_closed",
            "Not sent. The recipient has not written recently, so free text is not allowed.",
        ),
        ("21614", "Not sent. The address is blocked."),
        ("", "Not sent. A rule or an opt-out blocked it."),
    ],
)
def test_suppressed_message_names_the_rule_or_the_opt_out(code: str, title: str) -> None:
    assert summarize(make_situation(Status.SUPPRESSED, code=code)).title == title


@pytest.mark.parametrize("code", [*RULE_NAMES, QUIET])
def test_message_blocked_by_a_rule_is_not_reported_as_an_opt_out(code: str) -> None:
    title = summarize(make_situation(Status.SUPPRESSED, code=code)).title
    assert title.startswith("Not sent. Blocked by the rule ")
    assert "opted out" not in title


def test_provider_is_named_and_times_have_a_zone() -> None:
    assert summarize(make_situation(Status.ACCEPTED)).title == "Accepted by Twilio."
    assert summarize(make_situation(Status.SENDING)).text == "Twilio has not responded yet."
    waiting = make_situation(Status.QUEUED, tries=1, due_at=PLANNED)
    assert summarize(waiting).title == "Next attempt at 09:30:00 UTC."


def test_sent_email_names_mail_servers_and_no_carrier() -> None:
    situation = make_situation(Status.SENT)
    assert "carrier" in summarize(situation).text
    situation.connection.channel = Channel.EMAIL
    assert "carrier" not in summarize(situation).text
    assert "Most mail servers never do." in summarize(situation).text
