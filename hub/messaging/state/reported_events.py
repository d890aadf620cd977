"""Build the platform events of messages' statuses, and of feedback about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Status
from hub.endpoints.catalog import REPORTED_STATUSES
from hub.endpoints.handler_subscriptions import handler_subscriptions
from hub.endpoints.platform_events import NewEvent
from hub.messaging.policy.connection_info import read_connections


class ReportedMessage(Protocol):
    """The columns of a message that its platform events need."""

    id: str
    connection_id: str
    request_id: str | None
    source_id: str | None
    test: bool


@dataclass(frozen=True, slots=True)
class ReportedFact:
    """A status of a message or feedback about it, with the details that are reported."""

    message: ReportedMessage
    fact: str
    details: Mapping[str, str]
    to_endpoints: bool = True  # False: only handlers receive it


def status_facts(
    message: ReportedMessage, status: Status, details: Mapping[str, str], handler_status: str = ""
) -> list[ReportedFact]:
    """Return what to report of a status. Some statuses are reported to handlers only, if any."""
    if status in REPORTED_STATUSES:
        return [ReportedFact(message, status.value, details)]
    if not handler_subscriptions():
        return []
    facts = {Status.ACCEPTED.value} if status == Status.ACCEPTED else set()
    return [
        ReportedFact(message, fact, details, to_endpoints=False)
        for fact in sorted({*facts, handler_status} - {""})
    ]


def build_events(reported: Sequence[ReportedFact]) -> list[NewEvent]:
    """Return the platform events of facts. Their names begin with the prefix of the integration."""
    connections = read_connections({item.message.connection_id for item in reported})
    prefixes = {
        connection.id: _event_prefix(connection.integration, connection.channel)
        for connection in connections
    }
    return [_new_event(item, prefixes[item.message.connection_id]) for item in reported]


def _new_event(reported: ReportedFact, prefix: str) -> NewEvent:
    message = reported.message
    return NewEvent(
        cause=f"{message.id}:{reported.fact}",
        type=f"{prefix}_{reported.fact}",
        message_id=message.id,
        request_id=message.request_id,
        source_id=message.source_id,
        test=message.test,
        payload=reported.details,
        to_endpoints=reported.to_endpoints,
    )


def _event_prefix(integration: str, channel: str) -> str:
    try:
        return integrations.get(integration).event_prefix
    except NotFound:
        return channel  # the package was removed; its messages are still reported
