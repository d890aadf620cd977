"""Render the published text of a template in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy import bindparam, func, select

from hub.core.errors import ConfigError, Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Channel
from hub.db.compiled_sql import Statement
from hub.db.store import cached, read
from hub.integrations.base import Integration
from hub.lib import jinja_texts, text_grammar
from hub.lib.plural_forms import language_of
from hub.lib.text import Joined, is_blank
from hub.messaging.compose import text_values
from hub.messaging.compose.fitting import fit_text
from hub.models import Template, TemplateVersion
from hub.models.template import JINJA

SHIPPED_LOCALE = "en"  # the locale in which every text exists
WRITTEN_CHANNELS = (Channel.WHATSAPP, Channel.CHAT)
READER = "signer"  # the key of the recipient's name among the values
TEXT_INCOMPLETE = "text_incomplete"  # the reason of a step that is skipped


@dataclass(frozen=True)
class TemplateText:
    """The published version of a template."""

    id: str
    subject: str
    text: str
    syntax: str
    locale: str

    @cached_property
    def names(self) -> frozenset[str]:
        """The keys of the values that the text uses."""
        if self.syntax == JINJA:
            return jinja_texts.names_in(self.subject) | jinja_texts.names_in(self.text)
        try:
            parsed = [text_grammar.parse(part) for part in (self.subject, self.text)]
        except text_grammar.GrammarError:
            return frozenset()
        return frozenset(text_values.key_of(name) for part in parsed for name in part.names)


@dataclass(frozen=True)
class Rendered:
    """A subject and text, and the template version that they were made from."""

    version_id: str
    subject: str
    text: str
    locale: str  # of the version


class IncompleteText(Refused):
    """A text needs a value that the request does not have, so it is not sent."""

    def __init__(self, problem: str) -> None:
        super().__init__(TEXT_INCOMPLETE, problem)


def render(
    name: str, channel: str, locale: str, values: Mapping[str, Any], *, isolated: bool = False
) -> Rendered:
    """Fill the template `name` in the first locale of `locale_fallbacks` in which it exists.

    `isolated` keeps right-to-left values from reordering the text around them. Raises ConfigError
    if the template is missing, IncompleteText if a value is.
    """
    version = find_version(name, channel, locale)
    complete = text_values.add_stand_ins(values, version.locale)
    return fill_version(version, complete, locale, isolated=isolated)


def render_within(
    integration_class: type[Integration],
    longest: int,
    name: str,
    channel: str,
    locale: str,
    values: Mapping[str, Any],
    *,
    is_shared: bool = False,
) -> Rendered:
    """Fill a template for an integration, with the title shortened to fit `longest`.

    `is_shared`: the text names its reader, because the address has several. Raises ConfigError and
    IncompleteText as `render` does, and TooLong.
    """
    version = find_version(name, channel, locale)
    return fill_within(version, integration_class, longest, locale, values, is_shared=is_shared)


def fill_within(
    version: TemplateText,
    integration_class: type[Integration],
    longest: int,
    locale: str,
    values: Mapping[str, Any],
    *,
    is_shared: bool = False,
) -> Rendered:
    """Fill a version for an integration. Raises IncompleteText and TooLong."""
    # in SMS, isolates use up characters, and some phones show boxes
    isolated = not integration_class.counts_segments

    def make(shown: Mapping[str, Any]) -> Rendered:
        rendered = fill_version(version, shown, locale, isolated=isolated)
        return name_reader(rendered, version, shown, isolated=isolated) if is_shared else rendered

    complete = text_values.add_stand_ins(values, version.locale)
    return fit_text(integration_class, complete, make, lambda rendered: rendered.text, longest)


def name_reader(
    rendered: Rendered, version: TemplateText, values: Mapping[str, Any], *, isolated: bool
) -> Rendered:
    """Begin a text with the name of its reader, unless the text shows it or it is unknown."""
    name = text_values.localize_value(READER, values.get(READER), version.locale, isolated=isolated)
    if name is None or is_blank(str(name)) or READER in version.names:
        return rendered
    text = text_values.begin_with_addressee(rendered.text, str(name), version.locale)
    return replace(rendered, text=text)


def fill_version(
    version: TemplateText, values: Mapping[str, Any], locale: str, *, isolated: bool = False
) -> Rendered:
    """Fill a version with values that have their stand-ins. Raises IncompleteText.

    `locale`: the reader's, which decides the form of dates if it is of the text's language.
    """
    fill = _fill_jinja if version.syntax == JINJA else _fill
    # the text of a version may have the date of a region, such as the text `en` of `en-GB`
    same_language = language_of(locale) == language_of(version.locale)
    shown_locale = locale if same_language else version.locale
    try:
        subject = fill(version.subject, values, shown_locale, isolated=False)
        text = fill(version.text, values, shown_locale, isolated=isolated)
    except ValueError as error:  # it never quotes a value
        raise IncompleteText(str(error)) from None
    return Rendered(version.id, subject, text, version.locale)


def _fill(source: str, values: Mapping[str, Any], locale: str, *, isolated: bool) -> str:
    parsed = text_grammar.parse(source)
    shown = text_values.localize(parsed.names, values, locale, isolated=isolated)
    return text_grammar.fill(parsed, shown, locale)


def _fill_jinja(source: str, values: Mapping[str, Any], locale: str, *, isolated: bool) -> str:
    names = values.get("names")
    if names is not None and not isinstance(names, str):
        listed = text_values.format_names(names, locale, isolated=isolated)
        values = {**values, "names": Joined(listed)}
    return jinja_texts.render(source, values, isolated=isolated)


# ── The published versions ────────────────────────────────────────────────────────────────────────
def find_version(name: str, channel: str, locale: str) -> TemplateText:
    """Return the published text of a template for a reader. Raises ConfigError if none exists."""
    own = cached(("wordings", name, channel), lambda: _versions(name, channel))
    stand_ins: Mapping[str, TemplateText] = NOTHING
    if channel in WRITTEN_CHANNELS:
        stand_ins = cached(("wordings", name, Channel.SMS), lambda: _versions(name, Channel.SMS))
    version = choose_locale(own, locale, stand_ins)
    if version is None:
        raise ConfigError(
            f"There is no template {name} for {channel}. Add one in {quoted(SHIPPED_LOCALE)}."
        )
    return version


T = TypeVar("T")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def choose_locale(
    own: Mapping[str, T], locale: str, stand_ins: Mapping[str, T] = NOTHING
) -> T | None:
    """Return the text for a reader's locale from texts by locale, or None.

    `own` are the texts of a channel, and `stand_ins` those of SMS, of which one in the reader's
    language is better than an own text in another language. A language without a text for the
    reader's region uses that of another region, such as pt-BR for pt-PT.
    """
    for language, group in groupby(locale_fallbacks(locale), language_of):
        tags = list(group)
        for texts in (own, stand_ins):
            for tag in tags:
                if tag in texts:
                    return texts[tag]
        for texts in (own, stand_ins):
            regional = [tag for tag in texts if tag.startswith(f"{language}-")]
            if regional:
                return texts[min(regional)]
    return None


def _versions(name: str, channel: str) -> dict[str, TemplateText]:
    rows = read(_VERSIONS, name=name, channel=channel)
    return {
        locale.lower(): TemplateText(version_id, subject, text, syntax, locale)
        for locale, version_id, subject, text, syntax in rows
    }


_NEWEST = (
    select(func.max(TemplateVersion.number))
    .where(TemplateVersion.template_id == Template.id)
    .correlate(Template)
    .scalar_subquery()
)
_VERSIONS = Statement(
    select(
        Template.locale,
        TemplateVersion.id,
        TemplateVersion.subject,
        TemplateVersion.text,
        TemplateVersion.syntax,
    )
    .join(TemplateVersion, TemplateVersion.template_id == Template.id)
    .where(
        Template.name == bindparam("name"),
        Template.channel == bindparam("channel"),
        Template.withdrawn_at.is_(None),
        TemplateVersion.number == _NEWEST,
    )
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
