"""Mark contacts and requests whose names, titles or addresses have changed.

The mark is stored in the transaction of the change, so that no change is lost. It is all that
accepting an event does for the index.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam

from hub.db.compiled_sql import Statement, get_table
from hub.db.store import write
from hub.models import UnindexedRow

CONTACT = "contact"
REQUEST = "request"
# the fields of a person that find the request
TEXT_FIELDS = ("name", "email")
NUMBER_FIELD = "mobile_number"
PERSON_FIELDS = (*TEXT_FIELDS, NUMBER_FIELD)

_rows = get_table(UnindexedRow)
_ADD = Statement(
    _rows.insert().values(
        kind=bindparam("new_kind", type_=_rows.c.kind.type),
        subject_id=bindparam("subject", type_=_rows.c.subject_id.type),
    )
)


def mark_contacts(contact_ids: Iterable[str]) -> None:
    """Mark contacts as changed, inside a transaction."""
    _mark(CONTACT, contact_ids)


def mark_requests(request_ids: Iterable[str]) -> None:
    """Mark requests as changed, inside a transaction."""
    _mark(REQUEST, request_ids)


def _mark(kind: str, ids: Iterable[str]) -> None:
    write(_ADD, [{"new_kind": kind, "subject": subject} for subject in ids])
