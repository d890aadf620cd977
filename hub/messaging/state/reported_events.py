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
from hub.integrations.base import Integration
from hub.messaging.policy.connection_info import read_connections
from hub.models import ConnectionInfo


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
    # of the call that an event of the integration's own is about; "": of the message
    provider_id: str = ""

    @property
    def cause(self) -> str:
        """The cause of the event, which is stored once: of the message, or of the call."""
        if self.provider_id:
            return own_cause(self.provider_id, self.fact)
        return f"{self.message.id}:{self.fact}"


def own_cause(provider_id: str, name: str) -> str:
    """Return the cause of an event of an integration's own, such as the status of a call."""
    return f"own:{provider_id}:{name}"


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
    names = {connection.id: _EventNames(connection) for connection in connections}
    return [
        _new_event(item, names[item.message.connection_id].prefix)
        for item in reported
        if names[item.message.connection_id].is_reported(item)
    ]


def _new_event(reported: ReportedFact, prefix: str) -> NewEvent:
    message = reported.message
    return NewEvent(
        cause=reported.cause,
        type=f"{prefix}_{reported.fact}",
        message_id=message.id,
        request_id=message.request_id,
        source_id=message.source_id,
        test=message.test,
        payload=reported.details,
        to_endpoints=reported.to_endpoints,
    )


class _EventNames:
    """The names of the events of a connection."""

    def __init__(self, connection: ConnectionInfo) -> None:
        try:
            self._integration: type[Integration] | None = integrations.get(connection.integration)
            self.prefix = self._integration.event_prefix
        except NotFound:
            # the package was removed; its messages are still reported
            self._integration = None
            self.prefix = connection.channel

    def is_reported(self, item: ReportedFact) -> bool:
        """Return whether the integration reports a fact, or another event in its place."""
        if self._integration is None or not self._integration.own_events or item.provider_id:
            return True
        return item.fact not in {*Status} or item.fact in self._integration.event_statuses()
