"""Connections spend no more than their rules allow."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import Refused, TransientError, Unreachable
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted, Price, StatusUpdate
from hub.messaging.compose import cancellation
from hub.messaging.policy import spending
from hub.messaging.send import claims
from hub.messaging.send.calls import Outcome
from hub.messaging.track import price_polling, statuses
from hub.messaging.track.statuses import Origin
from hub.models import AuditEntry, Connection, Usage
from tests.hub_fixtures import (
    ANNA,
    SigningApp,
    clear_throttle,
    deliver,
    event_body,
    eventually,
    make_due,
    message,
    process_pending_callbacks,
    signer_body,
    status,
    update_message,
)
from tests.messaging.policy.policy_steps import (
    CHEAP,
    claim,
    post_message,
    save_rules,
    status_and_code,
)


def test_daily_spending_limit_is_enforced(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.03"))
    long_one = post_message(text="a" * 200)  # two segments
    assert [claimed.message_id for claimed in claim(connection)] == [long_one]
    assert message(long_one).estimate == Decimal("0.02")
    assert status_and_code(post_message(text="b" * 200)) == ("suppressed", "spend_day")
    assert status_and_code(post_message(ANNA)) == (
        "suppressed",
        "spend_day",
    ), "a country without its own price costs what others do"
    assert status_and_code(post_message(text="b")) == ("queued", "")
    assert len(claim(connection)) == 1
    assert status_and_code(post_message(text="c")) == ("suppressed", "spend_day")
    usage = db.session.scalars(select(Usage)).one()
    assert (usage.messages, usage.segments, usage.estimate) == (2, 3, Decimal("0.03"))


def test_monthly_limit_includes_all_days(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP, spend_month=Decimal("0.02"))
    assert spending.read_spending(connection.id, now()) == spending.Spending()
    post_message()
    claim(connection)
    post_message(text="again")
    claim(connection)
    assert status_and_code(post_message(text="third")) == ("suppressed", "spend_month")


def test_admins_are_notified_once_near_a_limit(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.10"))
    for n in range(9):
        post_message(text=f"{n}")
        claim(connection)
    db.session.rollback()
    audit_entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "connection.spending")
    ).all()
    assert [(entry.detail["share"], entry.detail["limit"]) for entry in audit_entries] == [
        ("80%", "day")
    ]


def test_day_near_its_limit_is_reported_after_a_monthly_notice(
    connection: Connection,
) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.10"), spend_month=Decimal("0.10"))
    for n in range(8):
        post_message(text=f"{n}")
        claim(connection)
    db.session.rollback()
    audit_entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "connection.spending")
    ).all()
    assert sorted(entry.detail["limit"] for entry in audit_entries) == ["day", "month"]


def test_price_of_the_provider_replaces_the_estimate(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal(1))
    post_message()
    [claimed] = claim(connection)
    claims.record_and_claim([Outcome(claimed, Accepted("SM" + "1" * 32), None, now(), 5, 201)], {})
    update = StatusUpdate(
        provider_id="SM" + "1" * 32,
        status=Status.DELIVERED,
        provider_status="delivered",
        price=Price(Decimal("0.0075"), "USD"),
    )
    for _ in range(2):
        assert statuses.apply_status(update, Origin("poll", [connection.id]))
    assert spending.read_spending(connection.id, now()).day == Decimal("0.0075")
    assert db.session.scalars(select(Usage)).one().price == Decimal("0.0075")


def test_price_in_another_currency_is_ignored(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal(1))
    post_message()
    [claimed] = claim(connection)
    claims.record_and_claim(
        [
            Outcome(
                claimed,
                Accepted("SM" + "1" * 32, price=Price(Decimal("7"), "JPY")),
                None,
                now(),
                5,
                201,
            )
        ],
        {},
    )
    assert spending.read_spending(connection.id, now()).day == Decimal("0.01")
    assert message(claimed.message_id).price == 7


def test_refused_message_costs_nothing(connection: Connection, simulator: Any) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.01"))
    message_id = post_message("+15005550009")  # no mobile number
    deliver()
    assert status(message_id) == "failed"
    assert spending.read_spending(connection.id, now()).day == 0
    assert status_and_code(post_message()) == ("queued", "")


@pytest.mark.parametrize("how", ["expired", "canceled", "stopped", "failed"])
def test_unsent_message_costs_nothing(connection: Connection, how: str) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.01"))
    message_id = post_message()
    [claimed] = claim(connection)
    assert spending.read_spending(connection.id, now()).day == Decimal("0.01")
    if how == "failed":  # Twilio took it, and did not send it
        claims.record_and_claim(
            [Outcome(claimed, Accepted("SM" + "1" * 32), None, now(), 5, 201)], {}
        )
        statuses.apply_status(
            StatusUpdate(
                provider_id="SM" + "1" * 32, status=Status.FAILED, provider_status="failed"
            ),
            Origin("callback", [connection.id]),
        )
    else:
        claims.record_and_claim(
            [Outcome(claimed, None, Unreachable("Away.", "unreachable"), now(), 5)], {}
        )
        db.session.rollback()
        if how == "canceled":
            cancellation.cancel(message_id)
        elif how == "stopped":
            cancellation.stop_contact(message(message_id).contact_id, "Asked.")
        else:
            update_message(
                message_id,
                expires_at=now() - timedelta(seconds=1),
                due_at=now() - timedelta(seconds=1),
            )
            clear_throttle(db.session.get_one(Connection, connection.id))
            assert claim(connection) == []
    assert message(message_id).status in ("expired", "canceled", "failed")
    assert spending.read_spending(connection.id, now()).day == 0
    assert status_and_code(post_message()) == ("queued", "")


def test_price_is_polled_after_delivery(
    served: Flask, connection: Connection, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_rules(connection, prices={"": Decimal("0.5")}, spend_day=Decimal(5))
    message_id = post_message()
    deliver()
    eventually(lambda: process_pending_callbacks() >= 0 and status(message_id) == "delivered", 10)
    monkeypatch.setattr(price_polling, "PRICED_AFTER", timedelta(seconds=-5))
    eventually(
        lambda: price_polling.poll_prices() == 1 and message(message_id).price is not None, 10
    )
    assert spending.read_spending(connection.id, now()).day == message(message_id).price
    assert price_polling.poll_prices() == 0, "each is polled until its price is known"


def test_price_correction_near_a_limit_is_reported(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.10"))
    post_message()
    [claimed] = claim(connection)
    claims.record_and_claim(
        [
            Outcome(
                claimed,
                Accepted("SM" + "1" * 32, price=Price(Decimal("0.085"), "USD")),
                None,
                now(),
                5,
                201,
            )
        ],
        {},
    )
    db.session.rollback()
    assert [
        row.detail["share"]
        for row in db.session.scalars(
            select(AuditEntry).where(AuditEntry.action == "connection.spending")
        )
    ] == ["85%"]


def test_concurrent_messages_are_queued_only_within_the_limit(
    signing_app: SigningApp, connection: Connection
) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.02"))
    numbers = [f"+1317555{n:04d}" for n in range(4)]
    answer = signing_app.post(
        "/events",
        event_body(signers=[signer_body(f"S{n}", number) for n, number in enumerate(numbers)]),
    )
    assert sorted(
        message["code"] or "" for message in answer.json["messages"] if message["channel"] == "sms"
    ) == ["", "", "spend_day", "spend_day"]


def test_new_currency_of_prices_applies_from_the_next_month(connection: Connection) -> None:
    save_rules(connection, prices=CHEAP)
    post_message()
    claim(connection)
    with pytest.raises(Refused) as refused:
        save_rules(connection, prices=CHEAP, currency="EUR")
    assert refused.value.field == "currency"


def test_retried_message_is_counted_once(connection: Connection, simulator: Any) -> None:
    save_rules(connection, prices=CHEAP, spend_day=Decimal("0.01"))
    message_id = post_message()
    for _ in range(2):
        [claimed] = claim(connection)
        claims.record_and_claim(
            [Outcome(claimed, None, TransientError("Try again.", "30008"), now(), 5, 503)], {}
        )
        make_due(message_id)
    assert len(claim(connection)) == 1
    assert message(message_id).tries == 3
    assert spending.read_spending(connection.id, now()).day == Decimal("0.01")
