"""Limits of the size of request bodies: one for all, and larger ones that views declare."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import IO, Any
from urllib.parse import unquote

from flask import Flask, Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from hub.core.config import MAX_BODY_SIZE


class LimitedRequest(Request):
    """A request whose body is refused, not cut off, when it is too large and does not say so in
    advance.
    """

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()  # werkzeug's own would write a large file to a disk, without encryption

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        data = super().get_data(cache, False, parse_form_data)
        if len(data) > MAX_BODY_SIZE:
            raise RequestEntityTooLarge
        return data.decode(errors="replace") if as_text else data


def init_app(app: Flask) -> None:
    """Limit the bodies of an application's requests, and tell its web server the limits."""
    app.request_class = LimitedRequest
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_SIZE + 1
    app.extensions["hub.body_limit"] = partial(_body_limit, app)


def _body_limit(app: Flask, method: str, path: str) -> int:
    """Return the most bytes that a request's body may have. A view declares more by `largest`."""
    prefix = app.extensions["hub.config"].path_prefix
    below = unquote(path.removeprefix(prefix) if path.startswith(prefix + "/") else path)
    try:
        endpoint, _ = app.url_map.bind("").match(below, method)
    except HTTPException:
        return MAX_BODY_SIZE
    largest = getattr(app.view_functions[endpoint], "largest", MAX_BODY_SIZE)
    with app.app_context():
        return int(largest() if callable(largest) else largest)
