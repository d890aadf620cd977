"""Color text in a terminal, and leave it plain in files and pipes."""

from __future__ import annotations

import os
from typing import TextIO

import click

BOLD = "bold"
DIM = "dim"
RED = "red"
GREEN = "green"
YELLOW = "yellow"
BLUE = "blue"
MAGENTA = "magenta"
CYAN = "cyan"


def shows_color(stream: TextIO) -> bool:
    """Return whether a stream shows colors (https://no-color.org)."""
    try:
        return (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
    except ValueError:  # the stream is closed
        return False


def paint(text: str, style: str, stream: TextIO) -> str:
    """Write the text bold, dim or in a color if the stream shows colors."""
    if not shows_color(stream):
        return text
    if style in {BOLD, DIM}:
        return click.style(text, bold=style == BOLD or None, dim=style == DIM or None)
    return click.style(text, fg=style)
