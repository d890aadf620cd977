"""Read every message text with its published version and its draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select

from hub.core.vocabulary import TEXT_CHANNELS, Audience, EventType
from hub.db.engine import db
from hub.lib import jinja_texts
from hub.models import Template, TemplateVersion
from hub.models.template import JINJA


class Words(NamedTuple):
    """The subject of an email and its text. Other texts have no subject."""

    subject: str
    text: str


@dataclass(frozen=True)
class StoredText:
    """One text of an event in one language."""

    template: Template
    published: Words | None  # None: nothing is sent
    draft: Words | None

    @property
    def key(self) -> tuple[str, str, str]:
        return text_key(self.template.name, self.template.channel, self.template.locale)


def text_key(name: str, channel: str, locale: str) -> tuple[str, str, str]:
    """Return what identifies a text: its name, its channel and its language in lower case."""
    return name, channel, locale.replace("_", "-").lower()


def load_texts() -> dict[tuple[str, str, str], StoredText]:
    """Return every text by its key, in the order of events, audiences and channels."""
    newest = (
        select(func.max(TemplateVersion.number))
        .where(TemplateVersion.template_id == Template.id)
        .correlate(Template)
        .scalar_subquery()
    )
    query = select(Template, TemplateVersion).outerjoin(
        TemplateVersion,
        (TemplateVersion.template_id == Template.id) & (TemplateVersion.number == newest),
    )
    rows = sorted(db.session.execute(query), key=lambda row: _order(row[0]))
    found = (_build_text(template, version) for template, version in rows)
    return {text.key: text for text in found}


def _build_text(template: Template, version: TemplateVersion | None) -> StoredText:
    published = None
    if version is not None and template.withdrawn_at is None:
        published = Words(version.subject, version.text)
        if version.syntax == JINJA:
            published = Words(*(jinja_texts.convert(source) for source in published))
    draft = None
    if template.draft_text is not None:
        draft = Words(template.draft_subject, template.draft_text)
    return StoredText(template, published, draft)


def _order(template: Template) -> tuple[int, int, str, int, str]:
    return (
        _position([kind.value for kind in EventType], template.event_type),
        _position([audience.value for audience in Audience], template.audience),
        template.name,
        _position([channel.value for channel in TEXT_CHANNELS], template.channel),
        template.locale,
    )


def _position(values: list[str], value: str) -> int:
    return values.index(value) if value in values else len(values)
