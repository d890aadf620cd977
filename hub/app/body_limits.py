"""Limit the size of request bodies: one default, and higher limits that views declare."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import IO, Any
from urllib.parse import unquote

from flask import Flask, Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from hub.core.config import MAX_BODY_SIZE


class LimitedRequest(Request):
    """A request that rejects a body without a Content-Length if it is too large, instead of
    truncating it.
    """

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()  # Werkzeug's default would write large files to disk unencrypted

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        data = super().get_data(cache, False, parse_form_data)
        # the limit of the view is looked up only for a body above the usual one
        if len(data) > MAX_BODY_SIZE and len(data) >= (self.max_content_length or 0):
            raise RequestEntityTooLarge
        return data.decode(errors="replace") if as_text else data


def init_app(app: Flask) -> None:
    """Limit the request bodies of an application, and pass the limits to the web server."""
    app.request_class = LimitedRequest
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_SIZE + 1
    app.extensions["hub.body_limit"] = partial(_body_limit, app)


def _body_limit(app: Flask, method: str, path: str) -> int:
    """Return the maximum body size of a request in bytes. Views raise it with `accepts_body`."""
    prefix = app.extensions["hub.config"].path_prefix
    below = unquote(path.removeprefix(prefix) if path.startswith(prefix + "/") else path)
    try:
        endpoint, _ = app.url_map.bind("").match(below, method)
    except HTTPException:
        return MAX_BODY_SIZE
    max_size = getattr(app.view_functions[endpoint], "max_body_size", MAX_BODY_SIZE)
    with app.app_context():
        return int(max_size() if callable(max_size) else max_size)
