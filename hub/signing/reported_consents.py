"""Record the consents that events report about their people, with the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from hub.core.errors import Refused
from hub.core.vocabulary import PHONE_CHANNELS, Address, Channel, PersonRole
from hub.db.types import now
from hub.lib import addresses as normal_forms
from hub.lib import times
from hub.messaging.contacts import consents
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.policy.newest_decisions import Decision
from hub.models import ConnectionInfo
from hub.signing import people
from hub.signing.events import EventIn, PersonConsentIn, PersonIn
from hub.signing.signing_batch import RequestRecord

KINDS = {**dict.fromkeys(PHONE_CHANNELS, Address.PHONE), Channel.EMAIL: Address.EMAIL}


def record_consents(event: EventIn, request: RequestRecord) -> None:
    """Add the consents of an event to the consent history, each once.

    Raises Refused that names the field of a consent without an address that it is for.
    """
    for entry in read_consents(event, request):
        consents.record_once(
            entry, source=consents.BY_API, test=request.test, source_id=request.source_id
        )


def read_consents(event: EventIn, request: RequestRecord) -> Iterator[ConsentEntry]:
    """Yield an entry for each address of each consent of an event.

    Raises Refused as `record_consents`.
    """
    for field, role, person in _people(event):
        if person.consent is None:
            continue
        external_id = getattr(person, "id", people.SENDER_ID)
        row = request.person(role, external_id)
        addresses = people.addresses(row) if row else people.sender_addresses(request)
        yield from _entries(person.consent, f"{field}.consent", addresses, event)


def _people(event: EventIn) -> Iterator[tuple[str, PersonRole, PersonIn]]:
    """Yield the people of an event, each with the path of its field and the role."""
    for index, signer in enumerate(event.signers):
        yield f"signers[{index}]", PersonRole.SIGNER, signer
    if isinstance(event.signer, PersonIn):
        yield "signer", PersonRole.SIGNER, event.signer
    for index, observer in enumerate(event.observers):
        yield f"observers[{index}]", PersonRole.OBSERVER, observer
    if event.request.sender is not None:
        yield "request.sender", PersonRole.SENDER, event.request.sender


def _entries(
    consent: PersonConsentIn, field: str, addresses: dict[str, str], event: EventIn
) -> Iterator[ConsentEntry]:
    channel = consent.channel
    if channel is not None and channel not in KINDS:
        raise Refused(
            "no_address",
            f"{field}.channel: An event can report a consent for {', '.join(KINDS)}, or for every"
            " channel.",
            field=f"{field}.channel",
        )
    kinds = list(addresses) if channel is None else [KINDS[channel].value]
    found = [addresses[kind] for kind in kinds if kind in addresses]
    if not found:
        raise Refused(
            "no_address",
            f"{field}: The person has no address for this consent. Send the mobile number or email"
            " address too.",
            field=field,
        )
    for address in found:
        yield ConsentEntry(
            address,
            given=True,
            channel=channel or "",
            at=_time(consent, field, event),
            ip=consent.ip,
            agent=consent.agent,
            proof=consent.proof,
        )


def assume_consents(
    request: RequestRecord, address: str, connection: ConnectionInfo
) -> list[Decision]:
    """Return the consents of a previewed event to messages to an address over a connection."""
    return [
        Decision("", given=True, at=entry.at, source_id=request.source_id, for_all=False)
        for entry in request.assumed_consents
        if entry.at is not None
        and entry.channel in ("", connection.channel)
        and normal_forms.parse(entry.address)[1] in (address, address.lower())
    ]


def _time(consent: PersonConsentIn, field: str, event: EventIn) -> datetime:
    """Return when a person consented, by default at the time of the event."""
    current_time = now()
    if consent.at is None:
        return min(event.occurred_at, current_time)
    return times.past_time(consent.at, current_time, field=f"{field}.at")
