"""Check the IDs that signing apps give to requests, signers and events.

A request's ID is part of URLs such as /api/v1/requests/2026%2F11%2F42. Clients and servers decode
and normalize paths, so an accepted ID must survive that unchanged.
"""

from __future__ import annotations

from hub.db.types import is_id
from hub.lib.text import clean_line

MAX_LENGTH = 200  # characters; a percent-encoded URL still fits every server's request line


def external_id(text: str) -> str:
    """Return an ID unchanged. Raises ValueError with the reason when it is not valid."""
    if not text:
        raise ValueError("Send a non-empty ID.")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"Send an ID of at most {MAX_LENGTH} characters.")
    if clean_line(text) != text:
        raise ValueError(
            "Remove control characters, line breaks, direction marks and surrounding spaces."
        )
    return text


def signer_id(text: str) -> str:
    """Return a signer's ID unchanged. Raises ValueError with the reason when it is not valid."""
    if is_id("sgn", text):
        raise ValueError("This is a Signpost ID. Send your app's ID of the signer.")
    return external_id(text)


def request_id(text: str) -> str:
    """Return a request's ID, which is safe in URLs, unchanged.

    Raises ValueError with the reason when it is not valid.
    """
    if is_id("req", text):
        raise ValueError("This is a Signpost ID. Send your app's ID of the request.")
    if any(part in ("", ".", "..") for part in external_id(text).split("/")):
        raise ValueError(
            "Remove slashes at the ends or next to each other, and the parts '.' and"
            " '..', because web servers and clients remove them from URLs."
        )
    return text
