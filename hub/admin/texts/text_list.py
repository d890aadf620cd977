"""List the message texts by event, audience and channel, with the languages of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import func, select

from hub.admin.view.status_badges import channel_title
from hub.admin.view.template_titles import AUDIENCE_TITLES, EVENT_TITLES
from hub.core.vocabulary import Audience, Channel, EventType
from hub.db.engine import db
from hub.messaging.compose.render import WRITTEN_CHANNELS
from hub.models import Template, TemplateVersion

CHANNEL_ORDER = (Channel.SMS, Channel.WHATSAPP, Channel.EMAIL, Channel.CHAT)


@dataclass(frozen=True)
class TextInLanguage:
    """One text of the list, with its state."""

    id: str
    locale: str
    has_draft: bool
    is_published: bool
    is_edited: bool


@dataclass
class TextRow:
    """The texts of one event, audience and channel."""

    name: str
    audience: str
    channel: str
    texts: list[TextInLanguage] = field(default_factory=list)

    @property
    def channel_title(self) -> str:
        return channel_title(self.channel)


@dataclass
class EventTexts:
    """The texts of one event."""

    title: str
    rows: list[TextRow] = field(default_factory=list)


def list_texts() -> list[EventTexts]:
    """Return every text, in the order of the events, audiences and channels."""
    newest = (
        select(TemplateVersion.template_id, func.max(TemplateVersion.number).label("number"))
        .group_by(TemplateVersion.template_id)
        .subquery()
    )
    query = (
        select(Template, TemplateVersion.shipped)
        .outerjoin(newest, newest.c.template_id == Template.id)
        .outerjoin(
            TemplateVersion,
            (TemplateVersion.template_id == Template.id)
            & (TemplateVersion.number == newest.c.number),
        )
    )
    rows: dict[tuple[str, str, str], TextRow] = {}
    events: dict[str, EventTexts] = {}
    for template, shipped in sorted(db.session.execute(query), key=lambda row: _order(row[0])):
        event = events.setdefault(template.event_type, EventTexts(_event_title(template)))
        key = (template.event_type, template.name, template.channel)
        if key not in rows:
            rows[key] = TextRow(template.name, audience_title(template), template.channel)
            event.rows.append(rows[key])
        rows[key].texts.append(
            TextInLanguage(
                template.id,
                template.locale,
                template.draft_text is not None,
                shipped is not None,
                shipped is False,
            )
        )
    return list(events.values())


def audience_title(template: Template) -> str:
    """Return the recipients of a text, as an admin reads them."""
    if template.audience in {*Audience}:
        return AUDIENCE_TITLES[Audience(template.audience)]
    return template.name.replace("_", " ").capitalize()


def stand_in_note(channel: str, other_channels: set[str]) -> str:
    """Return which channels without a text of their own use an SMS text."""
    missing = [name for name in WRITTEN_CHANNELS if name not in other_channels]
    if channel != Channel.SMS or not missing:
        return ""
    names = " and ".join("chats" if name == Channel.CHAT else "WhatsApp" for name in missing)
    return f"Also used for {names}."


def _order(template: Template) -> tuple[int, int, str, int, bool, str]:
    events = [kind.value for kind in EventType]
    audiences = [audience.value for audience in Audience]
    channels = [channel.value for channel in CHANNEL_ORDER]
    return (
        _position(events, template.event_type),
        _position(audiences, template.audience),
        template.name,
        _position(channels, template.channel),
        template.locale != "en",
        template.locale,
    )


def _position(values: list[str], value: str) -> int:
    return values.index(value) if value in values else len(values)


def _event_title(template: Template) -> str:
    try:
        return EVENT_TITLES[EventType(template.event_type)]
    except ValueError:
        return template.event_type
