"""Export the evidence of a request: record what is new, read all entries, chain and sign them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import select

from hub.core.config import Config
from hub.core.errors import DecryptionError, NotFound
from hub.core.vocabulary import RequestState
from hub.db.engine import db
from hub.db.types import is_id, now
from hub.evidence import hash_chain, recording, retention, signing_keys
from hub.evidence.facts import timestamp
from hub.lib import canonical_json, commitments
from hub.messaging.compose.content import received_content
from hub.models import EvidenceRow, MessageBody, Signer, SigningRequest, Source

INTERIM = "interim"
CLOSED = "closed"
WITH_TEXT = ("message.created", "reply.received")


def find_request(name: str) -> SigningRequest:
    """Return a request by its ID, or by its ID in the app if only one has it. Raises NotFound."""
    row = db.session.get(SigningRequest, name) if is_id("req", name) else None
    if row is not None:
        return row
    rows = db.session.scalars(select(SigningRequest).where(SigningRequest.external_id == name))
    found = rows.all()
    if len(found) > 1:
        ids = ", ".join(row.id for row in found)
        raise NotFound("ambiguous_request", f"Several requests have this ID. Use one of {ids}.")
    if not found:
        raise NotFound("no_such_request", "There is no signing request with this ID.")
    return found[0]


def export_evidence(request_id: str) -> dict[str, Any]:
    """Return the evidence of a request, signed. Raises NotFound after its retention."""
    retention.check_kept(request_id)
    recording.record_request(request_id)
    name = signing_keys.signing_name()
    rows = list(
        db.session.scalars(
            select(EvidenceRow)
            .where(EvidenceRow.request_id == request_id)
            .order_by(EvidenceRow.number)
        )
    )
    entries = [entry for row in rows for entry in recording.read_entries(row.id, row.content)]
    values = _read_values(rows, entries)
    about = _describe_request(db.session.get_one(SigningRequest, request_id), now())
    links = list(hash_chain.links(about, entries))
    head = links[-1] if links else hash_chain.first_link(about)
    text = hash_chain.note_text(name, about, len(entries), head, values)
    return {
        "format": hash_chain.FORMAT,
        "about": about,
        "entries": [
            {"entry": entry, "hash": link.hex()} for entry, link in zip(entries, links, strict=True)
        ],
        "values": values,
        "note": signing_keys.sign(text),
    }


def encode_evidence(evidence: Mapping[str, Any]) -> bytes:
    """Return evidence as the bytes of its file. Any other form of it counts as changed."""
    return canonical_json.encode(evidence)


def _describe_request(request: SigningRequest, exported_at: datetime) -> dict[str, Any]:
    config: Config = current_app.extensions["hub.config"]
    source = db.session.get(Source, request.source_id)
    people = db.session.scalars(
        select(Signer).where(Signer.request_id == request.id).order_by(Signer.turn, Signer.id)
    )
    about = {
        "recorded_by": config.public_url,
        "exported_at": timestamp(exported_at),
        "status": INTERIM if request.state == RequestState.OPEN else CLOSED,
        "request": {
            "id": request.id,
            "external_id": request.external_id,
            "source": source.slug if source else None,
            "test": request.test,
            "state": request.state,
            "state_at": timestamp(request.state_at),
        },
        "people": [
            {
                "person": person.id,
                "external_id": person.external_id,
                "role": person.role,
                "state": person.state,
                "state_at": timestamp(person.state_at),
                "removed_at": timestamp(person.removed_at),
            }
            for person in people
        ],
    }
    described: dict[str, Any] = canonical_json.representable(about)
    return described


def _read_values(
    rows: Sequence[EvidenceRow], entries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the salts and values that are kept, with the texts that are still stored."""
    values: dict[str, Any] = {}
    for row in rows:
        try:
            values |= row.values or {}
        except DecryptionError:  # its key is missing: the hashes are exported without values
            continue
    # the entry of a value can be in a damaged row
    values = {hashed: values[hashed] for hashed in _hashes(entries) if hashed in values}
    texts = {
        entry["content"]["sha256"]: entry.get("message") or entry["id"]
        for entry in entries
        if entry["kind"] in WITH_TEXT and entry.get("content", {}).get("sha256") in values
    }
    for hashed, content in _read_texts(texts):
        salt = bytes.fromhex(values[hashed]["salt"])
        # an update of a post can have got another text since it was recorded
        if commitments.commit(salt, content).hex() == hashed:
            values[hashed] = {**values[hashed], "value": content}
    return values


def _hashes(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the hashes that stand in place of values."""
    for entry in entries:
        for part in entry.values():
            if isinstance(part, Mapping) and part.keys() == {"sha256"}:
                yield part["sha256"]


def _read_texts(texts: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Return the hash and the stored content of messages. `texts`: the message of each hash."""
    bodies = {}
    owners = [message_id.partition("_")[2] for message_id in texts.values()]
    for body in db.session.scalars(select(MessageBody).where(MessageBody.owner_id.in_(owners))):
        with suppress(DecryptionError):
            content = received_content(body.content)
            bodies[body.owner_id] = canonical_json.representable(content)
    for hashed, message_id in texts.items():
        owner = message_id.partition("_")[2]
        if owner in bodies:
            yield hashed, bodies[owner]
