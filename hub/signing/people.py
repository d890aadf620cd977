"""Update the people of a request, its signers, its observers and its sender, from events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub.core.errors import DecryptionError
from hub.core.vocabulary import Address, PersonRole, SignerState
from hub.models import Signer, SigningRequest
from hub.signing.events import EventIn, ObserverIn, SignerIn
from hub.signing.signing_batch import RequestRecord, SignerRecord

# the key in a person's details under which the time of the newest event about each field is stored
REPORTED_AT = "reported_at"
LISTED = "id"  # the field of REPORTED_AT for the newest event that listed the person
SENDER_ID = "sender"  # the sender has no ID in the app
# the field of a person's details that holds an address of each kind
ADDRESS_FIELDS = {Address.PHONE.value: "mobile_number", Address.EMAIL.value: "email"}
LINK_EXPIRY = "download_url_expires_at"
NOT_STORED = ("consent",)  # it is added to the consent history instead


def update_people(request: RequestRecord, event: EventIn) -> SignerRecord | None:
    """Update the people that an event names; return the person whom the event is about, if any."""
    at = event.occurred_at
    for signer in event.signers:
        _update_person(request, PersonRole.SIGNER, signer, at, listed=True)
    for observer in event.observers:
        _update_person(request, PersonRole.OBSERVER, observer, at, listed=True)
    for external_id in event.signers_removed:
        _remove_signer(request, external_id, at)
    if person := request.person(PersonRole.SENDER, SENDER_ID):
        person.details = dict(request.sender or {})
    if event.actor is None:
        return None
    return _find_actor(request, event) or _update_person(
        request, PersonRole.SIGNER, event.actor, at
    )


def _find_actor(request: RequestRecord, event: EventIn) -> SignerRecord | None:
    """Return the observer whom an event is about by its ID, if no signer has this ID.

    An observer who opened the document must not be asked to sign it.
    """
    if not isinstance(event.signer, str) or request.person(PersonRole.SIGNER, event.signer):
        return None
    return request.person(PersonRole.OBSERVER, event.signer)


def _update_person(
    request: RequestRecord,
    role: PersonRole,
    reported: SignerIn | ObserverIn,
    at: datetime,
    *,
    listed: bool = False,
) -> SignerRecord:
    """Update a person's fields, except those that a newer event has set. Add the person if new."""
    person = request.person(role, reported.id) or request.add_person(role, reported.id, at)
    timestamp = _timestamp(at)
    # a copy, because changes are detected by comparing with the values that were read
    times = person.details[REPORTED_AT] = dict(person.details.get(REPORTED_AT, {}))
    fields = reported.sent_fields()
    if "download_url" in fields and LINK_EXPIRY in person.details:
        fields.setdefault(LINK_EXPIRY, None)  # the one of the previous link
    for field, value in fields.items():
        if (
            field in NOT_STORED
            or timestamp < times.get(field, "")
            or (field == LISTED and not listed)
        ):
            continue
        times[field] = timestamp
        if field == "signing_url":
            person.signing_url = value
        elif field == "order":
            person.turn = person.turn if value is None else value
        elif field != LISTED:
            person.details[field] = value
    person.reported_at = max(person.reported_at, at)
    if person.removed_at is not None and _listed_after(person, person.removed_at):
        person.removed_at = None
    return person


def _remove_signer(request: RequestRecord, external_id: str, at: datetime) -> None:
    """Remove a signer, unless a newer event listed the signer.

    An unknown signer is stored as removed, because an older event may arrive later.
    """
    role = PersonRole.SIGNER
    person = request.person(role, external_id) or request.add_person(role, external_id, at)
    if not _listed_after(person, at):
        person.removed_at = max(person.removed_at or at, at)


def list_removed_signers(request: SigningRequest) -> list[Signer]:
    """Return the removed signers of a request that it ever had.

    A removal whose signer no event has listed is stored too, but there is nobody to show.
    """
    return [
        person
        for person in request.people
        if person.role == PersonRole.SIGNER
        and person.removed_at is not None
        and (person.invited_at or person.state != SignerState.PENDING or _has_details(person))
    ]


def _has_details(person: Signer) -> bool:
    try:
        return bool(person.details)
    except DecryptionError:
        return True


def _listed_after(person: SignerRecord, at: datetime) -> bool:
    times = person.details.get(REPORTED_AT, {})
    return str(times.get(LISTED, "")) > _timestamp(at)


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def add_sender(request: RequestRecord) -> None:
    """Add the sender to the people of a request, so that messages can name the person.

    It is added when an event first notifies the sender: most requests need no row for it.
    """
    if list_sender(request):
        request.write()


def list_sender(request: RequestRecord) -> bool:
    """Add the sender to the people of a request without writing; return whether it was missing."""
    if not sender_addresses(request) or request.person(PersonRole.SENDER, SENDER_ID):
        return False
    person = request.add_person(PersonRole.SENDER, SENDER_ID, request.reported_at)
    person.details = dict(request.sender or {})
    return True


def addresses(person: SignerRecord) -> dict[str, str]:
    """Return the addresses of a person, by kind."""
    return _addresses(person.details)


def shared_addresses(request: RequestRecord) -> frozenset[tuple[str, str]]:
    """Return the kinds and addresses that several signers of a request have."""
    signers = request.signers
    if len(signers) < 2:
        return frozenset()
    uses = Counter(item for signer in signers for item in addresses(signer).items())
    return frozenset(address for address, count in uses.items() if count > 1)


def sender_addresses(request: RequestRecord) -> dict[str, str]:
    """Return the addresses of the sender of a request, by kind."""
    return _addresses(request.sender or {})


def _addresses(details: Mapping[str, Any]) -> dict[str, str]:
    found = {kind: details.get(field) or "" for kind, field in ADDRESS_FIELDS.items()}
    return {kind: address for kind, address in found.items() if address}


def merge_sender(
    stored: dict[str, Any] | None, reported: dict[str, Any] | None, *, newer: bool
) -> dict[str, Any] | None:
    """Return the fields of a sender after an event that is newer than all before, or older.

    An older event adds only fields that are missing. A `reported` of None clears all fields.
    """
    if reported is None:
        return None if newer else stored
    fields = {name: value for name, value in reported.items() if name not in NOT_STORED}
    return {**(stored or {}), **fields} if newer else {**fields, **(stored or {})}
