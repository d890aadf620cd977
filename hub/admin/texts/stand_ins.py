"""Describe which text stands in for which: of another language, or that of SMS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from hub.admin.view.status_badges import channel_title
from hub.core.vocabulary import TEXT_CHANNELS, Audience, Channel
from hub.db.engine import db
from hub.lib.localized import format_language, language_name
from hub.lib.plural_forms import language_of
from hub.messaging.compose import render
from hub.messaging.compose.render import WRITTEN_CHANNELS
from hub.models import Template, TemplateVersion


@dataclass(frozen=True)
class ChannelTexts:
    """The texts of one channel, and the text that stands in for missing ones."""

    channel: str
    title: str
    texts: Sequence[Template]
    note: str = ""
    can_add: bool = False  # in the language of the shown text


def channels_of(audience: str) -> tuple[Channel, ...]:
    """Return the channels of texts to an audience."""
    return (Channel.CHAT,) if audience == Audience.TEAM else TEXT_CHANNELS


class TextFamily:
    """The texts of one event and audience, in every language and over every channel."""

    def __init__(self, shown: Template) -> None:
        self.shown = shown
        query = select(Template).where(Template.name == shown.name)
        found = db.session.scalars(query.order_by(Template.channel, Template.locale)).all()
        self.texts = sorted(found, key=lambda item: item.locale != render.SHIPPED_LOCALE)
        versions = select(TemplateVersion.template_id).where(
            TemplateVersion.template_id.in_([item.id for item in self.texts])
        )
        published = set(db.session.scalars(versions))
        self.sent = [
            item for item in self.texts if item.id in published and item.withdrawn_at is None
        ]

    def find_text(self, channel: str, locale: str) -> Template | None:
        """Return the text that a reader of a language gets over a channel."""
        stand_ins = self._sent_by_locale(Channel.SMS) if channel in WRITTEN_CHANNELS else {}
        return render.choose_locale(self._sent_by_locale(channel), locale, stand_ins)

    def _sent_by_locale(self, channel: str) -> dict[str, Template]:
        return {item.locale.lower(): item for item in self.sent if item.channel == channel}

    def describe(self) -> Iterator[str]:
        """Yield sentences about the other recipients of the shown text."""
        shown = self.shown
        if shown not in self.sent:
            other = self.find_text(shown.channel, shown.locale)
            if other is not None:
                name = f"{channel_title(other.channel)} text in {language_name(other.locale)}"
                yield f"Recipients get the {name} instead."
            return
        uses = [*self._describe_channels(), *self._describe_languages()]
        if uses:
            yield f"Also used for {', and for '.join(uses)}."

    def _describe_languages(self) -> Iterator[str]:
        """Yield the languages and regions that the shown text is also used for."""
        shown = self.shown
        tag = format_language(shown.locale).lower()
        has_regions = "-" not in tag or language_of(tag) not in self._sent_by_locale(shown.channel)
        if self.find_text(shown.channel, render.default_locale()) is shown:
            yield "languages and regions without their own text"
        elif has_regions:
            yield "regions of this language without their own text"

    def _describe_channels(self) -> Iterator[str]:
        """Yield the channels that the shown text is also used for."""
        shown = self.shown
        channels = [
            channel
            for channel in WRITTEN_CHANNELS
            if shown.channel == Channel.SMS and self.find_text(channel, shown.locale) is shown
        ]
        if channels:
            yield name_channels(channels)

    def list_channels(self) -> Iterator[ChannelTexts]:
        """Yield the texts of each channel."""
        for channel in channels_of(self.shown.audience):
            texts = [item for item in self.texts if item.channel == channel]
            locales = {item.locale for item in texts}
            yield ChannelTexts(
                channel,
                channel_title(channel),
                texts,
                self._note(channel),
                self.shown.locale not in locales,
            )

    def _note(self, channel: str) -> str:
        if channel not in WRITTEN_CHANNELS or channel not in channels_of(self.shown.audience):
            return ""
        if self.shown.audience == Audience.TEAM:
            return ""
        own = self._sent_by_locale(channel)
        if not own:
            return "Uses the SMS text"
        others = self._sent_by_locale(Channel.SMS).keys() - own.keys()
        return "Other languages use the SMS text" if others else ""


def name_channels(channels: Sequence[str]) -> str:
    """Return the names of channels that use the SMS text, within a sentence."""
    return " and ".join("chats" if name == Channel.CHAT else "WhatsApp" for name in channels)
