"""Return the language of posts to the team of a source."""

from __future__ import annotations

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import cached
from hub.messaging.compose import render
from hub.models import Source


def team_locale(source_id: str) -> str:
    """Return the language of a source, from a short-lived cache, or that of HUB_LOCALE."""
    stored: str = cached(("source_locale", source_id), lambda: _read_locale(source_id))
    return stored or render.default_locale()


def _read_locale(source_id: str) -> str:
    return db.session.scalar(select(Source.locale).where(Source.id == source_id)) or ""
