"""Words for a terminal: colored where a person reads them, plain in files and pipes."""

from __future__ import annotations

import os
from typing import TextIO

BOLD = "1"
DIM = "2"
RED = "31"
GREEN = "32"
YELLOW = "33"
BLUE = "34"
MAGENTA = "35"
CYAN = "36"


def shows_color(stream: TextIO) -> bool:
    """Tell whether to color what goes to this stream (https://no-color.org)."""
    try:
        return (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
    except ValueError:  # the stream is closed
        return False


def paint(text: str, color: str, stream: TextIO) -> str:
    """Color the text if the stream shows colors."""
    return f"\x1b[{color}m{text}\x1b[0m" if shows_color(stream) else text
