"""Direct messages: one text to one recipient, without an event."""

from __future__ import annotations

from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import Address, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import Integration
from hub.lib.text import readable
from hub.messaging.compose import media
from hub.messaging.compose.fitting import refuse_too_long
from hub.messaging.compose.outbox import Draft, add
from hub.messaging.contacts.contacts import contact_for
from hub.models import Connection


@transaction
def send_message(
    *,
    to: str,
    text: str,
    connection_id: str = "",
    connection_slug: str = "",
    channel: str = "",
    media_url: str = "",
    media_id: str = "",
    source_id: str | None = None,
    test: bool | None = None,
) -> str:
    """Queue a message over a connection, named by id or slug, or over the first enabled one of a
    channel that takes this recipient; return its id.

    Without a recipient it goes to where the connection's team reads.

    A file may be attached: `media_url`, or `media_id` of one that was given to the hub. `test` True
    takes test connections only, False live ones only, None either. Raises Refused that names the
    field.
    """
    connection = _connection(connection_id, connection_slug, channel, test, to)
    cls = integrations.get(connection.integration)
    kind, address = _address(connection, cls, to)
    files = media.attached_files(
        cls, url=media_url, file_id=media_id, source_id=source_id, test=test
    )
    if not readable(text).strip() and not files:
        raise Refused("empty_text", "Enter the text of the message.", field="text")
    refuse_too_long(cls, readable(text))
    return add(
        Draft(
            connection=connection.info,
            recipient=contact_for(kind, address, test=connection.test),
            text=text,
            media=files,
            source_id=source_id,
            manual=source_id is None,
        )
    ).id


def _address(connection: Connection, cls: type[Integration], to: str) -> tuple[str, str]:
    """Return the kind and normal form of a recipient; without one, of where the team reads.

    Raises Refused.
    """
    if not to.strip() and not connection.destination:
        phone = cls.address == Address.PHONE
        why = "Enter the phone number to send to." if phone else "Enter a recipient."
        raise Refused("no_address", why, field="to")
    try:
        address = cls.clean_address(to.strip() or connection.destination)
    except ValueError as problem:
        raise Refused("bad_address", str(problem), field="to") from None
    kind = cls.kind_of(address)
    if kind != cls.address and not cls.reaches_people(connection.destination):
        why = f"{connection.title} posts to one destination only and cannot send direct messages."
        raise Refused("no_direct_messages", why, field="to")
    return kind, address


def _connection(
    connection_id: str, slug: str, channel: str, test: bool | None, to: str
) -> Connection:
    query = select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.id)
    if test is not None:
        query = query.where(Connection.test == test)
    if not connection_id and not slug:
        among = list(
            db.session.scalars(
                query.where(
                    Connection.channel == channel, Connection.state == ConnectionState.ENABLED
                )
            )
        )
        if not among:
            kind = {None: "", True: "test ", False: "live "}[test]
            why = (
                f"No enabled {kind}connection sends over {channel}. Enable one under Integrations."
            )
            raise Refused("no_connection", why, field="channel")
        return next((one for one in among if _takes(one, to)), among[0])
    found = db.session.scalar(
        query.where(Connection.id == connection_id if connection_id else Connection.slug == slug)
    )
    if found is None:
        raise NotFound(
            "no_such_connection",
            f"This key has access to no connection {slug or connection_id!r}.",
            field="connection",
        )
    if not found.enabled:
        raise Conflict(
            "connection_off",
            f"The connection {found.title} is not enabled. Enable it first.",
            field="connection",
        )
    return found


def _takes(connection: Connection, to: str) -> bool:
    """Tell whether a connection can write to a recipient, as far as the address tells."""
    try:
        cls = integrations.get(connection.integration)
        kind = cls.kind_of(cls.clean_address(to.strip() or connection.destination))
    except (NotFound, ValueError):
        return False
    return kind == cls.address or cls.reaches_people(connection.destination)
