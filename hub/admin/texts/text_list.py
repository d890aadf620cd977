"""List the message texts by event, audience and channel, with the languages of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select

from hub.admin.texts.stand_ins import name_channels
from hub.admin.view.status_badges import channel_title
from hub.admin.view.template_titles import AUDIENCE_TITLES, EVENT_TITLES
from hub.core.vocabulary import TEXT_CHANNELS, Audience, Channel, EventType
from hub.db.engine import db
from hub.messaging.compose.render import WRITTEN_CHANNELS
from hub.models import Template, TemplateVersion


@dataclass(frozen=True)
class TextInLanguage:
    """One text of the list, with its state."""

    id: str
    locale: str
    has_draft: bool
    is_published: bool
    is_edited: bool
    is_withdrawn: bool


@dataclass
class TextRow:
    """The texts of one event, audience and channel."""

    name: str
    audience: str
    channel: str
    texts: list[TextInLanguage] = field(default_factory=list)
    note: str = ""  # the channels that use its texts, too

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
                template.withdrawn_at is not None,
            )
        )
    for row in rows.values():
        if row.channel == Channel.SMS:
            row.note = _stand_in_note(row.name, rows)
    return list(events.values())


def audience_title(template: Template) -> str:
    """Return the recipients of a text, as pages show them."""
    if template.audience in {*Audience}:
        return AUDIENCE_TITLES[Audience(template.audience)]
    return template.name.replace("_", " ").capitalize()


def _stand_in_note(name: str, rows: Mapping[tuple[str, str, str], TextRow]) -> str:
    """Return the channels without their own texts, which use those of SMS."""
    own = {
        row.channel
        for row in rows.values()
        if row.name == name
        and any(text.is_published and not text.is_withdrawn for text in row.texts)
    }
    missing = [channel for channel in WRITTEN_CHANNELS if channel not in own]
    return f"Also used for {name_channels(missing)}" if missing else ""


def _order(template: Template) -> tuple[int, int, str, int, bool, str]:
    events = [kind.value for kind in EventType]
    audiences = [audience.value for audience in Audience]
    channels = [channel.value for channel in TEXT_CHANNELS]
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
