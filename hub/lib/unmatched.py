"""Respond to requests that match no route in the format of their URL prefix: JSON or a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, request
from werkzeug.exceptions import HTTPException

Reply = Callable[[HTTPException], Any]
REPLIES = "hub.unmatched"


def init_app(app: Flask) -> None:
    """Register error handlers for requests outside of any blueprint."""
    app.extensions[REPLIES] = {}
    for status in (400, 404, 405):
        app.register_error_handler(status, _handle_unmatched)


def register_fallback(app: Flask, prefix: str, reply: Reply) -> None:
    """Register `reply` for unmatched URLs below a prefix. The longest matching prefix wins."""
    app.extensions[REPLIES][prefix] = reply


def _handle_unmatched(error: HTTPException) -> Any:
    replies: dict[str, Reply] = current_app.extensions[REPLIES]
    matching_prefixes = [prefix for prefix in replies if request.path.startswith(prefix)]
    return replies[max(matching_prefixes, key=len)](error) if matching_prefixes else error
