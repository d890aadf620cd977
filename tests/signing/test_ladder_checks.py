"""Before a time ends, webhooks are processed and the provider is asked; limits count both."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, current_app

from hub.connections import rules
from hub.core.vocabulary import Address, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.intake import waiting_callbacks
from hub.messaging.compose import outbox
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy.rules import Rules
from hub.messaging.send import claims
from hub.messaging.track import timeline
from hub.models import Connection, Message
from hub.signing import ladders
from tests.conftest import Browser
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    deliver,
    eventually,
    make_due,
    post_callback,
    signer_body,
    status_form,
    status_target,
    update_message,
)
from tests.signing.ladder_steps import (
    SMS_EMAIL,
    SMS_WHATSAPP,
    channels,
    connection_of,
    end_time,
    eric,
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
DELIVERED_WITHOUT_CALLBACKS = "+15005550016"


def test_waiting_webhook_is_processed_before_a_time_ends(hub_demo: Flask) -> None:
    invite(*SMS_EMAIL)
    first = legs()[0]
    form = status_form(hub_demo, first.provider_id or "", "delivered")
    assert post_callback(hub_demo, form, target=status_target(first.id)).status_code == 200
    end_time(first)
    assert escalate() == 1
    assert (channels(), legs()[0].status) == (["sms"], "delivered")
    assert legs()[0].asked_at is None, "the webhook was enough"


def test_only_failures_move_on_while_webhooks_wait() -> None:
    set_route(*SMS_EMAIL)
    post(signers=[eric(), signer_body("Anna", ANNA, email="anna@example.com")])
    first, second = legs()
    hand_over(first)
    hand_over(second)
    end_time(legs()[0])
    report_status(legs()[1], Status.UNDELIVERED)
    db.session.rollback()
    assert ladders.escalate_due(lambda: False) == 1
    assert [leg.after_id for leg in legs()[2:]] == [second.id]
    assert ladders.escalate_due(waiting_callbacks.process_waiting) == 1


def test_delivered_message_without_a_webhook_is_found_by_asking(
    simulator: Any, served: Flask
) -> None:
    set_route(*SMS_EMAIL)
    post(signers=[eric(mobile_number=DELIVERED_WITHOUT_CALLBACKS)])
    deliver()
    store = simulator.extensions["simulator"].store
    eventually(lambda: store.on_phone(DELIVERED_WITHOUT_CALLBACKS)[0].status == "delivered")
    let_time_end(legs()[0])
    assert (channels(), legs()[0].status) == (["sms"], "delivered")
    assert legs()[0].asked_at is not None


def test_provider_is_asked_once_and_not_after_a_failure(simulator: Any, served: Flask) -> None:
    """The simulator does not know the message, as a provider that lost it."""
    invite(*SMS_EMAIL)
    let_time_end(legs()[0])
    first = legs()[0]
    assert channels() == ["sms", "email"]
    assert first.asked_at is not None
    update_message(first.id, asked_at=None)
    report_status(first, Status.UNDELIVERED)
    escalate()
    assert legs()[0].asked_at is None


def test_unknown_result_is_looked_up_and_then_the_next_step_follows() -> None:
    """Nothing listens at the provider's address, so the lookup finds nothing out."""
    invite(*SMS_EMAIL)
    update_message(legs()[0].id, status="unknown", provider_id=None)
    let_time_end(legs()[0])
    assert channels() == ["sms", "email"]
    assert legs()[0].status == "unknown"
    assert legs()[0].asked_at is not None


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────
@transaction
def follow(former: Message, *, after_failure: bool) -> str:
    """Store a message that follows another one over the same connection."""
    connection = db.session.get_one(Connection, former.connection_id)
    draft = outbox.Draft(
        connection=connection.info,
        recipient=get_or_create_contact(Address.PHONE, ERIC, test=True),
        text="Please sign.",
        after_id=former.id,
        after_failure=after_failure,
    )
    return outbox.add_message(draft)


def limit_to_one_per_hour(channel: str) -> None:
    rules.save(connection_of(channel).id, Rules(per_hour=1))
    current_app.extensions.pop("hub.cached", None)


def test_fallback_after_a_time_counts_beside_the_first_message() -> None:
    set_route(*SMS_EMAIL)
    limit_to_one_per_hour("sms")
    invite()
    follow(legs()[0], after_failure=False)
    assert (legs()[-1].status, legs()[-1].code) == ("suppressed", "cap_hour")


def test_fallback_after_a_failure_takes_the_place_of_the_first_message() -> None:
    set_route(*SMS_EMAIL)
    limit_to_one_per_hour("sms")
    invite()
    report_status(legs()[0], Status.UNDELIVERED)
    follow(legs()[0], after_failure=True)
    assert legs()[-1].status == "queued"
    make_due(legs()[-1].id)
    [claim] = claims.record_and_claim([], {legs()[-1].connection_id: 1})
    assert claim.message_id == legs()[-1].id


# ── The page of a message ─────────────────────────────────────────────────────────────────────────
def test_page_shows_that_a_person_was_reached_twice(admin: Browser) -> None:
    invite()
    let_time_end(legs()[0])
    hand_over(legs()[1])
    report_status(legs()[0], Status.DELIVERED)
    report_status(legs()[1], Status.DELIVERED)
    entries = timeline.timeline(legs()[1])
    assert [entry.title for entry in entries if entry.kind == "reached_twice"] == ["Reached twice"]
    assert entries[0].text == f"The next step after the message {legs()[0].id}."
    page = admin.get(f"/messages/{legs()[0].id}").text
    assert "Reached twice" in page
    assert not [entry for entry in timeline.timeline(legs()[0]) if entry.kind == "reached_twice"]


def test_overview_lists_a_signer_who_was_not_reached(admin: Browser) -> None:
    set_route(*SMS_WHATSAPP)
    post()
    for _ in range(2):
        hand_over(legs()[-1])
        report_status(legs()[-1], Status.UNDELIVERED)
        escalate()
    page = admin.get("/").text
    assert "1 signer could not be reached" in page
    assert f"/messages/{legs()[-1].id}" in page
