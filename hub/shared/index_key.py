"""The key of the index of guessable values, such as addresses."""

from __future__ import annotations

import secrets
from typing import cast

from flask import current_app

from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Setting

INDEX_KEY = "index_key"


def index_key() -> bytes:
    """Return the index key. It is created once, stored encrypted and never rotated."""
    key = current_app.extensions.get("hub.index_key")
    if key is None:
        row = db.session.get(Setting, INDEX_KEY)
        text = row.value if row is not None else _make_index_key()
        key = current_app.extensions["hub.index_key"] = bytes.fromhex(text)
    return cast(bytes, key)


@transaction
def _make_index_key() -> str:
    row = db.session.get(Setting, INDEX_KEY)  # another process may have been first
    if row is None:
        row = Setting(name=INDEX_KEY, value=secrets.token_hex(32))
        db.session.add(row)
        db.session.flush()
    return cast(str, row.value)
