"""Session windows: until when a person's last message to a sender allows free text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Statement, table_of
from hub.db.store import list_param, read, transaction, write
from hub.db.types import now
from hub.messaging.policy import linked_contacts
from hub.messaging.policy.linked_contacts import Linked
from hub.models import SessionWindow

# the code of a message that may not go as free text, and has no approved template
WINDOW_CLOSED = "window_closed"

_table = table_of(SessionWindow)


@transaction
def open_window(sender: str, contact_id: str, at: datetime, hours: float) -> None:
    """Note that a person wrote to a sender: the latest of their messages decides, in whatever order
    they are told.
    """
    until = at + timedelta(hours=hours)
    write(_ADD, {"sender": sender, "contact_id": contact_id, "opened_at": at, "closes_at": until})
    write(_RENEW, {"key_sender": sender, "key_contact": contact_id, "at": at, "until": until})


@transaction
def closed_windows(sender: str, contact_id: str, since: datetime | None = None) -> None:
    """Note that the provider found a window closed, whatever we thought.

    One opened after `since`, when it was tried, stays open.
    """
    moment = now()
    write(
        _CLOSE,
        {
            "key_sender": sender,
            "key_contact": contact_id,
            "until": moment,
            "tried": since or moment,
        },
    )


def closing_times(
    sender: str, contact_ids: Collection[str], links: Mapping[str, Sequence[Linked]] | None = None
) -> dict[str, datetime]:
    """Return of these contacts those whose window to a sender is open, and until when.

    A window that a linked contact opened counts; `links` are those of the contacts, where they are
    known already.
    """
    if not contact_ids:
        return {}
    links = linked_contacts.linked_contacts(contact_ids) if links is None else links
    people = linked_contacts.with_linked(contact_ids, links)
    rows = read(_FIND, sender=sender, contacts=list(people))
    moment = now()
    still_open = {contact_id: closes_at for contact_id, closes_at in rows if closes_at > moment}
    found = {}
    for contact_id in contact_ids:
        ids = (contact_id, *(other.id for other in links.get(contact_id, ())))
        if times := [still_open[one] for one in ids if one in still_open]:
            found[contact_id] = max(times)
    return found


_ADD = Statement.insert(_table, on_conflict_do_nothing=True)
_RENEW = Statement(
    update(_table)
    .where(
        _table.c.sender == bindparam("key_sender"),
        _table.c.contact_id == bindparam("key_contact"),
        _table.c.opened_at < bindparam("at"),
    )
    .values(opened_at=bindparam("at"), closes_at=bindparam("until"))
)
_CLOSE = Statement(
    update(_table)
    .where(
        _table.c.sender == bindparam("key_sender"),
        _table.c.contact_id == bindparam("key_contact"),
        _table.c.closes_at > bindparam("until"),
        _table.c.opened_at <= bindparam("tried"),
    )
    .values(closes_at=bindparam("until"))
)
_FIND = Statement(
    select(_table.c.contact_id, _table.c.closes_at).where(
        _table.c.sender == bindparam("sender"), _table.c.contact_id.in_(list_param("contacts"))
    )
)
