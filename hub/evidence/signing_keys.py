"""The keys that sign evidence. The newest one signs, and the public halves of all are kept."""

from __future__ import annotations

from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import current_app
from sqlalchemy import select

from hub.core.config import Config
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.evidence import signed_notes
from hub.evidence.signed_notes import VerifierKey
from hub.models import EvidenceKey
from hub.shared import audit

SUCCESSION_FORMAT = "signpost-evidence-key-1"


def list_keys() -> list[EvidenceKey]:
    """Return all keys, newest first."""
    return list(db.session.scalars(select(EvidenceKey).order_by(EvidenceKey.id.desc())))


def verifier_key(row: EvidenceKey) -> VerifierKey:
    """Return the public half of a key."""
    return VerifierKey(row.name, row.public)


def sign(text: str) -> str:
    """Return a note with a text that the newest key signed. The first key is created here."""
    row = _active_key() or _create_first_key()
    return signed_notes.sign(text, verifier_key(row), bytes.fromhex(row.private))


def signing_name() -> str:
    """Return the name of the key that signs now."""
    row = _active_key() or _create_first_key()
    return row.name


def _active_key() -> EvidenceKey | None:
    query = select(EvidenceKey).where(EvidenceKey.retired_at.is_(None))
    return db.session.scalar(query.order_by(EvidenceKey.id.desc()).limit(1))


@transaction
def _create_first_key() -> EvidenceKey:
    return _active_key() or _add_key()  # another process may have been first


@transaction
def rotate(*, compromised: bool = False) -> EvidenceKey:
    """Retire the key that signs now, and create the next one.

    The retired key's private half is deleted. Before that, it signs a note that names the next key,
    unless it is `compromised`: then its signature proves nothing anymore.
    """
    former = _active_key()
    added = _add_key()
    if former is not None:
        if not compromised:
            text = f"{SUCCESSION_FORMAT}\n{verifier_key(added)}\n"
            private = bytes.fromhex(former.private)
            former.succession = signed_notes.sign(text, verifier_key(former), private)
        former.retired_at = now()
        former.compromised = compromised
        former.private = None
    audit.record("evidence.key_rotated", added.id, added.name, compromised=compromised)
    return added


def _add_key() -> EvidenceKey:
    private = Ed25519PrivateKey.generate()
    row = EvidenceKey(
        name=_key_name(), public=private.public_key().public_bytes_raw(), compromised=False
    )
    row.private = private.private_bytes_raw().hex()
    db.session.add(row)
    db.session.flush()
    return row


def _key_name() -> str:
    config: Config = current_app.extensions["hub.config"]
    name = urlsplit(config.public_url).netloc + config.path_prefix
    return name if signed_notes.is_valid_name(name) else "signpost"
