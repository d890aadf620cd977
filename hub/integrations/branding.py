"""The look of a source in messages that can show it, such as emails."""

from __future__ import annotations

from dataclasses import dataclass

DARKEST_BACKGROUND = 0.179  # relative luminance below which white text has more contrast than black


@dataclass(frozen=True)
class Branding:
    """The branding of a source. Empty parts are not shown.

    `color` is `#rrggbb`, `logo` a PNG or JPEG file of the content type `logo_type`, `footer` the
    legal text, and `support` how to reach a person.
    """

    name: str = ""
    color: str = ""
    footer: str = ""
    support: str = ""
    logo: bytes = b""
    logo_type: str = ""

    @property
    def text_color(self) -> str:
        """The color, black or white, that is easier to read on `color`."""
        return "#ffffff" if _luminance(self.color) <= DARKEST_BACKGROUND else "#000000"


NO_BRANDING = Branding()


def _luminance(color: str) -> float:
    """Return the relative luminance of a color, as WCAG 2 defines it."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
