"""Notify the sender of a document by email that a signer could not be reached."""

from __future__ import annotations

from sqlalchemy import exists, select

from hub.core.vocabulary import Audience, Channel, EventType, PersonRole, Status
from hub.db.engine import db
from hub.lib.crypto import blind_index
from hub.lib.text import isolate
from hub.messaging.compose import plan, render
from hub.messaging.compose.content import letterhead
from hub.messaging.compose.outbox import Draft, add_message
from hub.messaging.contacts.contacts import KnownAddress, prepare_contacts
from hub.messaging.state import fallback_timers
from hub.models import Event, Message
from hub.shared.index_key import index_key
from hub.shared.sentences import sentence
from hub.signing import cards, people, planning
from hub.signing.signing_batch import RequestRecord, SignerRecord

# a note is not sent over paid channels, whose messages would need approved templates too
_ROUTE = plan.Route(Audience.SENDER, [plan.Step("", Channel.EMAIL, "")])


def send_note(message: Message, event: Event, request: RequestRecord, signer: SignerRecord) -> None:
    """Email the sender that the last message to a pending signer failed.

    A signer is reported once for each turn: after a returned email, reminders fail as well.
    """
    if not _is_needed(message, EventType(event.type), request, signer):
        return
    key = _dedup_key(request, signer)
    if db.session.scalar(select(exists().where(Message.dedup_key == key))):
        return
    people.add_sender(request)
    sender = request.person(PersonRole.SENDER, people.SENDER_ID)
    rung = _choose_rung(request, sender, EventType(event.type)) if sender else None
    if sender is not None and rung is not None and rung.candidate is not None:
        add_message(_draft(event, request, signer, sender, rung, rung.candidate, key))


def _is_needed(
    message: Message, event_type: EventType, request: RequestRecord, signer: SignerRecord
) -> bool:
    is_owing = signer.role == PersonRole.SIGNER and signer.has_not_signed
    is_lost = Status.read(message.status) in fallback_timers.LOST
    own_addresses = {*people.addresses(signer).values()}
    is_other = own_addresses.isdisjoint(people.sender_addresses(request).values())
    return event_type.asks_to_sign and is_owing and is_lost and is_other


def _dedup_key(request: RequestRecord, signer: SignerRecord) -> bytes:
    """Return the key of the note about a signer's turn. A corrected address allows another one."""
    turn = signer.invited_at.isoformat() if signer.invited_at else ""
    addresses = sorted(people.addresses(signer).values())
    return blind_index(index_key(), "sender note", request.id, signer.id, turn, *addresses)


def _choose_rung(
    request: RequestRecord, sender: SignerRecord, event_type: EventType
) -> plan.Rung | None:
    """Return the email connection for the sender, if there is one that sends now."""
    usable = planning.usable_connections(test=request.test).values()
    candidates = [planning.build_candidate(item) for item in usable if item.enabled]
    [person] = planning.build_people(request, [sender], candidates, [])
    planned_event = plan.PlannedEvent(event_type)
    ladders = plan.plan_ladders(_ROUTE, person, candidates, planned_event)
    return next((rung for ladder in ladders for rung in ladder.possible_rungs), None)


def _draft(
    event: Event,
    request: RequestRecord,
    signer: SignerRecord,
    sender: SignerRecord,
    rung: plan.Rung,
    candidate: plan.Candidate,
    key: bytes,
) -> Draft:
    locale = sender.details.get("locale") or render.default_locale()
    subject, text = write_note(request, signer, locale)
    known = KnownAddress(rung.kind, rung.to, sender.details.get("name") or "", "")
    recipients = prepare_contacts({known}, test=request.test)
    return Draft(
        connection=candidate.connection,
        recipient=recipients[rung.kind, rung.to],
        text=text,
        subject=subject,
        letterhead=letterhead(locale, request.sender),
        source_id=request.source_id,
        event_id=event.id,
        request_id=request.id,
        signer_id=sender.id,
        dedup_key=key,
    )


def write_note(request: RequestRecord, signer: SignerRecord, locale: str) -> tuple[str, str]:
    """Return the subject and the text of a note."""
    name = cards.signer_name(signer)
    title = cards.short_title(request, locale)
    subject = sentence("unreached", locale, names=name, title=title)
    report = sentence("unreached", locale, names=isolate(name), title=isolate(title))
    return subject, f"{report}\n\n{sentence('check_contact_details', locale)}"
