"""Sources: the signing apps and brands that post to the hub. They can be renamed, but not
deleted.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import func, select

from hub.core.errors import Conflict, NotFound, Refused
from hub.core.quotes import quoted
from hub.db.engine import db
from hub.db.store import transaction
from hub.lib.text import clean_line
from hub.models import ApiKey, Source
from hub.shared import audit
from hub.shared.sentences import LANGUAGES

DEFAULT = "default"
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_NAME_LENGTH = 80
MAX_SLUG_LENGTH = 48


def list_sources() -> list[Source]:
    """Return all sources, oldest first."""
    return list(db.session.scalars(select(Source).order_by(Source.id)))


def get_source(slug: str) -> Source:
    """Return a source. Raises NotFound."""
    source = db.session.scalar(select(Source).where(Source.slug == slug))
    if source is None:
        raise NotFound("unknown_source", f"There is no source {quoted(slug)}.", field="source")
    return source


def source_names_by_id() -> Mapping[str, str]:
    """Return the names of all sources, by ID."""
    return {source.id: source.name for source in list_sources()}


def count_keys() -> Counter[str]:
    """Count the API keys that were not revoked, by the ID of their source."""
    query = select(ApiKey.source_id, func.count()).where(ApiKey.revoked_at.is_(None))
    return Counter({row[0]: row[1] for row in db.session.execute(query.group_by(ApiKey.source_id))})


@transaction
def create_source(name: str, slug: str = "") -> str:
    """Create a source and return its slug, which is derived from the name if none is given.

    Raises Refused with the field, or Conflict.
    """
    clean_name = _clean_name(name)
    slug = slug.strip() or _slugify(clean_name)
    if not slug:
        reason = "It cannot be derived from this name. Enter one, such as acme-leases."
        raise Refused("bad_slug", reason, field="slug")
    if not SLUG.fullmatch(slug) or len(slug) > MAX_SLUG_LENGTH:
        reason = "Use lowercase letters, digits and single dashes, such as acme-leases."
        raise Refused("bad_slug", reason, field="slug")
    if db.session.scalar(select(Source.id).where(Source.slug == slug)) is not None:
        reason = f"Another source already has the slug {slug}. Choose another name."
        raise Conflict("slug_taken", reason, field="slug")
    source = Source(slug=slug, name=clean_name)
    db.session.add(source)
    db.session.flush()
    audit.record("source.added", source.id, clean_name, slug=slug)
    return slug


@transaction
def rename_source(slug: str, name: str) -> None:
    """Change the name of a source. Its slug stays. Raises NotFound, or Refused with the field."""
    source = get_source(slug)
    clean_name = _clean_name(name)
    if clean_name != source.name:
        audit.record("source.renamed", source.id, clean_name, before=source.name)
        source.name = clean_name


@transaction
def set_opt_out_scope(slug: str, *, enabled: bool) -> None:
    """Choose whether opt-outs and consents of a source apply to all sources or only to its own.

    The choice is used when a message is checked, so it also applies to earlier entries. Raises
    NotFound.
    """
    source = get_source(slug)
    if source.applies_to_all != enabled:
        source.applies_to_all = enabled
        audit.record("source.changed", source.id, source.name, opt_outs_for_every_source=enabled)


@transaction
def set_language(slug: str, locale: str) -> None:
    """Choose the language of posts to a source's team; '' is that of HUB_LOCALE.

    Raises NotFound, or Refused with the field.
    """
    source = get_source(slug)
    if locale and locale not in LANGUAGES.values():
        raise Refused("bad_locale", "Choose a language.", field="locale")
    if source.locale != locale:
        source.locale = locale
        audit.record("source.language_changed", source.id, source.name)


def _clean_name(name: str) -> str:
    cleaned = " ".join(clean_line(name).split())
    if not cleaned or len(cleaned) > MAX_NAME_LENGTH:
        reason = f"Enter a name of at most {MAX_NAME_LENGTH} characters, such as Acme Leases."
        raise Refused("bad_name", reason, field="name")
    return cleaned


def _slugify(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:MAX_SLUG_LENGTH].strip("-")
