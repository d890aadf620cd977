"""Sources: the signing apps and brands that post to the hub. They are renamed, never deleted."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import func, select

from hub.core.errors import Conflict, NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.lib.text import one_line
from hub.models import ApiKey, Source
from hub.shared import audit

DEFAULT = "default"
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 80
LONGEST_SLUG = 48


def all_sources() -> list[Source]:
    """Return every source, oldest first."""
    return list(db.session.scalars(select(Source).order_by(Source.id)))


def by_slug(slug: str) -> Source:
    """Return a source. Raises NotFound."""
    source = db.session.scalar(select(Source).where(Source.slug == slug))
    if source is None:
        raise NotFound("unknown_source", f"There is no source {slug!r}.", field="source")
    return source


def names() -> Mapping[str, str]:
    """Return the names of all sources, by id."""
    return {one.id: one.name for one in all_sources()}


def count_keys() -> Counter[str]:
    """Count the API keys that were not revoked, by the id of their source."""
    query = select(ApiKey.source_id, func.count()).where(ApiKey.revoked_at.is_(None))
    return Counter({row[0]: row[1] for row in db.session.execute(query.group_by(ApiKey.source_id))})


@transaction
def create(name: str, slug: str = "") -> str:
    """Add a source and return its slug, made from the name unless one is given.

    Raises Refused that names the field, Conflict.
    """
    words = _clean_name(name)
    slug = slug.strip() or _slug_of(words)
    if not slug:
        why = "It cannot be derived from this name. Enter one, such as acme-leases."
        raise Refused("bad_slug", why, field="slug")
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_SLUG:
        why = "Use lowercase letters, digits and single dashes, such as acme-leases."
        raise Refused("bad_slug", why, field="slug")
    if db.session.scalar(select(Source.id).where(Source.slug == slug)) is not None:
        why = f"Another source has the name {slug} in commands. Choose another name."
        raise Conflict("slug_taken", why, field="slug")
    source = Source(slug=slug, name=words)
    db.session.add(source)
    db.session.flush()
    audit.record("source.added", source.id, words, slug=slug)
    return slug


@transaction
def rename(slug: str, name: str) -> None:
    """Give a source another name; its slug stays. Raises NotFound, Refused that names the field."""
    source = by_slug(slug)
    words = _clean_name(name)
    if words != source.name:
        audit.record("source.renamed", source.id, words, before=source.name)
        source.name = words


@transaction
def apply_to_all(slug: str, *, on: bool) -> None:
    """Let what a source's keys record about people hold for every source, or for its own messages.

    It counts when a message is checked, for what was recorded before too. Raises NotFound.
    """
    source = by_slug(slug)
    if source.applies_to_all != on:
        source.applies_to_all = on
        audit.record("source.changed", source.id, source.name, opt_outs_for_every_source=on)


def _clean_name(name: str) -> str:
    words = " ".join(one_line(name).split())
    if not words or len(words) > LONGEST_NAME:
        why = f"Enter a name of at most {LONGEST_NAME} characters, such as Acme Leases."
        raise Refused("bad_name", why, field="name")
    return words


def _slug_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-")
