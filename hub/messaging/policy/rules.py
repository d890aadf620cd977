"""Sending rules of a connection: consent, countries, limits, prices and quiet hours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.lib import phones
from hub.messaging.policy.quiet_hours import QuietHours
from hub.shared.sentences import ENGLISH, LANGUAGES, sentence

OTHERS = ""  # the key in a table of prices for all countries that it does not list
MAX_PER_HOUR = 10_000
MAX_PER_DAY = 100_000
MAX_CONSENT_DAYS = 3650
MAX_PRICE = Decimal(100)
MAX_AMOUNT = Decimal(10_000_000)
MAX_LINE = 120  # characters
# the line if no admin wrote another one; it is sent in the language of the text
DEFAULT_LINE = sentence("opt_out_line", ENGLISH)
PREFIX = re.compile(r"\+[1-9][0-9]{0,5}")
# where gateways hold texts with an opt-out keyword that their own system did not add
HELD_PREFIX = "+33"
SHORT_LINKS = "built_in"
LONG_LINKS = "long"
LINK_KINDS = {SHORT_LINKS: "Short links of Signpost", LONG_LINKS: "Long links of the signing app"}
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Rules:
    """The sending rules of a connection. Zero or empty means that there is no such rule."""

    consent: bool = False  # a recorded consent is required, except for replies
    consent_days: int = 0  # days until a consent expires
    countries: frozenset[str] = frozenset()  # ISO 3166 codes; empty: every country
    per_hour: int = 0  # messages to one recipient
    per_day: int = 0
    currency: str = "USD"
    # of one segment, by country or OTHERS
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    spend_day: Decimal = Decimal(0)  # by UTC
    spend_month: Decimal = Decimal(0)
    quiet: QuietHours | None = None
    # true: a message that expires before the quiet hours end is not sent; false: it is sent at once
    quiet_waits: bool = False
    # the end of the first SMS to a contact whose number begins with one of the prefixes
    opt_out_line: str = DEFAULT_LINE
    opt_out_prefixes: frozenset[str] = frozenset({"+1"})
    short_links: str = SHORT_LINKS  # one of LINK_KINDS, for SMS

    @property
    def has_prices(self) -> bool:
        """True if messages have prices, so that spending is counted."""
        return bool(self.prices)

    @property
    def limits_spending(self) -> bool:
        """True if the spending of a day or a month has a limit."""
        return bool(self.spend_day or self.spend_month)

    @property
    def is_capped(self) -> bool:
        """True if a limit depends on earlier messages; then one transaction at a time may claim."""
        return bool(self.per_hour or self.per_day) or self.limits_spending

    def allows_number(self, number: str) -> bool:
        """Return whether a number is in an allowed country."""
        return not self.countries or phones.is_in_country(number, self.countries)

    def opt_out_line_for(self, number: str, locale: str = ENGLISH) -> str:
        """Return the end of the first SMS to a number, or ''. `locale`: of the text."""
        if not number.startswith(tuple(self.opt_out_prefixes)):
            return ""
        return self.opt_out_line_in(locale)

    def opt_out_line_in(self, locale: str) -> str:
        """Return the opt-out line of a text in a language.

        A line that an admin wrote is the same in every language.
        """
        if self.opt_out_line != DEFAULT_LINE:
            return self.opt_out_line
        return sentence("opt_out_line", locale)

    def opt_out_lines_for(self, number: str) -> list[str]:
        """Return the lines that the first SMS to a number may end with, one for each language."""
        lines = (self.opt_out_line_for(number, locale) for locale in LANGUAGES.values())
        return list(dict.fromkeys(filter(None, lines)))

    def cost(self, number: str, segments: int) -> Decimal:
        """Estimate the cost of a message to a number."""
        price = self.prices.get(phones.country(number), self.prices.get(OTHERS, Decimal(0)))
        return price * max(segments, 1)

    def to_json(self) -> str:
        """Return the rules as JSON, for the database."""
        values: dict[str, Any] = {
            column.name: getattr(self, column.name) for column in fields(self)
        }
        values |= {
            "countries": sorted(self.countries),
            "prices": {key: str(price) for key, price in self.prices.items()},
            "spend_day": str(self.spend_day),
            "spend_month": str(self.spend_month),
            "quiet": self.quiet.to_list() if self.quiet else None,
            "opt_out_prefixes": sorted(self.opt_out_prefixes),
        }
        return json.dumps(values)


class UnreadableRules(Rules):
    """Unreadable rules: their connection sends nothing until they are saved again."""


@lru_cache(maxsize=1024)
def rules_of_connection(stored: str, consent: bool) -> Rules:
    """Return a connection's rules from stored JSON.

    `consent` is the default of a connection without stored rules.
    """
    if not stored:
        return Rules(consent=consent)
    try:
        return _parse_rules(stored)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        return UnreadableRules()


def _parse_rules(stored: str) -> Rules:
    values = json.loads(stored)
    if "opt_out_prefixes" in values:  # rules of 0.2.0 have none
        values["opt_out_prefixes"] = frozenset(values["opt_out_prefixes"])
    return Rules(
        **{
            **values,
            "countries": frozenset(values["countries"]),
            "prices": {key: Decimal(price) for key, price in values["prices"].items()},
            "spend_day": Decimal(values["spend_day"]),
            "spend_month": Decimal(values["spend_month"]),
            "quiet": QuietHours.from_list(values["quiet"]) if values["quiet"] else None,
        }
    )


# ── Input of admins ───────────────────────────────────────────────────────────────────────────────
def validate_rules(rules: Rules) -> Rules:
    """Return the rules if they are valid together. Raises Refused that names the field."""
    for problem in find_problems(rules):
        raise problem
    return replace(rules, consent_days=rules.consent_days if rules.consent else 0)


def find_problems(rules: Rules) -> Iterator[Refused]:
    """Return each contradiction in the rules, with the field to change."""
    for name, limit in (
        ("consent_days", MAX_CONSENT_DAYS),
        ("per_hour", MAX_PER_HOUR),
        ("per_day", MAX_PER_DAY),
    ):
        if not 0 <= getattr(rules, name) <= limit:
            yield Refused(
                "out_of_range",
                f"Enter a whole number from 1 to {limit:,}, or leave it empty.",
                field=name,
            )
    if rules.per_hour and rules.per_day and rules.per_day < rules.per_hour:
        yield Refused(
            "never_reached",
            "The limit per day is lower than the limit per hour. Raise it, or leave one empty.",
            field="per_day",
        )
    if not CURRENCY.fullmatch(rules.currency):
        yield Refused(
            "bad_currency", "Enter a currency code of three letters, such as USD.", field="currency"
        )
    if (rules.spend_day or rules.spend_month) and OTHERS not in rules.prices:
        problem = (
            "A spending limit needs prices. Add a line with the price in all other countries,"
            " such as other: 0.05"
        )
        yield Refused("no_prices", problem, field="prices")
    yield from _find_opt_out_problems(rules)
    if rules.spend_month and rules.spend_day > rules.spend_month:
        yield Refused(
            "never_reached",
            "The monthly limit is lower than the daily limit. Raise it, or leave one empty.",
            field="spend_month",
        )


def _find_opt_out_problems(rules: Rules) -> Iterator[Refused]:
    if rules.opt_out_prefixes and not rules.opt_out_line:
        problem = "Enter the line, or remove the country codes."
        yield Refused("no_line", problem, field="opt_out_line")
    if len(rules.opt_out_line) > MAX_LINE or "\n" in rules.opt_out_line:
        problem = f"Write one line of at most {MAX_LINE} characters."
        yield Refused("bad_line", problem, field="opt_out_line")


def parse_prefixes(text: str) -> frozenset[str]:
    """Parse calling codes such as `+1`, separated by commas, spaces or lines. Raises Refused."""
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    for word in words:
        if not PREFIX.fullmatch(word):
            problem = f"{quoted(word[:20])} is not a country code. Enter one such as +1 or +44."
            raise Refused("bad_prefix", problem, field="opt_out_prefixes")
    return frozenset(words)


def parse_countries(text: str) -> frozenset[str]:
    """Parse country codes separated by commas, spaces or lines. Raises Refused."""
    return frozenset(
        _parse_country(word, "countries") for word in re.split(r"[\s,;]+", text) if word
    )


def parse_prices(text: str) -> dict[str, Decimal]:
    """Parse a table of prices, with a country and the price of a segment, or of a minute of a
    call, on each line.

    Raises Refused.
    """
    prices: dict[str, Decimal] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, price = line.partition(":")
        if not colon:
            raise Refused(
                "bad_line",
                f"Enter {quoted(line[:40])} as a country, a colon and a price, such as US: 0.0083.",
                field="prices",
            )
        key = (
            OTHERS
            if name.strip().lower() in ("other", "others")
            else _parse_country(name.strip(), "prices")
        )
        if key in prices:
            raise Refused(
                "twice", f"{name.strip()} appears on two lines. Remove one.", field="prices"
            )
        prices[key] = parse_amount(price, "prices", MAX_PRICE)
    return prices


def parse_amount(text: str, name: str, limit: Decimal = MAX_AMOUNT) -> Decimal:
    """Parse an amount of money. Raises Refused that names the field `name`."""
    try:
        amount = Decimal(text.strip() or "0")
    except InvalidOperation:
        amount = Decimal("NaN")
    if (
        not (amount.is_finite() and 0 <= amount <= limit)
        or -int(amount.normalize().as_tuple().exponent) > 5
    ):
        problem = (
            f"{quoted(text.strip()[:20])} is not an amount. Enter it with a decimal point and at"
            f" most five decimals, such as 0.0083, up to {limit:,}."
        )
        raise Refused("bad_amount", problem, field=name)
    return amount


def _parse_country(text: str, name: str) -> str:
    code = text.upper()
    if code not in phones.COUNTRIES:
        raise Refused(
            "no_such_country",
            f"{quoted(text[:20])} is not a country code. Enter a two-letter code, such as US or"
            f" DE.",
            field=name,
        )
    return code
