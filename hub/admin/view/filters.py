"""Define the filters and globals of the templates: times, numbers, states and icons."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from hub.admin.view import datetimes, error_summary, field_attributes, status_badges
from hub.core.vocabulary import Role
from hub.lib import phones
from hub.lib.localized import format_amount, format_language, format_number
from hub.lib.text import within_sentence
from hub.shared.sentences import sentence

STATIC = Path(__file__).parents[2] / "static"
ICONS = STATIC / "icons"


def install(app: Flask) -> None:
    """Add the filters and globals to the templates of an application."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
    # block tags leave no blank lines, so pages stay small and a `pre` has no empty lines
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def phone(address: str) -> str:
    """Format a phone number with its usual spaces. Other addresses stay unchanged."""
    return phones.format_number(address) if address.startswith("+") else address


def sender_name(sender: str) -> str:
    """Return a sender without the prefix of its channel: `whatsapp:+1…` is a number.

    A server with a port, such as `localhost:8065`, stays unchanged.
    """
    return re.sub(r"^[a-z]+:(?![0-9]{1,5}$)", "", sender)


def short_id(text: str) -> str:
    """Shorten an ID in the middle: `msg_019aa5…e41c`."""
    prefix, mark, rest = text.rpartition("_")
    return f"{prefix}{mark}{rest[:6]}…{rest[-4:]}" if len(rest) > 14 else text


def number(count: float) -> str:
    """Format a number with thousands separators and at most two decimals: `1,284`."""
    return format_number(count)


def money(amount: Decimal, currency: str) -> str:
    """Format an amount after its currency code, such as `USD 50.00`."""
    return format_amount(amount, currency)


def plural(count: int, singular: str, plural_form: str = "") -> str:
    """Format a count with its noun: `1 message`, `1,284 messages`."""
    return f"{number(count)} {singular if count == 1 else plural_form or singular + 's'}"


def percent(part: float, whole: float) -> str:
    """Format a share: `98.3%`. It is not rounded to 0% or 100%."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f}%"
    return f"{min(max(share, 0.1), 99.9):.1f}%"


def duration(span: timedelta | float) -> str:
    """Format a duration: `318 ms`, `1.9 s`, `4 min`, `2 h`. A number is in seconds."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{round(seconds / 3600)} h"


def capitalize_first(text: str) -> str:
    """Capitalize the first letter of text, and leave the rest unchanged."""
    return text[:1].upper() + text[1:]


def render_marks(text: str) -> Markup:
    """Convert the marks in an integration's text to HTML: `**bold**`, and code in backquotes."""
    html = str(escape(text))
    for pattern, replacement in MARKS:
        html = pattern.sub(replacement, html)
    return Markup(html)  # noqa: S704 - escaped above


def icon(name: str, classes: str = "sp-icon-s") -> Markup:
    """Return an icon of Signpost as inline SVG, which has the color of the text.

    The icon of an unknown channel is a chat bubble.
    """
    return Markup(_icon(name, classes))  # noqa: S704 - files and classes of this package


@lru_cache(maxsize=128)
def _icon(name: str, classes: str) -> str:
    file = ICONS / f"{name}.svg"
    if not name.isalpha() or not file.exists():
        file = ICONS / "chat.svg"
    svg = file.read_text(encoding="utf-8").strip()
    return svg.replace(
        '<svg xmlns="http://www.w3.org/2000/svg"',
        f'<svg class="{Markup.escape(classes)}" aria-hidden="true"',
        1,
    )


def role_title(role: int) -> str:
    """Return a role's name: `Admin`."""
    return Role(role).title


MARKS = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<b>\1</b>"),
    (re.compile(r"`(.+?)`"), r"<code>\1</code>"),
)

FILTERS: dict[str, Any] = {
    "format_relative": datetimes.format_relative,
    "format_next_attempt": datetimes.format_next_attempt,
    "format_datetime": datetimes.format_datetime,
    "format_time": datetimes.format_time,
    "format_short": datetimes.format_short,
    "format_day": datetimes.format_day,
    "format_iso": datetimes.format_iso,
    "phone": phone,
    "short_id": short_id,
    "language_tag": format_language,
    "money": money,
    "number": number,
    "plural": plural,
    "duration": duration,
    "capitalize_first": capitalize_first,
    "within_sentence": within_sentence,
    "render_marks": render_marks,
    "role_title": role_title,
    "channel_title": status_badges.channel_title,
}

GLOBALS: dict[str, Any] = {
    "icon": icon,
    "percent": percent,
    "message_badge": status_badges.message_badge,
    "connection_badge": status_badges.connection_badge,
    "request_badge": status_badges.request_badge,
    "signer_badge": status_badges.signer_badge,
    "endpoint_badge": status_badges.endpoint_badge,
    "delivery_badge": status_badges.delivery_badge,
    "handler_event_badge": status_badges.handler_event_badge,
    "zone_title": datetimes.zone_title,
    "zone_names": datetimes.zone_names,
    "control_attributes": field_attributes.with_error_attributes,
    "sentence": sentence,
    "validation_errors": error_summary.validation_errors,
}
