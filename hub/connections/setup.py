"""Create what must exist before the first request. It runs at every start, after migrations."""

from __future__ import annotations

from sqlalchemy import select

from hub.accounts.single_use_links import create_first_admin_link
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Source
from hub.shared import audit, index_key

__all__ = ["create_first_admin_link", "prepare"]


def prepare() -> None:
    """Create the index key and the default source, if they are missing."""
    index_key.index_key()
    _add_default_source()


@transaction
def _add_default_source() -> None:
    if db.session.scalar(select(Source.id).where(Source.slug == "default")) is None:
        source = Source(slug="default", name="Default")
        db.session.add(source)
        db.session.flush()
        audit.record("source.added", source.id, source.name)
