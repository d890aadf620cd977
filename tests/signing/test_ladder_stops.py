"""Ladders end once nothing is left to sign, and opt-outs are respected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import current_app
from sqlalchemy import select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import StatusUpdate, TemplateInfo
from hub.messaging.compose import (
    cancellation,
    provider_templates,
    resend,
    template_sync,
)
from hub.messaging.contacts import suppressions
from hub.messaging.send import claims
from hub.messaging.state import clock_skew
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Contact, ProviderTemplate, SigningRequest
from hub.signing import contact_erasure, ladders, reminders
from tests.hub_fixtures import ERIC, make_due, update_message
from tests.signing.ladder_steps import (
    EMAIL_SMS,
    SMS_EMAIL,
    SMS_WHATSAPP,
    channels,
    connection_of,
    end_time,
    escalate,
    hand_over,
    invite,
    legs,
    let_time_end,
    post,
    report_status,
    set_route,
)

pytestmark = pytest.mark.usefixtures("ladder")


def request_id() -> str:
    return db.session.scalars(select(SigningRequest.id)).one()


def erase_eric() -> None:
    query = select(Contact.id).where(Contact.address == ERIC)
    contact_erasure.erase_contact(db.session.scalars(query).one(), reason="Requested by letter.")


STOPS: dict[str, Callable[[], Any]] = {
    "signed": lambda: post("request.signed", signer="eric"),
    "declined": lambda: post("request.declined", signer="eric"),
    "completed": lambda: post("request.completed"),
    "canceled": lambda: post("request.canceled"),
    "expired": lambda: post("request.expired"),
    "viewed": lambda: post("request.viewed", signer="eric"),
    "erased": erase_eric,
    "removed": lambda: post("request.viewed", signers_removed=["eric"]),
}


@pytest.mark.parametrize("stop", STOPS)
def test_end_of_the_request_clears_the_timer_of_a_sent_message(stop: str) -> None:
    invite()
    invitation = legs()[0]
    assert invitation.escalate_at is not None
    STOPS[stop]()
    assert legs()[0].escalate_at is None


@pytest.mark.parametrize("stop", ["signed", "declined", "completed", "canceled", "expired"])
def test_failure_after_the_end_of_the_request_leads_to_no_message(stop: str) -> None:
    invite()
    STOPS[stop]()
    before = len(legs())
    report_status(legs()[0], Status.UNDELIVERED)
    escalate()
    assert len(legs()) == before
    assert not ladders.is_due()


@pytest.mark.parametrize("stop", STOPS)
def test_escalation_that_was_chosen_before_the_end_reads_again(stop: str) -> None:
    """The chore has read its list, and another process ends the request before it acts."""
    invite()
    end_time(legs()[0])
    first = legs()[0]
    STOPS[stop]()
    update_message(first.id, escalate_at=now() - timedelta(seconds=1))
    before = len(legs())
    escalate()
    assert len(legs()) == before


def test_snoozed_reminder_has_no_further_steps() -> None:
    set_route(*SMS_EMAIL, event_type="request.reminder")
    post()
    reminders.remind(request_id())
    hand_over(legs()[-1])
    assert legs()[-1].escalate_at is not None
    reminders.snooze(request_id())
    assert legs()[-1].escalate_at is None
    report_status(legs()[-1], Status.UNDELIVERED)
    escalate()
    assert channels() == ["whatsapp", "sms"]


def test_message_canceled_by_hand_has_no_further_steps() -> None:
    post()
    cancellation.cancel(legs()[0].id)
    escalate()
    assert channels() == ["whatsapp"]


def test_opened_document_cancels_a_queued_fallback() -> None:
    invite()
    let_time_end(legs()[0])
    post("request.viewed", signer="eric")
    make_due(legs()[1].id)
    claims.record_and_claim([], {legs()[1].connection_id: 1})
    assert (legs()[1].status, legs()[1].code) == ("canceled", "reached")


def test_delivered_message_does_not_count_as_opened() -> None:
    invite(("sms", None, None), ("email", "opened", 60))
    report_status(legs()[0], Status.DELIVERED)
    let_time_end(legs()[0])
    assert channels() == ["sms", "email"]


def test_next_step_of_a_reminder_follows_within_the_hour() -> None:
    set_route(*SMS_EMAIL, event_type="request.reminder")
    post()
    reminders.remind(request_id())
    reminder = legs()[-1]
    hand_over(reminder)
    report_status(legs()[-1], Status.UNDELIVERED)
    assert escalate() == 1
    assert channels()[-2:] == ["sms", "email"]


def test_reminder_is_not_opened_by_an_earlier_view() -> None:
    set_route(("sms", None, None), ("email", "opened", 60), event_type="request.reminder")
    post()
    post("request.viewed", signer="eric", occurred_at=(now() - timedelta(hours=1)).isoformat())
    reminders.remind(request_id())
    reminder = legs()[-1]
    assert reminder.channel == "sms"
    hand_over(reminder)
    let_time_end(reminder)
    assert channels() == ["whatsapp", "sms", "email"]


# ── Opt-outs ──────────────────────────────────────────────────────────────────────────────────────
def opt_out(channel: str) -> None:
    address = "eric@example.com" if channel == "email" else ERIC
    suppressions.add_opt_out(address, channel=channel, test=True)


def test_opt_out_ends_the_ladder_except_toward_email() -> None:
    set_route(*SMS_WHATSAPP, ("email", "delivered", 30))
    opt_out("sms")
    post()
    assert (legs()[0].status, legs()[0].code) == ("suppressed", "admin")
    escalate()
    assert channels() == ["sms", "email"]


def test_opt_out_while_the_time_runs_is_respected() -> None:
    invite(*SMS_WHATSAPP)
    opt_out("sms")
    let_time_end(legs()[0])
    assert channels() == ["sms"]


def test_admin_may_continue_on_other_channels_after_an_opt_out() -> None:
    set_route(*SMS_WHATSAPP, continue_after_opt_out=True)
    opt_out("sms")
    post()
    escalate()
    assert channels() == ["sms", "whatsapp"]


@pytest.mark.parametrize("continues", [True, False])
def test_unsubscribing_from_email_never_leads_to_a_phone(continues: bool) -> None:
    set_route(*EMAIL_SMS, continue_after_opt_out=continues)
    opt_out("email")
    post()
    escalate()
    assert channels() == ["email"]


def test_returned_email_leads_to_a_phone() -> None:
    invite(("email", None, None), ("sms", "delivered", None))
    report_status(legs()[0], Status.UNDELIVERED, code="5.1.1")
    suppressions.suppress(legs()[0].id, reason=suppressions.BY_PROVIDER, code="5.1.1")
    escalate()
    assert channels() == ["email", "sms"]


# ── Other messages of the same step ───────────────────────────────────────────────────────────────
def test_ladder_continues_from_a_message_that_was_resent_by_hand() -> None:
    invite()
    report_status(legs()[0], Status.UNDELIVERED)
    resend.resend(legs()[0].id)
    assert legs()[0].escalate_at is None
    escalate()
    assert channels() == ["whatsapp", "whatsapp"]
    hand_over(legs()[1])
    let_time_end(legs()[1])
    assert channels() == ["whatsapp", "whatsapp", "sms"]


def test_resent_message_starts_the_time_again() -> None:
    invite(("sms", None, None), ("email", "opened", 60))
    report_status(legs()[0], Status.DELIVERED)
    assert legs()[0].escalate_at is not None
    resend.resend(legs()[0].id)
    assert [leg.escalate_at for leg in legs()] == [None, None]
    hand_over(legs()[1])
    assert legs()[1].escalate_at is not None
    let_time_end(legs()[1])
    assert [(leg.channel, leg.after_id) for leg in legs()[1:]] == [
        ("sms", legs()[0].id),
        ("email", legs()[1].id),
    ]


def test_resent_message_is_sent_although_the_first_one_was_delivered() -> None:
    invite()
    report_status(legs()[0], Status.DELIVERED)
    resend.resend(legs()[0].id)
    hand_over(legs()[1])
    assert legs()[1].status == "accepted"


def refuse_free_text() -> None:
    """Let the provider report that the first message needs a template."""
    update = StatusUpdate(
        message_id=legs()[0].id,
        attempt=1,
        provider_status="failed",
        status=Status.FAILED,
        code="63016",
        outside_window=True,
    )
    statuses.apply_status(update, Origin("callback", [legs()[0].connection_id]))
    db.session.rollback()


def map_template() -> None:
    """Map an approved template to the text of invitations."""
    connection_id = connection_of("whatsapp").id
    approved = TemplateInfo(
        "HX" + "1" * 32,
        "invitation",
        "en_US",
        "approved",
        text="Sign {{1}}: {{2}}",
        variables={"1": "A", "2": "B"},
    )
    template_sync.store_templates(connection_id, [approved])
    row = db.session.scalars(select(ProviderTemplate)).one()
    variables = {"1": "title", "2": "link"}
    provider_templates.save_mapping(connection_id, "request_sent", "en", row.id, variables)
    current_app.extensions.pop("hub.cached", None)


@pytest.mark.parametrize("is_mapped_before", [True, False], ids=["before", "since"])
def test_refused_free_text_is_followed_by_its_template_before_the_next_step(
    *, is_mapped_before: bool
) -> None:
    if is_mapped_before:
        map_template()
    invite()
    if not is_mapped_before:
        map_template()
    refuse_free_text()
    escalate()
    assert channels() == ["whatsapp", "whatsapp"]
    first, template = legs()
    assert (template.after_id, template.step_id) == (first.id, first.step_id)
    assert first.escalate_at is None, "the ladder goes on from the template"
    hand_over(template)
    end_time(legs()[1])
    escalate()
    assert channels() == ["whatsapp", "whatsapp", "sms"]
    assert legs()[2].after_id == template.id


def test_rejected_template_is_followed_by_the_next_step() -> None:
    map_template()
    invite()
    refuse_free_text()
    hand_over(legs()[1])
    report_status(legs()[1], Status.UNDELIVERED, code="63024")
    escalate()
    assert channels() == ["whatsapp", "whatsapp", "sms"]


def test_refused_free_text_without_a_template_is_followed_by_the_next_step() -> None:
    invite()
    refuse_free_text()
    escalate()
    assert channels() == ["whatsapp", "sms"]


# ── Clock leaps ───────────────────────────────────────────────────────────────────────────────────
def test_timer_that_was_written_while_the_clock_was_ahead_is_corrected() -> None:
    invite()
    ahead = now() + timedelta(days=2)
    update_message(legs()[0].id, changed_at=ahead, escalate_at=ahead + timedelta(minutes=30))
    assert clock_skew.correct_times() == 1
    assert timedelta(minutes=29) < legs()[0].escalate_at - now() < timedelta(minutes=31)
    assert clock_skew.correct_times() == 0


@pytest.mark.parametrize(
    ("code", "following"),
    [
        ("63024", ["whatsapp", "sms"]),  # not on WhatsApp
        ("63033", ["whatsapp", "email"]),  # the recipient blocked this sender
    ],
)
def test_number_that_is_not_on_whatsapp_gets_the_next_step(code: str, following: list[str]) -> None:
    """A number that nobody can be reached at is no opt-out, unlike a block by the person."""
    invite()
    report_status(legs()[0], Status.UNDELIVERED, code=code)
    suppressions.suppress(legs()[0].id, reason=suppressions.BY_PROVIDER, code=code)
    escalate()
    assert channels() == following


def test_opt_out_counts_beside_a_number_that_cannot_be_reached() -> None:
    invite()
    report_status(legs()[0], Status.UNDELIVERED, code="63024")
    suppressions.suppress(legs()[0].id, reason=suppressions.BY_PROVIDER, code="63024")
    suppressions.add_opt_out(ERIC, explanation="Asked on the phone.", test=True)
    escalate()
    assert channels() == ["whatsapp", "email"]
