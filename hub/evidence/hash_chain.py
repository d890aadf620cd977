"""Chain the entries of evidence by hashes, so that none can be changed, moved or removed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hub.lib import canonical_json

FORMAT = "signpost-evidence-1"


def first_link(about: Mapping[str, Any]) -> bytes:
    """Return the hash that the chain begins with, of what the evidence is about."""
    return hashlib.sha256(canonical_json.encode(about)).digest()


def next_link(link: bytes, entry: Mapping[str, Any]) -> bytes:
    """Return the hash of an entry that follows the entry with the hash `link`."""
    return hashlib.sha256(link + canonical_json.encode(entry)).digest()


def links(about: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Return the hash of each entry."""
    link = first_link(about)
    for entry in entries:
        link = next_link(link, entry)
        yield link


def note_text(
    name: str,
    about: Mapping[str, Any],
    count: int,
    head: bytes,
    values: Mapping[str, Any],
) -> str:
    """Return the text that is signed. `head`: the hash of the last entry."""
    values_hash = hashlib.sha256(canonical_json.encode(values)).hexdigest()
    return (
        f"{FORMAT}\n"
        f"{name}\n"
        f"request {about['request']['id']}\n"
        f"exported {about['exported_at']}\n"
        f"status {about['status']}\n"
        f"entries {count} {head.hex()}\n"
        f"values {len(values)} {values_hash}\n"
    )
