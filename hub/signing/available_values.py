"""The values that the texts of an event can show, with the links that connect chats."""

from __future__ import annotations

from hub.core.vocabulary import Audience
from hub.messaging.compose import text_values
from hub.signing.chat_invitations import link_names


def list_values(event_type: str, audience: str) -> list[tuple[str, str, str]]:
    """Return each value of a text as its key, its name in texts, and its meaning."""
    found = [
        (value.key, value.name, value.meaning)
        for value in text_values.available_values(event_type, audience)
    ]
    if audience in (Audience.SIGNER, Audience.OTHERS):
        found += [
            (name, name.replace("_", " "), "Link that connects a chat")
            for name in sorted(link_names())
        ]
    return found


def value_names(event_type: str, audience: str) -> dict[str, str]:
    """Return the name in texts of each value, by its key."""
    return {key: name for key, name, _ in list_values(event_type, audience)}
