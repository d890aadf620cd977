"""Opt-outs of a person, as pages show them: suppressions and recorded objections."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.core.errors import Refused
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.lib import addresses
from hub.messaging.policy import linked_contacts, policy
from hub.messaging.policy.newest_decisions import current_decisions, newest_decisions
from hub.messaging.policy.opt_outs import active_opt_outs
from hub.models import Connection, Contact, Suppression
from hub.shared.address_keys import address_keys, keys_of_contact

OBJECTION = "objection"


@dataclass(frozen=True)
class OptOut:
    """The reason why a person receives no messages on a channel, '' for every channel.

    `reason` is that of a suppression, or OBJECTION. `contact_id` may be '' where no contact is
    known under the address.
    """

    channel: str
    reason: str
    code: str
    since: datetime
    contact_id: str


def of_person(
    typed: Iterable[str], contact_ids: Collection[str], *, test: bool, source_id: str | None
) -> list[OptOut]:
    """Return what stops messages of a source to a person, the oldest opt-out first.

    The person is known by phone numbers and email addresses, as an app gave them, and by contacts.
    """
    keys = {key for address in typed for key in _keys(address)}
    people = db.session.scalars(
        select(Contact).where(
            Contact.test == test, Contact.address_key.in_(keys) | Contact.id.in_(contact_ids)
        )
    ).all()
    return _opt_outs(people, keys, test=test, source_id=source_id)


def of_recipient(
    contact: Contact, connection: Connection, *, source_id: str | None
) -> OptOut | None:
    """Return what stops messages to a contact over a connection, or None."""
    sender = policy.sender_key(connection)
    found = _opt_outs([contact], set(), test=connection.test, source_id=source_id, sender=sender)
    return next((one for one in found if one.channel in ("", connection.channel)), None)


def _opt_outs(
    people: Collection[Contact],
    keys: set[bytes],
    *,
    test: bool,
    source_id: str | None,
    sender: str | None = None,
) -> list[OptOut]:
    links = linked_contacts.linked_contacts([one.id for one in people])
    owners = {key: one.id for one in people for key in keys_of_contact(one)}
    owners |= {other.address_key: other.id for some in links.values() for other in some}
    query = active_opt_outs({*keys, *owners}, test=test, source_id=source_id)
    if sender is not None:
        query = query.where(Suppression.sender.in_(("", sender)))
    found = [
        OptOut(row.channel, row.reason, row.code, row.since, owners.get(row.address_key, ""))
        for row in db.session.scalars(query)
    ]
    ids = linked_contacts.with_linked([one.id for one in people], links)
    found += _objections(ids, source_id)
    return sorted(found, key=lambda one: one.since)


def _objections(contact_ids: Collection[str], source_id: str | None) -> list[OptOut]:
    found = []
    for channel in Channel:
        by_contact = newest_decisions(contact_ids, channel.value)
        words = [word for some in by_contact.values() for word in some.values()]
        decision = current_decisions(words, source_id)
        if decision is not None and not decision.given:
            owner = next(one for one, some in by_contact.items() if decision in some.values())
            found.append(OptOut(channel.value, OBJECTION, "", decision.at, owner))
    return found


def _keys(address: str) -> tuple[bytes, ...]:
    try:
        return address_keys(*addresses.parse(address))
    except Refused:  # nothing can be stored under it
        return ()
