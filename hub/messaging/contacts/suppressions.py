"""Addresses that must not be sent to: closed by a keyword, a provider, an admin or an import;
lifted by hand, never by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import Address, Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.lib import addresses, text
from hub.messaging.contacts import contact_links, merging
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.policy import linked_contacts, opt_outs, policy
from hub.models import Contact, Message, Suppression
from hub.shared import audit
from hub.shared.address_keys import address_keys, keys_of_contact

BY_ADMIN = "admin"
BY_IMPORT = "import"
BY_PROVIDER = "provider"
BY_COMPLAINT = "complaint"
LONGEST_WHY = 500  # characters
REASONS = (BY_ADMIN, BY_IMPORT, BY_PROVIDER, BY_COMPLAINT, "api", "keyword")


@dataclass(frozen=True)
class AddressOptOut:
    """A suppression and its address; '' where that was erased or never stored."""

    row: Suppression
    address: str
    contact_id: str
    kind: str = ""


# ── Closing ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def suppress(message_id: str, *, reason: str, code: str, began: datetime | None = None) -> None:
    """Close a message's channel and sender for its recipient, because the provider said so.

    `began` is the start of the attempt that the provider refused. An opt-out lifted after it stays
    lifted.
    """
    message = db.session.get_one(Message, message_id)
    contact = message.contact
    connection = message.connection
    sender = policy.sender_key(connection)
    if began is not None:
        lifted = select(Suppression.id).where(
            Suppression.address_key == contact.address_key,
            Suppression.channel == message.channel,
            Suppression.sender == sender,
            Suppression.test == message.test,
            Suppression.lifted_at > began,
        )
        if db.session.scalar(lifted.limit(1)) is not None:
            return
    _close(
        contact.address_key,
        message.channel,
        sender,
        message.test,
        reason,
        code=code,
        message_id=message.id,
    )


@transaction
def add_opt_out(
    address: str,
    *,
    channel: str = "",
    why: str = "",
    test: bool,
    reason: str = BY_ADMIN,
    source_id: str | None = None,
) -> Suppression:
    """Close an address, on one channel or on all, for messages of a source or of all.

    Return what closes it, which may be older. Raises Refused that names the field.
    """
    row, _ = store_opt_out(
        addresses.parse(address), channel, why, test, reason, source_id=source_id
    )
    audit.record(
        "suppression.added",
        row.id,
        addresses.parse(address)[1],
        channel=channel or "every channel",
        why=why,
    )
    return row


def store_opt_out(
    address: tuple[Address, str],
    channel: str,
    why: str,
    test: bool,
    reason: str,
    *,
    sender: str = "",
    **more: Any,
) -> tuple[Suppression, bool]:
    """Return what closes an address, and whether it is new."""
    why = text.one_line(why)  # so that a file of opt-outs has a line for each
    if channel and channel not in list(Channel):
        why_not = (
            f"There is no channel {channel[:50]!r}. Use one of {', '.join(Channel)}, or"
            " leave it empty for all."
        )
        raise Refused("no_such_channel", why_not, field="channel")
    if len(why) > LONGEST_WHY:
        raise Refused(
            "why_too_long", f"Enter a reason of at most {LONGEST_WHY} characters.", field="why"
        )
    contact = contact_for(*address, test=test)
    return _close(contact.address_key, channel, sender, test, reason, why=why, **more)


def _close(
    key: bytes,
    channel: str,
    sender: str,
    test: bool,
    reason: str,
    *,
    code: str = "",
    message_id: str | None = None,
    why: str = "",
    source_id: str | None = None,
    since: datetime | None = None,
) -> tuple[Suppression, bool]:
    same = select(Suppression).where(
        Suppression.address_key == key,
        Suppression.channel == channel,
        Suppression.sender == sender,
        Suppression.test == test,
        Suppression.lifted_at.is_(None),
        Suppression.source_id == source_id,
    )
    if (row := db.session.scalar(same)) is not None:
        # a stricter reason wins: otherwise a START would lift an admin's opt-out
        if merging.strictness_rank(reason) < merging.strictness_rank(row.reason):
            row.reason = reason
            row.code = code
            row.explanation = why or row.explanation
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
        explanation=why,
        since=since or now(),
    )
    db.session.add(row)
    db.session.flush()
    return row, True


# ── Lifting ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def lift_opt_out(
    suppression_id: str, *, why: str, test: bool | None = None, source_id: str | None = None
) -> Suppression:
    """Let messages go to an address again, and keep why. Raises NotFound, Refused.

    With `source_id`, only what this source recorded; the others are lifted by admins.
    """
    row = db.session.get(Suppression, suppression_id) if is_id("sup", suppression_id) else None
    hidden = row is None or test not in (None, row.test) or source_id not in (None, row.source_id)
    if row is None or hidden or row.lifted_at is not None:
        raise NotFound("not_suppressed", "This opt-out does not exist, or it was already removed.")
    if not why.strip():
        raise Refused(
            "no_reason",
            "Enter the reason, for example: the person asked to receive messages again.",
            field="why",
        )
    if len(why) > LONGEST_WHY:
        raise Refused(
            "why_too_long", f"Enter a reason of at most {LONGEST_WHY} characters.", field="why"
        )
    row.lifted_at = now()
    row.lift_reason = why.strip()
    [closed] = with_addresses([row])
    audit.record(
        "suppression.lifted",
        row.id,
        closed.address,
        reason=row.reason,
        code=row.code,
        why=row.lift_reason,
    )
    return row


@transaction
def lift_for_sender(message_id: str) -> None:
    """Lift everything that stops messages like this one. Raises NotFound when nothing does."""
    found = stopping(db.session.get_one(Message, message_id))
    if found is None:
        raise NotFound("not_suppressed", "Nothing blocks messages to this recipient.")
    while found is not None:
        lift_opt_out(found.id, why="Removed on the page of a message.")
        found = stopping(db.session.get_one(Message, message_id))


def stopping(message: Message) -> Suppression | None:
    """Return what would stop a message like this one now, or None."""
    return opt_outs.find_opt_out(
        contact_links.keys_of_person(message.contact),
        message.channel,
        policy.sender_key(message.connection),
        test=message.test,
        source_id=message.source_id,
    )


# ── Looking ───────────────────────────────────────────────────────────────────────────────────────
def list_opt_outs(
    *,
    address: str = "",
    test: bool | None = None,
    lifted: bool = False,
    source_id: str | None = None,
) -> Select[Suppression]:
    """Return the query for suppressions, open ones unless `lifted`; of one source, if given.

    Raises Refused for what is no address.
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
    """Return where messages of a source to an address are stopped: channel ('' for all) and code.

    Raises Refused for what is no address.
    """
    kind, clean = addresses.parse(address)
    keys = address_keys(kind, clean)
    mine = db.session.scalars(
        select(Contact.id).where(Contact.address_key.in_(keys), Contact.test == test)
    ).all()
    linked = linked_contacts.linked_contacts(mine).values()
    others = [one.address_key for some in linked for one in some]
    query = opt_outs.active_opt_outs((*keys, *others), test=test, source_id=source_id)
    return sorted({(row.channel, row.code or row.reason) for row in db.session.scalars(query)})


def with_addresses(rows: list[Suppression]) -> list[AddressOptOut]:
    """Say of suppressions whose address they close."""
    keys = {row.address_key for row in rows}
    people = (
        db.session.scalars(
            select(Contact).where(Contact.address_key.in_(keys), Contact.erased_at.is_(None))
        )
        if keys
        else ()
    )
    known = {(one.address_key, one.test): one for one in people}
    found = [
        (row, known.get((row.address_key, row.test)) or known.get((row.address_key, not row.test)))
        for row in rows
    ]
    return [
        AddressOptOut(row, one.address, one.id, one.kind) if one else AddressOptOut(row, "", "")
        for row, one in found
    ]


def find_opt_outs(suppression_id: str) -> AddressOptOut:
    """Return an open suppression. Raises NotFound."""
    row = db.session.get(Suppression, suppression_id) if is_id("sup", suppression_id) else None
    if row is None or row.lifted_at is not None:
        raise NotFound("not_suppressed", "This opt-out does not exist, or it was already removed.")
    return with_addresses([row])[0]


def opt_outs_of_contact(contact: Contact) -> list[Suppression]:
    """Return everything that closes or closed a contact, newest first.

    A live suppression also holds for a test contact.
    """
    tests = (False, True) if contact.test else (False,)
    query = select(Suppression).where(
        Suppression.address_key.in_(keys_of_contact(contact)), Suppression.test.in_(tests)
    )
    return list(db.session.scalars(query.order_by(Suppression.id.desc())))
