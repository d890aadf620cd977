"""Find the language in which a contact reads: that of the last text that it got."""

from __future__ import annotations

from sqlalchemy import select

from hub.db.engine import db
from hub.models import Message, Template, TemplateVersion


def find_language(contact_id: str) -> str | None:
    """Return the locale of the newest text to a contact, or None if it got none."""
    query = (
        select(Template.locale)
        .join(TemplateVersion, TemplateVersion.template_id == Template.id)
        .join(Message, Message.template_version_id == TemplateVersion.id)
        .where(Message.contact_id == contact_id)
        .order_by(Message.id.desc())
    )
    return db.session.scalar(query.limit(1))


def language_of_message(message: Message) -> str | None:
    """Return the locale of the text of a message, or None if it has no template."""
    if message.template_version_id is None:
        return None
    query = (
        select(Template.locale)
        .join(TemplateVersion, TemplateVersion.template_id == Template.id)
        .where(TemplateVersion.id == message.template_version_id)
    )
    return db.session.scalar(query)
