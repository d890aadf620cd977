"""Choose the language of pages that people open without signing in."""

from __future__ import annotations

from flask import request

from hub.messaging.compose import render
from hub.shared.sentences import choose_language


def reader_locale(known: str | None) -> str:
    """Return the language of the reader: that of the message, of the browser, or HUB_LOCALE."""
    accepted = [str(tag) for tag in request.accept_languages.values()]
    return choose_language([known] if known else accepted, render.default_locale())
