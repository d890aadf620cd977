"""Quote values that people entered, for sentences about them."""

from __future__ import annotations


def quoted(text: object) -> str:
    """Return a value in quotation marks, with invisible characters escaped as in Python.

    Escaping keeps control characters and marks of text direction from changing the sentence.
    """
    return f"“{escape_invisible(str(text))}”"


def escape_invisible(text: str) -> str:
    """Return a text with its invisible characters escaped as in Python."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
