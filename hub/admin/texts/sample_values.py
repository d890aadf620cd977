"""Values of real requests for the preview of a text, and the longest of the last 30 days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from hub.core.errors import DecryptionError
from hub.core.vocabulary import SignerState
from hub.db.compiled_sql import UnreadableRow
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.lib.text import clean_line, utf16_length
from hub.messaging.compose.text_values import VALUES
from hub.models import Signer, SigningRequest
from hub.signing import shared_address_notes, signing_batch
from hub.signing.shared_address_notes import SharedAddress

EXAMPLE = "example"
LONG_VALUES = "longest"
PERIOD = timedelta(days=30)
MAX_DECRYPTED = 200  # requests, and twice as many signers
MAX_CHOICES = 10
MAX_LABEL = 60  # characters


def list_choices() -> dict[str, str]:
    """Return the values that a preview can show: examples, the longest, and recent requests."""
    choices = {
        EXAMPLE: "Example values",
        LONG_VALUES: "Longest title and names of the last 30 days",
    }
    query = select(SigningRequest).order_by(SigningRequest.id.desc()).limit(MAX_CHOICES)
    for row in db.session.scalars(query):
        title = _read_title(row)
        if title:
            label = title if len(title) <= MAX_LABEL else f"{title[:MAX_LABEL]}…"
            choices[row.id] = f"{label} ({row.external_id})"
    return choices


def values_for(choice: str) -> dict[str, Any]:
    """Return the values of a choice; those of an unknown choice are examples."""
    if choice == LONG_VALUES:
        return longest_values()
    if is_id("req", choice):
        request = db.session.get(SigningRequest, choice)
        if request is not None:
            return _values_of_request(request)
    return example_values()


def example_values() -> dict[str, Any]:
    """Return an example of each value."""
    values: dict[str, Any] = {value.key: value.sample for value in VALUES.values()}
    return values | {"names": ["Anna Kowalska", "Eric Smith"]}


def longest_values() -> dict[str, Any]:
    """Return examples with the longest title and names of the last 30 days.

    Only the newest requests are decrypted.
    """
    newest = (
        select(SigningRequest)
        .where(SigningRequest.created_at >= now() - PERIOD)
        .order_by(SigningRequest.id.desc())
        .limit(MAX_DECRYPTED)
    )
    requests = db.session.scalars(newest).all()
    signers = db.session.scalars(
        select(Signer)
        .where(Signer.request_id.in_([request.id for request in requests]))
        .order_by(Signer.id.desc())
        .limit(2 * MAX_DECRYPTED)
    )
    values = example_values()
    longest_name = _longest(map(_read_name, signers))
    found = {
        "title": _longest(map(_read_title, requests)),
        "sender": _longest(map(_read_sender, requests)),
        "signer": longest_name,
        "name": longest_name,
    }
    return values | {key: value for key, value in found.items() if value}


def _values_of_request(request: SigningRequest) -> dict[str, Any]:
    """Return the values of a request, with an example instead of the signers' own links."""
    names = [name for name in map(_read_name, request.signers) if name]
    missing = [
        signer for signer in request.signers if SignerState.read(signer.state).has_not_signed
    ]
    expires_at = request.expires_at
    return example_values() | {
        "title": _read_title(request),
        "sender": _read_sender(request),
        "signer": names[0] if names else "",
        "name": names[-1] if names else "",
        "names": names,
        "people": len(request.signers),
        "remaining": len(missing),
        "expiry_date": expires_at.date().isoformat() if expires_at else "",
    }


def find_shared_addresses(choice: str, kind: str) -> list[SharedAddress]:
    """Return the addresses of a kind that several signers of a chosen request have."""
    if not is_id("req", choice):
        return []
    try:
        request = signing_batch.read_request(choice)
    except (UnreadableRow, DecryptionError):
        return []
    return shared_address_notes.find_shared_addresses(request, [kind]) if request else []


def _longest(texts: Iterable[str]) -> str:
    return max(texts, key=utf16_length, default="")


def _read_title(request: SigningRequest) -> str:
    try:
        return clean_line(request.title or "")
    except DecryptionError:
        return ""


def _read_sender(request: SigningRequest) -> str:
    try:
        sender = request.sender or {}
    except DecryptionError:
        return ""
    return clean_line(sender.get("name") or sender.get("email") or "")


def _read_name(signer: Signer) -> str:
    try:
        details = signer.details or {}
    except DecryptionError:
        return ""
    return clean_line(details.get("name") or details.get("email") or "")
