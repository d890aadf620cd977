"""Store opt-outs: addresses that must receive no messages, as suppressions in the database.

A keyword, a provider, an admin, an app or an import creates them. They do not expire.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from hub.core.errors import NotFound, Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Address, Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.lib import addresses, text
from hub.messaging.contacts import contact_links, merging
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.opt_out_events import Decision, report_decision
from hub.messaging.policy import linked_contacts, opt_out_kinds, opt_outs, policy
from hub.messaging.policy.opt_out_kinds import BY_COMPLAINT as BY_COMPLAINT
from hub.messaging.policy.opt_out_kinds import BY_PROVIDER as BY_PROVIDER
from hub.messaging.policy.opt_out_kinds import OPTED_OUT_OF_SMS
from hub.models import Contact, Message, Suppression
from hub.shared import audit
from hub.shared.address_keys import address_keys, keys_of_contact

BY_ADMIN = "admin"
BY_API = "api"
BY_IMPORT = "import"
BY_UNSUBSCRIBE = "unsubscribe"
MAX_REASON_LENGTH = 500  # characters
REASONS = (BY_ADMIN, BY_IMPORT, BY_PROVIDER, BY_COMPLAINT, BY_API, BY_UNSUBSCRIBE, "keyword")


@dataclass(frozen=True)
class AddressOptOut:
    """A suppression with its address, or '' if that was erased or never stored."""

    row: Suppression
    address: str
    contact_id: str
    kind: str = ""


# ── Add ───────────────────────────────────────────────────────────────────────────────────────────
@transaction
def suppress(
    message_id: str, *, reason: str, code: str, attempt_started_at: datetime | None = None
) -> bool:
    """Opt the recipient of a message out of its channel and sender: the provider or they refused.

    Return whether the opt-out is new. `attempt_started_at` is the start of the refused attempt. An
    opt-out that was removed later stays removed.
    """
    message = db.session.get_one(Message, message_id)
    contact = message.contact
    connection = message.connection
    sender = policy.sender_key(connection.info)
    if attempt_started_at is not None:
        lifted = select(Suppression.id).where(
            Suppression.address_key == contact.address_key,
            Suppression.channel == message.channel,
            Suppression.sender == sender,
            Suppression.test == message.test,
            Suppression.lifted_at > attempt_started_at,
        )
        if db.session.scalar(lifted.limit(1)) is not None:
            return False
    row, is_new = _store_suppression(
        contact.address_key,
        message.channel,
        sender,
        message.test,
        reason,
        code=code,
        message_id=message.id,
    )
    if is_new:
        _report(row, contact.id, consented=False, reason=reason, message=message)
    return is_new


@transaction
def add_opt_out(
    address: str,
    *,
    channel: str = "",
    explanation: str = "",
    test: bool,
    reason: str = BY_ADMIN,
    source_id: str | None = None,
) -> Suppression:
    """Add an opt-out for an address, on one channel or all, for one source's messages or all.

    Return the opt-out, which may have existed before. Raises Refused that names the field.
    """
    row, _ = store_opt_out(
        addresses.parse(address), channel, explanation, test, reason, source_id=source_id
    )
    audit.record(
        "suppression.added",
        row.id,
        addresses.parse(address)[1],
        channel=channel or "every channel",
        why=explanation,
    )
    return row


def store_opt_out(
    address: tuple[Address, str],
    channel: str,
    explanation: str,
    test: bool,
    reason: str,
    *,
    sender: str = "",
    **details: Any,
) -> tuple[Suppression, bool]:
    """Store an opt-out; return it, and whether it is new. Raises Refused that names the field."""
    explanation = text.clean_line(explanation)  # so that an exported file has one line per opt-out
    if channel and channel not in list(Channel):
        problem = (
            f"There is no channel {quoted(channel[:50])}. Use one of {', '.join(Channel)}, or"
            " leave it empty for all."
        )
        raise Refused("no_such_channel", problem, field="channel")
    if len(explanation) > MAX_REASON_LENGTH:
        raise Refused(
            "why_too_long",
            f"Enter a reason of at most {MAX_REASON_LENGTH} characters.",
            field="why",
        )
    contact = get_or_create_contact(*address, test=test)
    row, is_new = _store_suppression(
        contact.address_key, channel, sender, test, reason, explanation=explanation, **details
    )
    if is_new:
        _report(row, contact.id, consented=False, reason=reason)
    return row, is_new


def _store_suppression(
    key: bytes,
    channel: str,
    sender: str,
    test: bool,
    reason: str,
    *,
    code: str = "",
    message_id: str | None = None,
    explanation: str = "",
    source_id: str | None = None,
    since: datetime | None = None,
) -> tuple[Suppression, bool]:
    active = select(Suppression).where(
        Suppression.address_key == key,
        Suppression.channel == channel,
        Suppression.sender == sender,
        Suppression.test == test,
        Suppression.lifted_at.is_(None),
        Suppression.source_id == source_id,
    )
    if (row := db.session.scalar(active)) is not None:
        # the stricter reason wins: otherwise a START would remove an admin's opt-out
        if merging.strictness_rank(reason) < merging.strictness_rank(row.reason):
            row.reason = reason
            row.code = code
            row.explanation = explanation or row.explanation
            db.session.flush()
        return row, False
    row = Suppression(
        address_key=key,
        channel=channel,
        sender=sender,
        source_id=source_id,
        test=test,
        reason=reason,
        code=code,
        message_id=message_id,
        explanation=explanation,
        since=since or now(),
    )
    db.session.add(row)
    db.session.flush()
    return row, True


def _report(
    row: Suppression,
    contact_id: str,
    *,
    consented: bool,
    reason: str,
    message: Message | None = None,
) -> None:
    """Report that an opt-out was added or removed. `message`: the one that was refused."""
    report_decision(
        Decision(
            row_id=row.id,
            consented=consented,
            contact_id=contact_id,
            reason=reason,
            channel=row.channel,
            test=row.test,
            at=row.lifted_at or row.since,
            source_id=row.source_id,
            code=row.code,
            connection_id=message.connection_id if message else None,
            message_id=message.id if message else None,
            request_id=message.request_id if message else None,
            message_source_id=message.source_id if message else None,
        )
    )


# ── Remove ────────────────────────────────────────────────────────────────────────────────────────
@transaction
def lift_opt_out(
    suppression_id: str, *, reason: str, test: bool | None = None, source_id: str | None = None
) -> Suppression:
    """Remove an opt-out, with a reason. Raises NotFound, Refused.

    With `source_id`, only opt-outs that this source recorded; admins remove the others.
    """
    row = db.session.get(Suppression, suppression_id) if is_id("sup", suppression_id) else None
    is_hidden = (
        row is None or test not in (None, row.test) or source_id not in (None, row.source_id)
    )
    if row is None or is_hidden or row.lifted_at is not None:
        raise NotFound("not_suppressed", "This opt-out does not exist, or it was already removed.")
    if not reason.strip():
        raise Refused(
            "no_reason",
            "Enter the reason, for example: the person asked to receive messages again.",
            field="why",
        )
    if len(reason) > MAX_REASON_LENGTH:
        raise Refused(
            "why_too_long",
            f"Enter a reason of at most {MAX_REASON_LENGTH} characters.",
            field="why",
        )
    row.lifted_at = now()
    row.lift_reason = reason.strip()
    [opt_out] = with_addresses([row])
    audit.record(
        "suppression.lifted",
        row.id,
        opt_out.address,
        reason=row.reason,
        code=row.code,
        why=row.lift_reason,
    )
    if opt_out.contact_id:
        _report(row, opt_out.contact_id, consented=True, reason=BY_API if source_id else BY_ADMIN)
    return row


@transaction
def lift_opt_outs_of_message(message_id: str) -> None:
    """Remove every opt-out that blocks messages like this one. Raises NotFound if none does."""
    row = find_blocking_opt_out(db.session.get_one(Message, message_id))
    if row is None:
        raise NotFound("not_suppressed", "Nothing blocks messages to this recipient.")
    while row is not None:
        lift_opt_out(row.id, reason="Removed on the page of a message.")
        row = find_blocking_opt_out(db.session.get_one(Message, message_id))


def find_blocking_opt_out(message: Message) -> Suppression | None:
    """Return an opt-out that would block a message like this one now, or None."""
    return opt_outs.find_opt_out(
        contact_links.person_address_keys(message.contact),
        message.channel,
        policy.sender_key(message.connection.info),
        test=message.test,
        source_id=message.source_id,
    )


def find_blocking_opt_outs(message: Message) -> list[Suppression]:
    """Return all opt-outs that would block a message like this one now."""
    return opt_outs.list_opt_outs(
        contact_links.person_address_keys(message.contact),
        message.channel,
        policy.sender_key(message.connection.info),
        test=message.test,
        source_id=message.source_id,
    )


# ── Find ──────────────────────────────────────────────────────────────────────────────────────────
def list_opt_outs(
    *,
    address: str = "",
    test: bool | None = None,
    lifted: bool = False,
    source_id: str | None = None,
) -> Select[Suppression]:
    """Return the query for active opt-outs, or for those that were removed if `lifted`.

    `source_id` selects those of one source. Raises Refused for an invalid address.
    """
    query = select(Suppression).where(
        Suppression.lifted_at != Suppression.since if lifted else Suppression.lifted_at.is_(None)
    )
    if source_id is not None:
        query = query.where(Suppression.source_id == source_id)
    if address.strip():
        kind, clean = addresses.parse(address)
        query = query.where(Suppression.address_key.in_(address_keys(kind, clean)))
    return query if test is None else query.where(Suppression.test == test)


def blocks_of_address(address: str, *, test: bool, source_id: str) -> list[tuple[str, str]]:
    """Return the channel ('' for all) and code of each block of a source's messages to an address.

    Raises Refused for an invalid address.
    """
    kind, clean = addresses.parse(address)
    keys = address_keys(kind, clean)
    contact_ids = db.session.scalars(
        select(Contact.id).where(Contact.address_key.in_(keys), Contact.test == test)
    ).all()
    linked = linked_contacts.linked_contacts(contact_ids).values()
    linked_keys = [contact.address_key for contacts in linked for contact in contacts]
    query = opt_outs.active_opt_outs((*keys, *linked_keys), test=test, source_id=source_id)
    return sorted(
        {
            (channel, (row.code or row.reason) if channel == row.channel else OPTED_OUT_OF_SMS)
            for row, kind, _ in opt_out_kinds.with_kinds(db.session.scalars(query).all())
            for channel in opt_out_kinds.covered_channels(row.channel, kind)
        }
    )


def with_addresses(rows: list[Suppression]) -> list[AddressOptOut]:
    """Return suppressions with the addresses that they block."""
    if not rows:
        return []
    query = select(Contact).where(
        Contact.address_key.in_({row.address_key for row in rows}), Contact.erased_at.is_(None)
    )
    contacts = {
        (contact.address_key, contact.test): contact for contact in db.session.scalars(query)
    }
    result = []
    for row in rows:
        contact = contacts.get((row.address_key, row.test)) or contacts.get(
            (row.address_key, not row.test)
        )
        result.append(
            AddressOptOut(row, contact.address, contact.id, contact.kind)
            if contact
            else AddressOptOut(row, "", "")
        )
    return result


def find_active_opt_out(suppression_id: str) -> AddressOptOut:
    """Return an active opt-out with its address. Raises NotFound."""
    row = db.session.get(Suppression, suppression_id) if is_id("sup", suppression_id) else None
    if row is None or row.lifted_at is not None:
        raise NotFound("not_suppressed", "This opt-out does not exist, or it was already removed.")
    return with_addresses([row])[0]


def opt_outs_of_contact(contact: Contact) -> list[Suppression]:
    """Return the active and removed opt-outs of a contact, newest first.

    Live opt-outs also apply to test contacts.
    """
    tests = (False, True) if contact.test else (False,)
    query = select(Suppression).where(
        Suppression.address_key.in_(keys_of_contact(contact)), Suppression.test.in_(tests)
    )
    return list(db.session.scalars(query.order_by(Suppression.id.desc())))
