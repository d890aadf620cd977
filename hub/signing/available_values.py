"""The values that the texts of an event can show, with the links that connect chats."""

from __future__ import annotations

from hub.core.vocabulary import Audience, Channel
from hub.messaging.compose import text_values
from hub.signing.chat_invitations import link_names


def list_values(event_type: str, audience: str, channel: str = "") -> list[tuple[str, str, str]]:
    """Return each value of a text as its key, its name in texts, and its meaning."""
    is_spoken = channel == Channel.VOICE  # a call never reads a link aloud
    found = [
        (value.key, value.name, value.meaning)
        for value in text_values.available_values(event_type, audience)
        if not (is_spoken and value.kind == text_values.Kind.LINK)
    ]
    if not is_spoken and audience in (Audience.SIGNER, Audience.OTHERS):
        found += [
            (name, name.replace("_", " "), "Link that connects a chat")
            for name in sorted(link_names())
        ]
    return found


def value_names(event_type: str, audience: str) -> dict[str, str]:
    """Return the name in texts of each value, by its key."""
    return {key: name for key, name, _ in list_values(event_type, audience)}
