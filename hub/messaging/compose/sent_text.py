"""Find the text that recipients received: a provider's template has its own text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.messaging.compose.provider_templates import LETTERHEAD
from hub.models import Attempt, Message, ProviderTemplate


@dataclass(frozen=True)
class SentText:
    """The provider's template that was sent for a message.

    Its name is its ID if the template is no longer known.
    """

    name: str
    template: str  # its text with placeholders, or '' if unknown

    def filled(self, content: Mapping[str, Any]) -> str:
        """Return the text that the recipient read; the hub's own text if the template is unknown.

        `content` is the stored content of the message.
        """
        text = self.template
        template = content.get("template") or {}
        # values that were known only when the message was sent are shown by their titles
        later = {
            variable: f"[{LETTERHEAD.get(name, name)}]"
            for variable, name in template.get("letterhead", {}).items()
        }
        for variable, value in {**template.get("variables", {}), **later}.items():
            text = text.replace(f"{{{{{variable}}}}}", value)
        return text or str(content.get("text", ""))


def find_sent_texts(messages: Collection[Message]) -> dict[str, SentText]:
    """Return the sent template by message ID, without messages that were sent as free text."""
    rows = db.session.execute(
        select(Attempt.message_id, Attempt.template, ProviderTemplate.name, ProviderTemplate.text)
        .outerjoin(
            ProviderTemplate,
            (ProviderTemplate.connection_id == Attempt.connection_id)
            & (ProviderTemplate.external_id == Attempt.template),
        )
        .where(Attempt.message_id.in_([message.id for message in messages]))
        .order_by(Attempt.message_id, Attempt.number)
    )
    latest = {message_id: (external, name, text) for message_id, external, name, text in rows}
    return {
        message_id: SentText(name or external, text or "")
        for message_id, (external, name, text) in latest.items()
        if external
    }
