"""Find the opt-outs of a person for pages: suppressions and recorded objections."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.core.errors import Refused
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.lib import addresses
from hub.messaging.policy import linked_contacts, opt_out_kinds, policy
from hub.messaging.policy.newest_decisions import current_decision, newest_decisions
from hub.messaging.policy.opt_out_kinds import OptOutKind
from hub.messaging.policy.opt_outs import active_opt_outs, blocks
from hub.models import Connection, Contact
from hub.shared.address_keys import address_keys, keys_of_contact

OBJECTION = "objection"


@dataclass(frozen=True)
class OptOut:
    """The reason why a person receives no messages on a channel, or '' for every channel.

    `reason` is that of a suppression, or OBJECTION. `contact_id` is '' if the address has no
    contact. `integration` is the one that reported it, or ''.
    """

    channel: str
    reason: str
    code: str
    since: datetime
    contact_id: str
    kind: OptOutKind
    integration: str = ""


def opt_outs_of_person(
    typed: Iterable[str], contact_ids: Collection[str], *, test: bool, source_id: str | None
) -> list[OptOut]:
    """Return the opt-outs that block messages of a source to a person, the oldest first.

    `typed` are the person's numbers and email addresses as an app sent them.
    """
    keys = {key for address in typed for key in _keys_of_address(address)}
    people = db.session.scalars(
        select(Contact).where(
            Contact.test == test, Contact.address_key.in_(keys) | Contact.id.in_(contact_ids)
        )
    ).all()
    return _find_opt_outs(people, keys, test=test, source_id=source_id)


def opt_out_of_recipient(
    contact: Contact, connection: Connection, *, source_id: str | None
) -> OptOut | None:
    """Return the opt-out that blocks messages to a contact over a connection, or None."""
    sender = policy.sender_key(connection.info)
    opt_outs = _find_opt_outs(
        [contact],
        set(),
        test=connection.test,
        source_id=source_id,
        route=(connection.channel, sender),
    )
    return next(
        (row for row in opt_outs if row.reason != OBJECTION or row.channel == connection.channel),
        None,
    )


def _find_opt_outs(
    people: Collection[Contact],
    keys: set[bytes],
    *,
    test: bool,
    source_id: str | None,
    route: tuple[str, str] | None = None,
) -> list[OptOut]:
    """Return opt-outs. `route`: only those that block messages over a channel and sender."""
    links = linked_contacts.linked_contacts([contact.id for contact in people])
    owners = {key: contact.id for contact in people for key in keys_of_contact(contact)}
    owners |= {other.address_key: other.id for others in links.values() for other in others}
    query = active_opt_outs({*keys, *owners}, test=test, source_id=source_id)
    rows = opt_out_kinds.with_kinds(db.session.scalars(query).all())
    opt_outs = [
        OptOut(
            channel,
            row.reason,
            row.code,
            row.since,
            owners.get(row.address_key, ""),
            kind,
            integration,
        )
        for row, kind, integration in rows
        if route is None or blocks(row, kind, *route)
        for channel in (
            (row.channel,) if route else opt_out_kinds.covered_channels(row.channel, kind)
        )
    ]
    ids = linked_contacts.add_linked_ids([contact.id for contact in people], links)
    opt_outs += _objections(ids, source_id)
    return sorted(opt_outs, key=lambda opt_out: opt_out.since)


def _objections(contact_ids: Collection[str], source_id: str | None) -> list[OptOut]:
    objections = []
    for channel in Channel:
        by_contact = newest_decisions(contact_ids, channel.value)
        owners = {
            decision.id: contact_id
            for contact_id, by_source in by_contact.items()
            for decision in by_source.values()
        }
        decisions = [decision for rows in by_contact.values() for decision in rows.values()]
        decision = current_decision(decisions, source_id)
        if decision is not None and not decision.given:
            owner = owners[decision.id]
            objections.append(
                OptOut(channel.value, OBJECTION, "", decision.at, owner, OptOutKind.REFUSED)
            )
    return objections


def _keys_of_address(address: str) -> tuple[bytes, ...]:
    try:
        return address_keys(*addresses.parse(address))
    except Refused:  # an invalid address has no opt-outs
        return ()
