"""Link contacts that are one person, such as a number and a provider's own ID.

Opt-outs, consents and session windows of each apply to the other. Links are not transitive: the ID
of a person who changed numbers is linked to both numbers, but these are not linked to each other.
"""

from __future__ import annotations

from sqlalchemy import or_, select

from hub.core.errors import NotFound
from hub.core.vocabulary import Address
from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import list_param, read, transaction, write
from hub.db.types import is_id, new_id, now
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy.linked_contacts import linked_contacts
from hub.models import Contact, ContactLink
from hub.shared import audit
from hub.shared.address_keys import keys_of_contact


@transaction
def link_contacts(contact_id: str, other_id: str, callback_id: str | None) -> None:
    """Store that two contacts are one person, as a genuine webhook shows.

    A link that an admin undid stays undone.
    """
    first, second = sorted((contact_id, other_id))
    if first == second or read(_FIND, contacts=[first], others=[second]):
        return
    link_id = new_id("ctl")
    write(
        _ADD,
        {
            "id": link_id,
            "contact_id": first,
            "other_id": second,
            "callback_id": callback_id,
            "linked_at": now(),
            "undone_at": None,
        },
    )
    audit.record("contact.linked", link_id, "two contacts")


def link_provider_id(
    contact_id: str, address: str, external_id: str, callback_id: str | None, *, test: bool
) -> None:
    """Link a contact to the provider's ID that the same webhook states for the person, if any."""
    if external_id and external_id != address:
        link_contacts(
            contact_id,
            get_or_create_contact(Address.EXTERNAL, external_id, test=test).id,
            callback_id,
        )


@transaction
def unlink_contacts(link_id: str) -> None:
    """Separate two linked contacts, so that opt-outs and consents of one no longer apply to the
    other.

    Raises NotFound.
    """
    row = db.session.get(ContactLink, link_id) if is_id("ctl", link_id) else None
    if row is None or row.undone_at is not None:
        raise NotFound("no_such_link", "This link does not exist, or it was already undone.")
    row.undone_at = now()
    audit.record("contact.unlinked", row.id, "two contacts")


def list_links(contact: Contact) -> list[tuple[ContactLink, Contact]]:
    """Return the active links of a contact, each with the other contact."""
    is_linked = or_(ContactLink.contact_id == contact.id, ContactLink.other_id == contact.id)
    rows = db.session.scalars(
        select(ContactLink)
        .where(is_linked, ContactLink.undone_at.is_(None))
        .order_by(ContactLink.id)
    ).all()
    return [
        (
            row,
            db.session.get_one(
                Contact, row.other_id if row.contact_id == contact.id else row.contact_id
            ),
        )
        for row in rows
    ]


def person_address_keys(contact: Contact) -> tuple[bytes, ...]:
    """Return the address keys whose opt-outs apply to a contact: its own and its links' keys."""
    others = linked_contacts([contact.id]).get(contact.id, [])
    return (*keys_of_contact(contact), *(other.address_key for other in others))


_links = get_table(ContactLink)
_FIND = Statement(
    select(_links.c.id).where(
        _links.c.contact_id.in_(list_param("contacts")), _links.c.other_id.in_(list_param("others"))
    )
)
_ADD = Statement.insert(_links, on_conflict_do_nothing=True)
