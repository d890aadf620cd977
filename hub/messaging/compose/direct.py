"""Direct messages: one text to one recipient, without an event."""

from __future__ import annotations

from sqlalchemy import select

from hub import integrations
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Address, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import Integration
from hub.lib.text import readable
from hub.messaging.compose import media
from hub.messaging.compose.fitting import refuse_too_long
from hub.messaging.compose.outbox import Draft, add_message
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Connection


@transaction
def send_message(
    *,
    to: str,
    text: str,
    subject: str = "",
    connection_id: str = "",
    connection_slug: str = "",
    channel: str = "",
    media_url: str = "",
    media_id: str = "",
    source_id: str | None = None,
    test: bool | None = None,
) -> str:
    """Queue a direct message; return its ID.

    The connection is given by ID or slug, or chosen: the first enabled one of `channel` that can
    write to the recipient. Without a recipient, the message is sent to the connection's team.
    `subject` is that of an email. `media_url` or `media_id` attaches a file. `test` limits the
    choice to test connections (True) or live ones (False). Raises Refused, NotFound or Conflict,
    which name the field.
    """
    connection = _choose_connection(connection_id, connection_slug, channel, test, to)
    integration_class = integrations.get(connection.integration)
    kind, address = _recipient_address(connection, integration_class, to)
    files = media.attached_files(
        integration_class, url=media_url, file_id=media_id, source_id=source_id, test=test
    )
    if not readable(text).strip() and not files:
        raise Refused("empty_text", "Enter the text of the message.", field="text")
    refuse_too_long(integration_class, readable(text))
    return add_message(
        Draft(
            connection=connection.info,
            recipient=get_or_create_contact(kind, address, test=connection.test),
            text=text,
            subject=subject,
            media=files,
            source_id=source_id,
            manual=source_id is None,
        )
    )


def _recipient_address(
    connection: Connection, integration_class: type[Integration], to: str
) -> tuple[str, str]:
    """Return the kind and normal form of the recipient's address, by default the team's.

    Raises Refused.
    """
    if not to.strip() and not connection.destination:
        phone = integration_class.address == Address.PHONE
        reason = "Enter the phone number to send to." if phone else "Enter a recipient."
        raise Refused("no_address", reason, field="to")
    try:
        address = integration_class.clean_address(to.strip() or connection.destination)
    except ValueError as error:
        raise Refused("bad_address", str(error), field="to") from None
    kind = integration_class.kind_of(address)
    if kind != integration_class.address and not integration_class.reaches_people(
        connection.destination
    ):
        reason = (
            f"{connection.title} posts to one destination only and cannot send direct messages."
        )
        raise Refused("no_direct_messages", reason, field="to")
    return kind, address


def _choose_connection(
    connection_id: str, slug: str, channel: str, test: bool | None, to: str
) -> Connection:
    query = select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.id)
    query = query.where(Connection.source_id.is_(None))  # signing apps send no messages
    if test is not None:
        query = query.where(Connection.test == test)
    if not connection_id and not slug:
        candidates = list(
            db.session.scalars(
                query.where(
                    Connection.channel == channel, Connection.state == ConnectionState.ENABLED
                )
            )
        )
        if not candidates:
            kind = {None: "", True: "test ", False: "live "}[test]
            reason = (
                f"No enabled {kind}connection sends over {channel}. Enable one under Integrations."
            )
            raise Refused("no_connection", reason, field="channel")
        return next(
            (candidate for candidate in candidates if _can_reach(candidate, to)), candidates[0]
        )
    connection = db.session.scalar(
        query.where(Connection.id == connection_id if connection_id else Connection.slug == slug)
    )
    if connection is None:
        raise NotFound(
            "no_such_connection",
            f"This key has no access to the connection {quoted(slug or connection_id)}.",
            field="connection",
        )
    if not connection.enabled:
        raise Conflict(
            "connection_off",
            f"The connection {connection.title} is not enabled. Enable it first.",
            field="connection",
        )
    return connection


def _can_reach(connection: Connection, to: str) -> bool:
    """Return whether a connection can write to an address of this kind."""
    try:
        integration_class = integrations.get(connection.integration)
        kind = integration_class.kind_of(
            integration_class.clean_address(to.strip() or connection.destination)
        )
    except (NotFound, ValueError):
        return False
    return kind == integration_class.address or integration_class.reaches_people(
        connection.destination
    )
