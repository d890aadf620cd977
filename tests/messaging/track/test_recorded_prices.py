"""The expected price of a message is what its provider charged for recent ones."""

from __future__ import annotations

from decimal import Decimal
from statistics import median_low
from typing import NamedTuple

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, text

from hub.core.vocabulary import Address, Channel, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import Price, StatusUpdate
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.track import recorded_prices, statuses
from hub.messaging.track.recorded_prices import RecordedPrices
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message
from tests.conftest import POSTGRES
from tests.effort import examples
from tests.hub_fixtures import message
from tests.messaging.track.test_statuses import send_accepted

US = "+13175550142"
UK = "+442071234567"
FRANCE = "+33612345678"
CANADA = "+16135550142"  # shares the calling code of the US


class Sent(NamedTuple):
    """A message that was sent, with the price that was reported."""

    number: str
    amount: Decimal | None
    currency: str | None = "USD"
    segments: int | None = 1


@transaction
def store(connection: Connection, sent: list[Sent]) -> None:
    db.session.execute(delete(Message))
    for item in sent:
        contact = get_or_create_contact(Address.PHONE, item.number, test=True)
        row = Message(
            contact_id=contact.id,
            connection_id=connection.id,
            channel=Channel.SMS.value,
            test=True,
            status=Status.DELIVERED.value,
            price=item.amount,
            price_currency=item.currency,
            segments=item.segments,
        )
        db.session.add(row)
        db.session.flush()


def estimate(connection: Connection, number: str, segments: int = 1) -> Price | None:
    db.session.rollback()
    return RecordedPrices(connection.info).estimate(number, segments)


def usd(amount: str) -> Price:
    return Price(Decimal(amount), "USD")


def test_reported_price_is_stored_with_its_currency(connection: Connection) -> None:
    message_id = send_accepted(connection)
    update = StatusUpdate(
        message_id=message_id,
        attempt=1,
        provider_status="delivered",
        status=Status.DELIVERED,
        price=usd("0.0079"),
    )
    assert statuses.apply_status(update, Origin("callback", [connection.id]))
    row = message(message_id)
    assert (row.price, row.price_currency) == (Decimal("0.0079"), "USD")


def test_price_is_the_median_of_the_country_and_grows_with_segments(
    connection: Connection,
) -> None:
    store(connection, [Sent(US, Decimal(amount)) for amount in ("0.007", "0.008", "0.5")])
    assert estimate(connection, US) == usd("0.00800")
    assert estimate(connection, US, 3) == usd("0.02400")
    assert estimate(connection, FRANCE) is None


def test_price_of_several_segments_is_divided(connection: Connection) -> None:
    store(connection, [Sent(US, Decimal("0.0240"), segments=3)])
    assert estimate(connection, US) == usd("0.00800")


@pytest.mark.parametrize(
    "sent",
    [
        Sent(US, None, None),
        Sent(US, Decimal(0)),
        Sent(US, Decimal("0.01"), None),
        Sent(US, Decimal("0.01"), segments=None),
        Sent(CANADA, Decimal("0.01")),
    ],
    ids=["no price", "nothing charged", "no currency", "no segments", "other country"],
)
def test_messages_that_tell_no_price(connection: Connection, sent: Sent) -> None:
    store(connection, [sent])
    assert estimate(connection, US) is None


sent_messages = st.lists(
    st.builds(
        Sent,
        st.sampled_from([US, UK, FRANCE, CANADA]),
        st.decimals("0.001", "9", places=3),
        st.sampled_from(["USD", "EUR"]),
        st.integers(1, 3),
    ),
    max_size=40,
)


@settings(
    max_examples=examples(50),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sent=sent_messages, number=st.sampled_from([US, UK, FRANCE, CANADA]))
def test_price_is_that_of_the_newest_messages_to_the_country(
    connection: Connection, sent: list[Sent], number: str
) -> None:
    store(connection, sent)
    same = [item for item in reversed(sent) if item.number == number]
    expected = None
    if same:
        currency = str(same[0].currency)
        amounts = [
            item.amount / item.segments
            for item in same
            if item.currency == currency and item.amount and item.segments
        ]
        unit = median_low(amounts[: recorded_prices.SAMPLE])
        expected = Price(round(unit * 2, recorded_prices.PLACES), currency)
    assert estimate(connection, number, 2) == expected


def test_newest_prices_are_read_from_an_index(connection: Connection, hub_demo: Flask) -> None:
    executed: list[tuple[str, object]] = []
    event.listen(
        db.engine, "before_cursor_execute", lambda _, __, *sql: executed.append((sql[0], sql[1]))
    )
    estimate(connection, US)
    [(statement, values)] = [item for item in executed if "price_currency" in item[0]]
    explain = "EXPLAIN" if POSTGRES else "EXPLAIN QUERY PLAN"
    with db.engine.connect() as opened:
        if POSTGRES:
            opened.execute(text("SET LOCAL enable_seqscan = off"))  # as for many rows
            opened.execute(text("SET LOCAL enable_sort = off"))
        found = opened.exec_driver_sql(f"{explain} {statement}", values)  # type: ignore[arg-type]
        plan = str(list(found))
    assert "ix_messages_priced" in plan
    assert "TEMP B-TREE" not in plan
