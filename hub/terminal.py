"""Words for a terminal: coloured where a person reads them, plain where a file or a program does."""

from __future__ import annotations

import os
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = "1", "2", "31", "32", "33", "34", "35", "36"


def shows_colour(stream: TextIO) -> bool:
    """Tell whether to colour what goes to this stream (https://no-color.org)."""
    try:
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    except ValueError:  # the stream is closed
        return False


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Colour the text if the stream shows colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if shows_colour(stream) else text
