"""Report calls that belong to no message, and opt out people who call back and press a key."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Address, Channel
from hub.db.store import transaction
from hub.endpoints.platform_events import NewEvent, sources_with_endpoints, store_events
from hub.integrations.call_events import CallOptOut, CallReport
from hub.messaging.contacts import contacts
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.keywords import Keyword
from hub.messaging.contacts.opt_out_events import Decision, report_decision
from hub.messaging.inbox import opt_out
from hub.messaging.inbox.original_message import find_original_message
from hub.messaging.policy.connection_info import read_connections
from hub.messaging.state.reported_events import own_cause
from hub.messaging.track.statuses import Origin
from hub.models import ConnectionInfo


@transaction
def report_call(event: CallReport, origin: Origin, at: datetime) -> bool:
    """Report a status of a call that Signpost did not make; return False without a connection.

    The source that last called the person is notified, or else all sources, because they share the
    account. A number of a person is reported to a source that has called it, and to no other.
    """
    connection = find_called_connection(event.senders, origin.connection_ids)
    if connection is None:
        return False
    source_id = _find_source(event.address, connection, at)
    sources = [source_id] if source_id else _listening_sources(connection)
    prefix = _event_prefix(connection)
    store_events(
        [
            NewEvent(
                cause=own_cause(f"{event.provider_id}:{source or ''}", event.event),
                type=f"{prefix}_{event.event}",
                source_id=source,
                to_handlers=index == 0,  # a handler receives the events of all sources
                test=connection.test,
                at=at,
                payload={
                    "connection": connection.id,
                    "channel": Channel.VOICE.value,
                    "from": event.address if source_id else "",
                },
            )
            for index, source in enumerate(sources)
        ]
    )
    return True


def _listening_sources(connection: ConnectionInfo) -> list[str | None]:
    """Return the sources with an endpoint, or [None]: then only admins and handlers see it."""
    return [*sorted(sources_with_endpoints(test=connection.test))] or [None]


def _find_source(address: str, connection: ConnectionInfo, at: datetime) -> str | None:
    """Return the source that last called a person over the sender of a connection, or None."""
    if not address:
        return None
    known = contacts.find_contacts([(Address.PHONE, address)], test=connection.test)
    for contact in known.values():
        found = find_original_message("", connection, [connection.id], contact.id, at)
        return found.source_id
    return None


def _event_prefix(connection: ConnectionInfo) -> str:
    """Return the prefix of the events of calls, also over an account without its own calls."""
    try:
        own = integrations.get(connection.integration)
    except NotFound:
        own = None
    if own is not None and own.channel == Channel.VOICE:
        return own.event_prefix
    family = own.family if own else ""
    prefixes = [
        cls.event_prefix
        for cls in integrations.registry().values()
        if cls.channel == Channel.VOICE and cls.family == family
    ]
    return prefixes[0] if prefixes else "call"


@transaction
def opt_out_by_key(event: CallOptOut, origin: Origin, at: datetime) -> bool:
    """Opt out the caller of a number; return False without a connection of the number."""
    connection = find_called_connection(event.senders, origin.connection_ids)
    if connection is None or connection.channel != Channel.VOICE:
        return False
    if not event.address:
        return True  # the number is withheld, and no call can reach it
    contact = get_or_create_contact(Address.PHONE, event.address, test=connection.test)
    decided = opt_out.process_keyword(
        Keyword.STOP, event.text, connection, contact, at, answered=True
    )
    if decided is not None:
        source_id = _find_source(event.address, connection, at)
        report_decision(
            Decision(
                row_id=f"{origin.callback_id}",
                consented=decided,
                contact_id=contact.id,
                reason=opt_out.BY_KEYWORD,
                channel=connection.channel,
                test=connection.test,
                at=at,
                connection_id=connection.id,
                message_source_id=source_id,
            )
        )
    return True


def find_called_connection(
    senders: Collection[str], connection_ids: Collection[str]
) -> ConnectionInfo | None:
    """Return the connection whose number took part in a call: one for calls, if there is one."""
    verified = read_connections(connection_ids)
    return min(
        verified,
        key=lambda one: (one.channel != Channel.VOICE, one.sender not in senders, one.archived),
        default=None,
    )
