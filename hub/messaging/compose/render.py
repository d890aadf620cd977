"""Render the newest text of a template in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import current_app
from sqlalchemy import bindparam, select

from hub.core.errors import ConfigError
from hub.core.quotes import quoted
from hub.core.vocabulary import Channel
from hub.db.compiled_sql import Statement
from hub.db.store import cached, read
from hub.integrations.base import Integration
from hub.lib import text
from hub.messaging.compose.fitting import fit_text
from hub.models import Template, TemplateVersion

SHIPPED_LOCALE = "en"  # the locale in which every text exists
WRITTEN_CHANNELS = (Channel.WHATSAPP, Channel.CHAT)


@dataclass(frozen=True)
class TemplateText:
    """One version of a template."""

    id: str
    subject: str
    text: str


@dataclass(frozen=True)
class Rendered:
    """A subject and text, and the template version that they were made from."""

    version_id: str
    subject: str
    text: str


def render(
    name: str, channel: str, locale: str, values: Mapping[str, Any], *, isolated: bool = False
) -> Rendered:
    """Fill the template `name` in the first locale of `locale_fallbacks` in which it exists.

    `isolated` keeps right-to-left values from reordering the text around them. Raises ConfigError
    if the template is missing or fails.
    """
    version = _newest_version(name, channel, locale)
    try:
        subject = text.render(version.subject, values)
        return Rendered(version.id, subject, text.render(version.text, values, isolated=isolated))
    except ValueError as error:
        raise ConfigError(f"Template {name} for {channel}: {error}") from None


def render_within(
    integration_class: type[Integration],
    longest: int,
    name: str,
    channel: str,
    locale: str,
    values: Mapping[str, Any],
) -> Rendered:
    """Fill a template for an integration, with the title shortened to fit `longest`.

    Raises ConfigError as `render` does, and TooLong.
    """
    isolated = (
        not integration_class.counts_segments
    )  # in SMS, isolates use up characters, and some phones show boxes

    def make(shown: Mapping[str, Any]) -> Rendered:
        return render(name, channel, locale, shown, isolated=isolated)

    return fit_text(integration_class, values, make, lambda rendered: rendered.text, longest)


def names_in(name: str, channel: str, locale: str) -> frozenset[str]:
    """Return the names of the values that a template uses.

    Raises ConfigError if the template is missing.
    """
    version = _newest_version(name, channel, locale)
    return text.names_in(version.subject) | text.names_in(version.text)


def _newest_version(name: str, channel: str, locale: str) -> TemplateText:
    by_locale = cached(("wordings", name, channel), lambda: _versions(name, channel))
    # channels for people use the SMS text unless they have text of their own
    if not by_locale and channel in WRITTEN_CHANNELS:
        by_locale = cached(("wordings", name, Channel.SMS), lambda: _versions(name, Channel.SMS))
    for candidate in locale_fallbacks(locale):
        if candidate in by_locale:
            return by_locale[candidate]
    raise ConfigError(
        f"There is no template {name} for {channel}. Add one in {quoted(SHIPPED_LOCALE)}."
    )


def _versions(name: str, channel: str) -> dict[str, TemplateText]:
    rows = read(_VERSIONS, name=name, channel=channel)
    # the highest number comes last and wins
    return {row[0].lower(): TemplateText(*row[1:]) for row in rows}


_VERSIONS = Statement(
    select(Template.locale, TemplateVersion.id, TemplateVersion.subject, TemplateVersion.text)
    .join(TemplateVersion, TemplateVersion.template_id == Template.id)
    .where(Template.name == bindparam("name"), Template.channel == bindparam("channel"))
    .order_by(TemplateVersion.number)
)


def default_locale() -> str:
    """Return the locale of people whose own is unknown."""
    locale: str = current_app.extensions["hub.config"].locale
    return locale


def locale_fallbacks(locale: str) -> Sequence[str]:
    """Return the locales to try, best first: pt-BR, pt, those of HUB_LOCALE, English."""
    return _fallbacks(locale, default_locale())


@lru_cache(maxsize=256)  # each message of an event asks, and people share few locales
def _fallbacks(locale: str, default: str) -> tuple[str, ...]:
    tags: list[str] = []
    for candidate in (locale, default, SHIPPED_LOCALE):
        parts = candidate.replace("_", "-").lower().split("-")
        tags += ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return tuple(dict.fromkeys(tags))
