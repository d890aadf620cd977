"""The part of the contract for the texts of messages: their length, escaping and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from hub.integrations.escaping import NO_ESCAPING, Escaper
from hub.integrations.shortening import fit_text, plain_text, unit_size
from hub.integrations.values import Button, Outbound


def buttons_of(message: Outbound, count: int) -> tuple[tuple[Button, ...], tuple[Button, ...]]:
    """Return the first buttons of a message for the payload, and the others for `text_of`."""
    buttons = tuple(message.buttons)
    return buttons[:count], buttons[count:]


class MessageTexts:
    """The texts of an integration's messages, within the limits of its provider."""

    max_length: ClassVar[int] = 100_000  # of text, in the units of `length_of`
    # what `length_of` counts: characters, bytes or UTF-16 units
    length_unit: ClassVar[str] = "characters"
    escape: ClassVar[Escaper] = NO_ESCAPING  # for `text_of`
    heading: ClassVar[str] = "{}"  # how `text_of` writes a card's title, such as "**{}**"

    @classmethod
    def length_of(cls, text: str) -> int:
        """Return the length of text in the provider's units, to compare with `max_length`."""
        return unit_size(cls.length_unit)(cls.escape(text))

    def text_of(
        self, message: Outbound, *, title: bool = True, buttons: Sequence[Button] | None = None
    ) -> str:
        """Return a message as escaped lines of at most `max_length`: its card, text and links.

        `buttons` are those to write as links, if the payload has the others in a separate field.
        """
        shown = message if buttons is None else replace(message, buttons=tuple(buttons))
        return plain_text(
            shown,
            self.max_length,
            escape=self.escape,
            size=unit_size(self.length_unit),
            title=title,
            heading=self.heading,
        )

    def title_of(self, message: Outbound, limit: int) -> str:
        """Return a card's title for a separate field, in at most `limit` units; "" without."""
        title = message.card.title if message.card else ""
        return fit_text(title, limit, unit_size(self.length_unit))
