"""Compress pages and files so that their size does not reveal secrets (decision 0052)."""

from __future__ import annotations

import secrets

from flask import Flask, Response, request
from flask_compress import Compress

# values of Sec-Fetch-Site for a typed address, a bookmark, or a link on a page of this hub
OWN_REQUESTS = ("same-origin", "none")
MAX_PADDING_LENGTH = 48  # bytes, before base64 encoding

_compress = Compress()


def init_app(app: Flask) -> None:
    """Set up the compression. Only responses given to the functions below are compressed."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_ALGORITHM=["br", "gzip"],
        COMPRESS_BR_LEVEL=5,
    )
    _compress.init_app(app)


def compress_public(response: Response) -> Response:
    """Compress a response without secrets, such as a style sheet."""
    return _compress.after_request(response)


def compress_page(response: Response) -> Response:
    """Compress a page, unless another site may have caused the request."""
    response.vary.add("Sec-Fetch-Site")
    if request.headers.get("Sec-Fetch-Site") not in OWN_REQUESTS:
        return response
    response.headers["X-Padding"] = secrets.token_urlsafe(secrets.randbelow(MAX_PADDING_LENGTH))
    return _compress.after_request(response)
