"""Estimate the price of a message from the prices that its provider reported for recent ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from statistics import median_low
from typing import NamedTuple

from sqlalchemy import select

from hub import integrations
from hub.db.engine import db
from hub.integrations.base import Price
from hub.lib import phones
from hub.models import ConnectionInfo, Contact, Message

RECENT = 500  # newest messages with a price that are read
PLACES = 5  # of a price, as they are stored
SAMPLE = 25  # of them, those to one country that are used


class _Recorded(NamedTuple):
    """The reported price of a message, or of a segment where these are counted."""

    price: Price
    number: str


class RecordedPrices:
    """The prices that a provider reported for the newest messages of a connection."""

    def __init__(self, connection: ConnectionInfo) -> None:
        self._connection = connection
        integration = integrations.registry().get(connection.integration)
        self._counts_segments = bool(integration and integration.counts_segments)

    def estimate(self, number: str, segments: int) -> Price | None:
        """Return the median price of recent messages to the country of a number, or None.

        Nothing was charged for some messages, such as failed ones. They do not count.
        """
        country = phones.country(number)
        prefix = phones.calling_code(number)
        same = (
            item.price
            for item in self._newest
            if item.number.startswith(prefix) and phones.country(item.number) == country
        )
        unit = _median(same)
        count = max(segments, 1) if self._counts_segments else 1
        return None if unit is None else Price(round(unit.amount * count, PLACES), unit.currency)

    def by_country(self) -> dict[str, Price]:
        """Return the median price by country, of a segment where these are counted."""
        found: dict[str, list[Price]] = {}
        for item in self._newest:
            found.setdefault(phones.country(item.number), []).append(item.price)
        medians = {country: _median(iter(prices)) for country, prices in found.items()}
        return {country: price for country, price in medians.items() if price is not None}

    @cached_property
    def _newest(self) -> list[_Recorded]:
        query = (
            select(Message.price, Message.price_currency, Message.segments, Contact.address)
            .join(Contact, Contact.id == Message.contact_id)
            .where(Message.connection_id == self._connection.id, Message.price.is_not(None))
            .order_by(Message.id.desc())
            .limit(RECENT)
        )
        found = []
        for amount, currency, segments, number in db.session.execute(query):
            price = Price.read(amount, currency)  # of 0.2.0, the currency is not known
            divisor = segments if self._counts_segments else 1
            if price is not None and price.amount and divisor:
                unit = Price(price.amount / divisor, price.currency)
                found.append(_Recorded(unit, number))
        return found


def _median(prices: Iterator[Price]) -> Price | None:
    """Return the median of the newest prices in the currency of the newest one."""
    newest = next(prices, None)
    if newest is None:
        return None
    amounts = [newest.amount]
    for price in prices:
        if price.currency == newest.currency:
            amounts.append(price.amount)
        if len(amounts) == SAMPLE:
            break
    return Price(median_low(amounts), newest.currency)
