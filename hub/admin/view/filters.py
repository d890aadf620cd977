"""Filters and globals of the templates: times, numbers, states and icons."""

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

STATIC = Path(__file__).parents[2] / "static"
ICONS = STATIC / "icons"


def install(app: Flask) -> None:
    """Give the templates of this app their filters and globals."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
    # a block tag leaves no blank line behind: pages stay small, and a `pre` shows what it was given
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def phone(address: str) -> str:
    """Write a phone number with its usual spaces; any other address stays as it is."""
    return phones.display(address) if address.startswith("+") else address


def short_id(text: str) -> str:
    """Shorten an id for a line of text, keeping its two ends: `msg_019aa5…e41c`."""
    prefix, mark, rest = text.rpartition("_")
    return f"{prefix}{mark}{rest[:6]}…{rest[-4:]}" if len(rest) > 14 else text


def number(count: float) -> str:
    """Write a number with separators, and at most two decimals: `1,284`."""
    return f"{count:,.0f}" if count == int(count) else f"{count:,.2f}"


def money(amount: Decimal) -> str:
    """Write an amount with two decimals, and with four where it is less than one."""
    return f"{amount:,.2f}" if not amount or amount >= 1 else f"{amount:.4f}"


def plural(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun: `1 message`, `1,284 messages`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    """Write a share: `98.3%`; a share that is not all is never rounded up to all, nor one of
    something down to nothing.
    """
    if not whole:
        return "–"
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f}%"
    return f"{min(max(share, 0.1), 99.9):.1f}%"


def duration(span: timedelta | float) -> str:
    """Write how long something took: `318 ms`, `1.9 s`, `4 min`, `2 h`; a bare number means
    seconds.
    """
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{round(seconds / 3600)} h"


def initial(text: str) -> str:
    """Begin a text with a capital letter and leave the rest alone."""
    return text[:1].upper() + text[1:]


def marked(text: str) -> Markup:
    """Write the two marks that an integration's words may carry: `**bold**` and `code` between
    backquotes.
    """
    html = str(escape(text))
    for mark, written in MARKS:
        html = mark.sub(written, html)
    return Markup(html)  # noqa: S704 - escaped above


def icon(name: str, classes: str = "sp-icon-s") -> Markup:
    """Return one of our icons as inline SVG, so that it takes the text's color; an unknown channel
    gets the chat bubble.
    """
    return Markup(_icon(name, classes))  # noqa: S704 - our own files, a class we wrote


@lru_cache(maxsize=128)
def _icon(name: str, classes: str) -> str:
    file = ICONS / f"{name}.svg"
    if not name.isalpha() or not file.exists():
        file = ICONS / "chat.svg"
    drawing = file.read_text(encoding="utf-8").strip()
    return drawing.replace(
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
    "ago": datetimes.ago,
    "exact": datetimes.exact,
    "clock": datetimes.clock,
    "day": datetimes.day,
    "machine": datetimes.machine,
    "phone": phone,
    "short_id": short_id,
    "money": money,
    "number": number,
    "plural": plural,
    "duration": duration,
    "initial": initial,
    "marked": marked,
    "role_title": role_title,
    "channel_title": status_badges.channel_title,
}

GLOBALS: dict[str, Any] = {
    "icon": icon,
    "percent": percent,
    "state_look": status_badges.message_badge,
    "connection_look": status_badges.connection_badge,
    "request_look": status_badges.request_badge,
    "signer_look": status_badges.signer_badge,
    "zone_title": datetimes.zone_title,
    "zone_names": datetimes.zone_names,
    "wired": field_attributes.with_error_attributes,
    "validation_errors": error_summary.validation_errors,
}
