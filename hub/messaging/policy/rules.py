"""A connection's rules: what an admin allows it to send, to whom, when, and for how much. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from hub.core.errors import Refused
from hub.lib import phones
from hub.messaging.policy.quiet_hours import QuietHours

OTHERS = ""  # in a table of prices: every country that it does not name
MOST_PER_HOUR = 10_000
MOST_PER_DAY = 100_000
MOST_DAYS = 3650
DEAREST = Decimal(100)
MOST_SPENT = Decimal(10_000_000)
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Rules:
    """The sending rules of a connection. Zero and empty mean that there is no such rule."""

    consent: bool = False  # a recorded consent is needed, except for replies
    consent_days: int = 0  # the oldest yes that counts
    countries: frozenset[str] = frozenset()  # ISO 3166 codes; empty: every country
    per_hour: int = 0  # messages to one recipient
    per_day: int = 0
    currency: str = "USD"
    # of one segment, by country or OTHERS
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    spend_day: Decimal = Decimal(0)  # by UTC
    spend_month: Decimal = Decimal(0)
    quiet: QuietHours | None = None
    # what would expire before the quiet hours end is not sent; else it goes
    quiet_waits: bool = False

    @property
    def spends(self) -> bool:
        """True when messages have a price that is counted."""
        return bool(self.prices)

    @property
    def capped(self) -> bool:
        """True when what was sent before decides what may go: then one transaction at a time may
        claim.
        """
        return bool(self.per_hour or self.per_day or self.spend_day or self.spend_month)

    def reaches(self, number: str) -> bool:
        """Tell whether a number lies in a country that is allowed."""
        return not self.countries or phones.lies_in(number, self.countries)

    def cost(self, number: str, segments: int) -> Decimal:
        """Estimate what a message to a number costs."""
        each = self.prices.get(phones.country(number), self.prices.get(OTHERS, Decimal(0)))
        return each * max(segments, 1)

    def stored(self) -> str:
        """Return the form in which they are kept."""
        kept: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        kept |= {
            "countries": sorted(self.countries),
            "prices": {key: str(price) for key, price in self.prices.items()},
            "spend_day": str(self.spend_day),
            "spend_month": str(self.spend_month),
            "quiet": [self.quiet.begins, self.quiet.ends] if self.quiet else None,
        }
        return json.dumps(kept)


class UnreadableRules(Rules):
    """Unreadable rules: their connection sends nothing until they are saved again."""


@lru_cache(maxsize=1024)
def rules_of_connection(stored: str, consent: bool) -> Rules:
    """Return a connection's rules; `consent` says whether its channel asks for one where nothing
    was stored.
    """
    if not stored:
        return Rules(consent=consent)
    try:
        return _read(stored)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return UnreadableRules()


def _read(stored: str) -> Rules:
    kept = json.loads(stored)
    return Rules(
        **{
            **kept,
            "countries": frozenset(kept["countries"]),
            "prices": {key: Decimal(price) for key, price in kept["prices"].items()},
            "spend_day": Decimal(kept["spend_day"]),
            "spend_month": Decimal(kept["spend_month"]),
            "quiet": QuietHours(*kept["quiet"]) if kept["quiet"] else None,
        }
    )


# ── As an admin writes them ───────────────────────────────────────────────────────────────────────
def validate_rules(rules: Rules) -> Rules:
    """Return rules that hold together. Raises Refused that names the field."""
    for name, most in (
        ("consent_days", MOST_DAYS),
        ("per_hour", MOST_PER_HOUR),
        ("per_day", MOST_PER_DAY),
    ):
        if not 0 <= getattr(rules, name) <= most:
            raise Refused(
                "out_of_range",
                f"Enter a whole number from 1 to {most:,}, or leave it empty.",
                field=name,
            )
    if rules.per_hour and rules.per_day and rules.per_day < rules.per_hour:
        raise Refused(
            "never_reached",
            "The limit per day is lower than the limit per hour. Raise it, or leave one empty.",
            field="per_day",
        )
    if not CURRENCY.fullmatch(rules.currency):
        raise Refused(
            "bad_currency", "Enter a currency code of three letters, such as USD.", field="currency"
        )
    for name in ("spend_day", "spend_month"):
        if getattr(rules, name) and OTHERS not in rules.prices:
            why = (
                "A spending limit needs prices. Add a line with the price of a segment in"
                " all other countries, such as other: 0.05"
            )
            raise Refused("no_prices", why, field="prices")
    if rules.spend_month and rules.spend_day > rules.spend_month:
        raise Refused(
            "never_reached",
            "The monthly limit is lower than the daily limit. Raise it, or leave one empty.",
            field="spend_month",
        )
    return replace(rules, consent_days=rules.consent_days if rules.consent else 0)


def countries(text: str) -> frozenset[str]:
    """Read country codes with commas, blanks or lines between them. Raises Refused."""
    return frozenset(_country(word, "countries") for word in re.split(r"[\s,;]+", text) if word)


def prices(text: str) -> dict[str, Decimal]:
    """Read a table of prices: a line each, with a country and what one segment costs there.

    Raises Refused.
    """
    found: dict[str, Decimal] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, price = line.partition(":")
        if not colon:
            raise Refused(
                "bad_line",
                f"Enter {line[:40]!r} as a country, a colon and a price, such as US: 0.0083",
                field="prices",
            )
        key = (
            OTHERS
            if name.strip().lower() in ("other", "others")
            else _country(name.strip(), "prices")
        )
        if key in found:
            raise Refused("twice", f"{name.strip()} is in two lines. Keep one.", field="prices")
        found[key] = amount(price, "prices", DEAREST)
    return found


def amount(text: str, name: str, most: Decimal = MOST_SPENT) -> Decimal:
    """Read an amount of money. Raises Refused."""
    try:
        found = Decimal(text.strip() or "0")
    except InvalidOperation:
        found = Decimal("NaN")
    if (
        not (found.is_finite() and 0 <= found <= most)
        or -int(found.normalize().as_tuple().exponent) > 5
    ):
        why = (
            f"{text.strip()[:20]!r} is not an amount. Enter it with a decimal point and at"
            f" most five decimals, such as 0.0083, up to {most:,}."
        )
        raise Refused("bad_amount", why, field=name)
    return found


def _country(word: str, name: str) -> str:
    code = word.upper()
    if code not in phones.COUNTRIES:
        raise Refused(
            "no_such_country",
            f"{word[:20]!r} is not a country. Enter a two-letter code, such as US or DE.",
            field=name,
        )
    return code
