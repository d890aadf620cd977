"""Quote values that people entered, for sentences about them."""

from __future__ import annotations


def quoted(text: object) -> str:
    """Return a value in quotation marks, with invisible characters escaped as in Python.

    Escaping keeps control characters and marks of text direction from changing the sentence.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )
    return f"“{shown}”"
