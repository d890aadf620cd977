"""Carry a query in a URL that only Signpost can read.

A name in a URL would be written to the logs of proxies and to the history of the browser. The URL
is valid for a working day, for the user who searched.
"""

from __future__ import annotations

import base64
import binascii
import time

from hub.core.errors import DecryptionError
from hub.db.encrypted_fields import SEARCH_QUERY
from hub.db.types import keyring

LIFETIME = 10 * 3600  # seconds
MAX_LENGTH = 200  # characters of a query


def seal_query(query: str, user_id: str) -> str:
    """Return a query as the URL carries it."""
    sealed = keyring().seal_json(SEARCH_QUERY, user_id, [int(time.time()), query[:MAX_LENGTH]])
    return base64.urlsafe_b64encode(sealed).decode()


def open_query(sealed: str, user_id: str) -> str | None:
    """Return the query of a URL, or None if it is expired, damaged or another user's."""
    try:
        encrypted = base64.urlsafe_b64decode(sealed.encode("ascii", "ignore"))
        sealed_at, query = keyring().open_json(SEARCH_QUERY, user_id, encrypted)
    except (DecryptionError, binascii.Error):
        return None
    return None if time.time() - sealed_at >= LIFETIME else str(query)
