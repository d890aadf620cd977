"""Fill a text for its preview, and count what it costs as an SMS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from hub.core.vocabulary import Channel, ConnectionState
from hub.db.engine import db
from hub.lib import text_grammar
from hub.lib.localized import format_amount
from hub.lib.plural_forms import plural_forms
from hub.lib.public_shorteners import find_public_shorteners
from hub.lib.sms_characters import costly_characters
from hub.lib.text import is_gsm_text, segments
from hub.lib.text_grammar import GrammarError
from hub.messaging.compose import plan_words, render, text_values
from hub.messaging.compose.render import TemplateText
from hub.messaging.compose.short_links import SHORTENED, example_link, uses_short_links
from hub.messaging.policy.policy import get_rules
from hub.messaging.policy.rules import OTHERS
from hub.messaging.track.recorded_prices import RecordedPrices
from hub.models import Connection, Template
from hub.models.template import SIGNPOST

MAX_PRICES = 3  # countries of one connection


@dataclass(frozen=True)
class Segments:
    """The segments of an SMS, and the characters that make it need more."""

    count: int
    is_gsm: bool
    # each character outside GSM 03.38 that the text itself contains → its replacement or ''
    costly: Mapping[str, str] = field(default_factory=dict)
    from_values: str = ""  # such characters of the values
    prices: tuple[str, ...] = ()
    first: tuple[str, ...] = ()  # what the opt-out line changes for the first SMS to a contact
    only_in: tuple[str, ...] = ()  # the numbers of the forms with such characters, if not all

    @property
    def can_replace(self) -> bool:
        """True if a character of the text has a replacement."""
        return any(self.costly.values())


@dataclass(frozen=True)
class Preview:
    """A text filled with values; `problem` says why it cannot be filled."""

    subject: str = ""
    text: str = ""
    long_text: str = ""  # without short links, as other channels than SMS send it
    problem: str = ""
    segments: Segments | None = None
    public_shorteners: tuple[str, ...] = ()  # domains in an SMS that carriers filter
    # the text with other numbers: the numbers of a form, and the text
    forms: tuple[tuple[str, str], ...] = ()


def build_preview(
    template: Template,
    subject: str,
    text: str,
    values: Mapping[str, Any],
    *,
    is_shared: bool = False,
) -> Preview:
    """Return the preview of a text of a template.

    `is_shared`: several signers have the address that the text is sent to.
    """
    version = TemplateText("", subject, text, SIGNPOST, template.locale)
    long_values = text_values.add_stand_ins(values, template.locale)
    complete = long_values
    if template.channel == Channel.SMS:
        complete = {**long_values, **_short_links(values)}
    try:
        for source in (subject, text):
            text_grammar.parse(source)
        filled = render.fill_version(version, complete, template.locale)
        if is_shared:
            filled = render.name_reader(filled, version, complete, isolated=False)
        long_text = render.fill_version(version, long_values, template.locale).text
        forms = tuple(_fill_forms(version, complete))
    except GrammarError as error:
        return Preview(problem=f"Correct the text to see its preview. {error}")
    except render.IncompleteText as error:
        return Preview(problem=f"{error} The message is not sent.")
    if template.channel != Channel.SMS:
        return Preview(filled.subject, filled.text, long_text, forms=forms)
    count = count_segments(filled.text, text, template.locale, forms)
    found = tuple(find_public_shorteners(f"{text}\n{filled.text}"))
    return Preview(filled.subject, filled.text, long_text, "", count, found, forms)


def _short_links(values: Mapping[str, Any]) -> dict[str, str]:
    """Return an example of a short link for each link, if SMS contain short links."""
    connections = _sms_connections()
    if connections and not any(uses_short_links(row.info) for row in connections):
        return {}
    return {name: example_link() for name in SHORTENED if values.get(name)}


def _fill_forms(version: TemplateText, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the text for a number of each plural form, if it has a number with forms."""
    numbers = text_grammar.numbers_in(text_grammar.parse(version.text))
    if not numbers:
        return
    key = text_values.key_of(numbers[0].name)
    for examples in plural_forms(version.locale).examples:
        chosen = next((int(word) for word in examples.rstrip("…").split(", ") if word != "0"), 0)
        filled = render.fill_version(version, {**values, key: chosen}, version.locale)
        yield examples, filled.text


def count_segments(
    filled: str, source: str, locale: str, forms: Sequence[tuple[str, str]] = ()
) -> Segments:
    """Return the segments and prices of a filled text that was written as `source`.

    `locale`: its language. `forms`: the text with other numbers, of which the longest counts.
    """
    costly = costly_characters(source)
    with_costly = [numbers for numbers, text in forms if costly.keys() & set(text)]
    only_in = tuple(with_costly) if len(with_costly) < len(forms) else ()
    filled = max([filled, *(text for _, text in forms)], key=_segments_and_alphabet)
    others = [char for char in costly_characters(filled) if char not in costly]
    count = segments(filled)
    connections = _sms_connections()
    prices = tuple(
        f"{connection.title}: {price}"
        for connection in connections
        if (price := _format_price(connection, count))
    )
    first = tuple(
        note for row in connections if (note := _describe_first(row, filled, count, locale))
    )
    return Segments(count, is_gsm_text(filled), costly, " ".join(others), prices, first, only_in)


def _segments_and_alphabet(text: str) -> tuple[int, bool]:
    return segments(text), not is_gsm_text(text)


def _describe_first(connection: Connection, filled: str, count: int, locale: str) -> str:
    """Return the segments of the first SMS to a contact, or '' if the opt-out line adds none."""
    rules = get_rules(connection.info)
    line = rules.opt_out_line_in(locale)
    longer = segments(f"{filled}\n{line}") if rules.opt_out_prefixes else count
    if longer == count:
        return ""
    prefixes = ", ".join(sorted(rules.opt_out_prefixes))
    return f"{connection.title}: {longer} segments with the opt-out line, for {prefixes}"


def _sms_connections() -> list[Connection]:
    query = select(Connection).where(
        Connection.channel == Channel.SMS.value,
        Connection.archived_at.is_(None),
        Connection.state == ConnectionState.ENABLED.value,
    )
    return list(db.session.scalars(query.order_by(Connection.title)))


def _format_price(connection: Connection, count: int) -> str:
    """Return the price of a message by country, or '' if no price is known.

    What the provider charged for recent messages comes before the price list of the connection.
    """
    rules = get_rules(connection.info)
    recorded = RecordedPrices(connection.info).by_country()
    shown = [
        f"{format_amount(price.amount * count, price.currency)} in {country or 'other countries'}"
        f" ({plan_words.PRICE_OF_RECENT})"
        for country, price in sorted(recorded.items())
    ]
    shown += [
        f"{format_amount(price * count, rules.currency)} in {country or 'other countries'}"
        f" ({plan_words.PRICE_OF_RULES})"
        for country, price in sorted(rules.prices.items(), key=lambda item: item[0] == OTHERS)
        if country not in recorded
    ]
    more = len(shown) - MAX_PRICES
    return ", ".join(shown[:MAX_PRICES]) + (f" and {more} more" if more > 0 else "")
