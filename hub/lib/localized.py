"""Format dates, numbers and amounts of money in American English, by the patterns of Unicode."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from babel import dates, numbers

from hub.lib.plural_forms import find_locale

LOCALE = "en_US"  # of all pages, posts and API texts
LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


@lru_cache(maxsize=1024)  # lists show the same days again and again
def format_date(on: date, pattern: str) -> str:
    """Format a day by a pattern of Unicode (CLDR), such as `MMM d, y`."""
    return str(dates.format_date(on, pattern, locale=LOCALE))


def format_datetime(time: datetime, pattern: str) -> str:
    """Format a time by a pattern of Unicode (CLDR), such as `MMMM d, HH:mm`, in its own zone."""
    return str(dates.format_datetime(time, pattern, tzinfo=time.tzinfo, locale=LOCALE))


def format_language(code: str) -> str:
    """Format a language code as a BCP 47 tag: `pt_br` becomes `pt-BR`, `zh-hant` `zh-Hant`."""
    first, *others = code.replace("_", "-").lower().split("-")
    shapes = {2: str.upper, 4: str.title}  # a region, a script
    return "-".join([first, *(shapes.get(len(part), str)(part) for part in others)])


def language_name(code: str) -> str:
    """Return the English name of a language, such as `Portuguese (Brazil)`, or its tag."""
    known = find_locale(code)
    name = known.get_display_name(LOCALE) if known else None
    return str(name or format_language(code))


def format_number(number: float | Decimal) -> str:
    """Format a number with thousands separators; one that is not whole gets two decimals."""
    pattern = "#,##0" if number == int(number) else "#,##0.00"
    return str(numbers.format_decimal(number, pattern, locale=LOCALE))


def format_amount(amount: Decimal, currency: str, *, exactly: bool = False) -> str:
    """Format an amount after its currency code, such as `USD 50.00`.

    An amount below 1 has four decimals. `exactly`: write all decimals, at least two.
    """
    decimals = "0.00" if not amount or amount >= 1 else "0.0000"
    pattern = f"¤¤ #,##{'0.00###' if exactly else decimals}"
    return str(
        numbers.format_currency(amount, currency, pattern, locale=LOCALE, currency_digits=False)
    )
