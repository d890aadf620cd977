"""Choose the language of pages that people open without signing in."""

from __future__ import annotations

from flask import current_app, g, request, session

from hub.messaging.compose import render
from hub.shared.sentences import ENGLISH, choose_language, has_sentence, sentence


def reader_locale(known: str | None) -> str:
    """Return the language of the reader: that of the message, of the browser, or HUB_LOCALE."""
    accepted = [str(tag) for tag in request.accept_languages.values()]
    return choose_language([known] if known else accepted, render.default_locale())


def is_for_signer() -> bool:
    """Return whether the current request may come from a signer. Signers have no account.

    A URL that matches no page may be a damaged link. In English, its error page is that of users,
    which leads to the overview.
    """
    if g.get("user") is not None:
        return False
    if request.endpoint is None:
        return "_user_id" not in session and reader_locale(None) != ENGLISH
    return hasattr(current_app.view_functions[request.endpoint], "for_signers")


def error_sentence(key: str, locale: str, **values: int) -> str:
    """Return a sentence of an error page: that of the current view, or the usual one."""
    view = current_app.view_functions.get(request.endpoint or "")
    own = f"{getattr(view, 'error_texts', '')}{key}"
    return sentence(own if has_sentence(own) else key, locale, **values)
