"""Session windows: the time after a person's message to a sender in which free text is allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from hub.db.compiled_sql import Statement, get_table
from hub.db.store import list_param, read, transaction, write
from hub.db.types import now
from hub.messaging.policy import linked_contacts
from hub.messaging.policy.linked_contacts import Linked
from hub.models import SessionWindow

# the code of a message that cannot be sent as free text, and has no approved template
WINDOW_CLOSED = "window_closed"

_table = get_table(SessionWindow)


@transaction
def open_window(sender: str, contact_id: str, at: datetime, hours: float) -> None:
    """Store that a person wrote to a sender at a time; the window then lasts for some hours.

    Messages may be reported in any order: the latest one decides.
    """
    until = at + timedelta(hours=hours)
    write(_ADD, {"sender": sender, "contact_id": contact_id, "opened_at": at, "closes_at": until})
    write(_RENEW, {"key_sender": sender, "key_contact": contact_id, "at": at, "until": until})


@transaction
def close_window(sender: str, contact_id: str, since: datetime | None = None) -> None:
    """Store that a window is closed, because the provider refused free text.

    `since` is the start of the refused attempt. A window that opened later stays open.
    """
    current_time = now()
    write(
        _CLOSE,
        {
            "key_sender": sender,
            "key_contact": contact_id,
            "until": current_time,
            "tried": since or current_time,
        },
    )


def closing_times(
    sender: str, contact_ids: Collection[str], links: Mapping[str, Sequence[Linked]] | None = None
) -> dict[str, datetime]:
    """Return the closing time of each open window that these contacts have to a sender.

    Windows of linked contacts count too. `links` are the links of the contacts, if already read.
    """
    if not contact_ids:
        return {}
    links = linked_contacts.linked_contacts(contact_ids) if links is None else links
    people = linked_contacts.add_linked_ids(contact_ids, links)
    rows = read(_FIND, sender=sender, contacts=list(people))
    current_time = now()
    still_open = {
        contact_id: closes_at for contact_id, closes_at in rows if closes_at > current_time
    }
    result = {}
    for contact_id in contact_ids:
        ids = (contact_id, *(other.id for other in links.get(contact_id, ())))
        if times := [still_open[key] for key in ids if key in still_open]:
            result[contact_id] = max(times)
    return result


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
