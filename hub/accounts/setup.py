"""What must be there before the first request: prepared at every start, after migration."""

from __future__ import annotations

from sqlalchemy import select

from hub import audit, store
from hub.accounts.links import first_admin_link
from hub.extensions import db
from hub.models import Source
from hub.store import transaction

__all__ = ["first_admin_link", "prepare"]


def prepare() -> None:
    """Make the key that addresses are found by, and the default source; what is there stays."""
    store.index_key()
    _add_default_source()


@transaction
def _add_default_source() -> None:
    if db.session.scalar(select(Source.id).where(Source.slug == "default")) is None:
        source = Source(slug="default", name="Default")
        db.session.add(source)
        db.session.flush()
        audit.record("source.added", source.id, source.name)
