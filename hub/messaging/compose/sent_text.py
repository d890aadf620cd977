"""The text that recipients received: a provider's template says its own words, not ours."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.models import Attempt, Message, ProviderTemplate


@dataclass(frozen=True)
class SentText:
    """A provider's template that a message went out as; its name is its id where it is not known
    any more.
    """

    name: str
    template: str  # its text, unfilled; '' where it is not known

    def filled(self, content: Mapping[str, Any]) -> str:
        """Return what the recipient read, given what the message keeps; our own wording where the
        template is not known.
        """
        text = self.template
        for variable, value in (content.get("template") or {}).get("variables", {}).items():
            text = text.replace(f"{{{{{variable}}}}}", value)
        return text or str(content.get("text", ""))


def sent_text_of(messages: Collection[Message]) -> dict[str, SentText]:
    """Return, by message, the template that it went out as; messages of free text are left out."""
    found = db.session.execute(
        select(Attempt.message_id, Attempt.template, ProviderTemplate.name, ProviderTemplate.text)
        .outerjoin(
            ProviderTemplate,
            (ProviderTemplate.connection_id == Attempt.connection_id)
            & (ProviderTemplate.external_id == Attempt.template),
        )
        .where(Attempt.message_id.in_([message.id for message in messages]))
        .order_by(Attempt.message_id, Attempt.number)
    )
    latest = {message_id: (external, name, text) for message_id, external, name, text in found}
    return {
        message_id: SentText(name or external, text or "")
        for message_id, (external, name, text) in latest.items()
        if external
    }
