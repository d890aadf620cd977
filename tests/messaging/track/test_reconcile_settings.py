"""Unknown outcomes while settings change, with lookups at the simulated provider."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from hub.connections import connections
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import Accepted, Outbound
from hub.messaging.send import claims
from hub.messaging.track import reconcile
from hub.models import Attempt, Connection
from tests.fake_provider import FakeProvider, lose_response
from tests.hub_fixtures import (
    attempts,
    deliver,
    make_due,
    message,
    queue_text,
    status,
    status_words,
    texts_at_provider,
)
from tests.messaging.track.reconcile_steps import send_with_unknown_outcome


# ── Settings that change meanwhile ────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("changed", [{"account": "another account"}, {"sender": "sender 8"}])
def test_message_of_a_former_account_is_neither_looked_up_nor_resent(
    searchable_chat: Connection, fake_provider: FakeProvider, changed: dict[str, str]
) -> None:
    lookups: list[str] = []

    def fail_lookup(outbound: Outbound) -> list[Accepted]:
        lookups.append(outbound.id)
        return []

    fake_provider.on_send = lose_response
    fake_provider.on_find = fail_lookup
    message_id = send_with_unknown_outcome()
    change_account(searchable_chat.id, **changed)
    reconcile.look_up_unknown()
    row = message(message_id)
    assert (row.status, row.due_at, status_words(message_id)) == ("unknown", None, ["set up anew"])
    assert deliver() == 0
    assert lookups == []


def test_message_sent_after_a_change_of_settings_is_looked_up(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1")]
    change_account(searchable_chat.id, account="another account", sender="sender 8")
    message_id = send_with_unknown_outcome()
    [attempt] = attempts(message_id)
    assert (attempt.account, attempt.sender) == (
        "another account",
        "sender 8",
    ), "known before the provider has answered"
    reconcile.look_up_unknown()
    assert (status(message_id), attempts(message_id)[0].sender) == ("accepted", "sender 8")


@transaction
def change_account(connection_id: str, **columns: str) -> None:
    for name, value in columns.items():
        setattr(db.session.get_one(Connection, connection_id), name, value)


def test_changed_sender_during_an_unknown_outcome_causes_no_duplicate(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text("+15005550014")  # taken, and answered with 500
    deliver()
    assert status(message_id) == Status.UNKNOWN
    connections.save(
        connection.id, {**connection.settings, "sender": "+13175550199", "per_second": ""}
    )
    make_due(message_id)
    reconcile.look_up_unknown()
    deliver()
    assert (status(message_id), len(texts_at_provider(simulator, "+15005550014"))) == ("unknown", 1)


# ── With the simulated Twilio ─────────────────────────────────────────────────────────────────────
def test_message_whose_response_was_lost_is_found_at_twilio(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text("+15005550014")
    deliver()
    make_due(message_id)
    reconcile.look_up_unknown()
    assert status(message_id) in ("accepted", "sent", "delivered")
    assert message(message_id).provider_id
    deliver()
    assert texts_at_provider(simulator, "+15005550014") == ["Your contract is ready."]


def test_message_is_found_at_twilio_even_if_the_clock_was_hours_ahead(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text("+15005550014")
    deliver()
    delay_attempt(message_id, timedelta(hours=2))
    make_due(message_id)
    reconcile.look_up_unknown()
    assert status(message_id) in ("accepted", "sent", "delivered")
    deliver()
    assert len(texts_at_provider(simulator, "+15005550014")) == 1, (
        "not sent again for being older than its attempt"
    )


@transaction
def delay_attempt(message_id: str, by: timedelta) -> None:
    attempt = db.session.get_one(Attempt, (message_id, 1))
    attempt.started_at += by


def test_unsent_message_is_proved_absent_at_twilio(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    message_id = queue_text()
    claims.record_and_claim([], {connection.id: 1})  # the worker dies here
    for _ in ("the lease is over", "a minute later"):
        make_due(message_id)
        reconcile.look_up_unknown()
    assert status(message_id) == Status.QUEUED
    deliver()
    assert (status(message_id), len(texts_at_provider(simulator))) == ("accepted", 1)


def test_possible_match_keeps_the_outcome_unknown(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    message_id = send_with_unknown_outcome()
    fake_provider.on_find = lambda outbound: [Accepted("another-text", sure=False)]
    reconcile.look_up_unknown()
    assert (status(message_id), message(message_id).due_at) == ("unknown", None)
    assert len(fake_provider.sent) == 1, "an unlike text may be ours, changed on the way"


def test_trial_account_notice_does_not_prevent_a_match(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    simulator.test_client().post(
        "/simulator/account", json={"type": "Trial"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    # taken, and answered with 500
    message_id = queue_text("+15005550014", "Your contract is ready.")
    deliver()
    assert status(message_id) == Status.UNKNOWN
    make_due(message_id)
    reconcile.look_up_unknown()
    assert status(message_id) not in ("unknown", "queued")
    [text] = texts_at_provider(simulator, "+15005550014")
    assert text.endswith("Your contract is ready.")
    assert text != "Your contract is ready.", "the simulator puts the notice before it"
