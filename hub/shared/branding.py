"""The branding of each source: stored as an encrypted setting, and read for each message."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import asdict, replace

from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.store import cached, transaction
from hub.integrations.branding import Branding
from hub.lib.text import clean_line, readable
from hub.models import Setting, Source
from hub.shared import audit

MAX_LOGO_SIZE = 64 * 1024  # bytes; it is part of each email
MAX_NAME_LENGTH = 80
MAX_SUPPORT_LENGTH = 200
MAX_FOOTER_LENGTH = 1000
_COLOR = re.compile("#[0-9a-f]{6}")
LOGO_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}  # first bytes → type


def branding_of(source_id: str | None) -> Branding:
    """Return the branding of a source from a short-lived cache."""
    if source_id is None:
        return Branding()
    return cached(("branding", source_id), lambda: read_branding(source_id))


def read_branding(source_id: str) -> Branding:
    """Return the stored branding of a source, empty if there is none."""
    row = db.session.get(Setting, _setting(source_id))
    if row is None:
        return Branding()
    return Branding(**{**row.value, "logo": b64decode(row.value["logo"])})


@transaction
def save_branding(source: Source, branding: Branding, *, logo: bytes | None) -> None:
    """Store the branding of a source. A `logo` of None keeps the stored one, and b"" removes it.

    Raises Refused with the field.
    """
    cleaned = _clean(branding)
    if logo is None:
        stored = read_branding(source.id)
        cleaned = replace(cleaned, logo=stored.logo, logo_type=stored.logo_type)
    elif logo:
        cleaned = replace(cleaned, logo=logo, logo_type=_type_of_logo(logo))
    name = _setting(source.id)
    row = db.session.get(Setting, name) or Setting(name=name)
    row.value = {**asdict(cleaned), "logo": b64encode(cleaned.logo).decode()}
    db.session.add(row)
    audit.record("source.branding_changed", source.id, source.name)


def _clean(branding: Branding) -> Branding:
    color = branding.color.strip().lower()
    if color and not _COLOR.fullmatch(color):
        raise Refused(
            "bad_color", "Enter a color such as #0b5a6b, or leave it empty.", field="color"
        )
    cleaned = Branding(
        name=" ".join(clean_line(branding.name).split()),
        color=color,
        footer=readable(branding.footer).strip(),
        support=" ".join(clean_line(branding.support).split()),
    )
    limits = {"name": MAX_NAME_LENGTH, "support": MAX_SUPPORT_LENGTH, "footer": MAX_FOOTER_LENGTH}
    for field, limit in limits.items():
        if len(getattr(cleaned, field)) > limit:
            raise Refused("too_long", f"Enter at most {limit:,} characters.", field=field)
    return cleaned


def _type_of_logo(logo: bytes) -> str:
    if len(logo) > MAX_LOGO_SIZE:
        reason = f"The file is larger than {MAX_LOGO_SIZE // 1024} kB. Choose a smaller one."
        raise Refused("too_large", reason, field="logo")
    for start, content_type in LOGO_TYPES.items():
        if logo.startswith(start):
            return content_type
    raise Refused("not_a_logo", "Choose a PNG or JPEG file.", field="logo")


def _setting(source_id: str) -> str:
    return f"branding:{source_id}"
