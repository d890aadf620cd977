"""Report opt-outs and opt-ins to the signing apps that they concern, as platform events.

An event names its contact by ID, so an erased address is not sent afterwards.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select

from hub.db.engine import db
from hub.endpoints.catalog import OPTED_IN, OPTED_OUT
from hub.endpoints.handler_subscriptions import is_handled
from hub.endpoints.platform_events import NewEvent, sources_with_endpoints, store_events
from hub.messaging.policy import linked_contacts
from hub.models import Message, Source

TYPES = (OPTED_OUT, OPTED_IN)
HANDLERS = "handlers"  # in a cause: the event that handlers receive, of any source


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An opt-out or an opt-in that was just stored.

    `row_id`: the row that stores it. `reason`: who decided or recorded it, such as keyword, api or
    admin. `source_id`: the source that it applies to; None: every source.
    """

    row_id: str
    consented: bool
    contact_id: str
    reason: str
    channel: str  # '' for every channel
    test: bool
    at: datetime
    source_id: str | None = None
    code: str = ""  # of the provider
    connection_id: str | None = None
    inbound_id: str | None = None
    # the message that the contact replied to, if that is known
    message_id: str | None = None
    request_id: str | None = None
    message_source_id: str | None = None


def report_decision(decision: Decision) -> None:
    """Store an event for each source that a decision concerns and that has a webhook endpoint.

    A decision for every source concerns those that have sent the contact a message.
    """
    listening = sources_with_endpoints(test=decision.test)
    concerned = sorted(_concerned_sources(decision, listening)) if listening else []
    event_type = OPTED_IN if decision.consented else OPTED_OUT
    # handlers receive one event for all sources
    store_events(
        [
            *(_event(decision, source_id, to_handlers=False) for source_id in concerned),
            _event(decision, decision.source_id, to_endpoints=False),
        ]
        if is_handled(event_type)
        else [_event(decision, source_id) for source_id in concerned]
    )


def decision_causes(row_ids: Collection[str]) -> list[str]:
    """Return the causes of all events about the decisions that these rows store."""
    source_ids = db.session.scalars(select(Source.id)).all()
    return [
        _cause(row_id, event_type, source_id)
        for row_id in row_ids
        for event_type in TYPES
        for source_id in [*source_ids, HANDLERS]
    ]


def _concerned_sources(decision: Decision, listening: Collection[str]) -> set[str]:
    source_id = decision.source_id
    if source_id is not None and not db.session.get_one(Source, source_id).applies_to_all:
        return {source_id}.intersection(listening)
    links = linked_contacts.linked_contacts([decision.contact_id])
    contact_ids = linked_contacts.add_linked_ids([decision.contact_id], links)
    has_written = exists().where(
        Message.contact_id.in_(contact_ids), Message.source_id == Source.id
    )
    written = db.session.scalars(select(Source.id).where(Source.id.in_(listening), has_written))
    return {source_id, decision.message_source_id, *written}.intersection(listening)


def _event(
    decision: Decision,
    source_id: str | None,
    *,
    to_endpoints: bool = True,
    to_handlers: bool = True,
) -> NewEvent:
    event_type = OPTED_IN if decision.consented else OPTED_OUT
    is_reply = source_id == decision.message_source_id or not to_endpoints
    return NewEvent(
        cause=_cause(decision.row_id, event_type, (to_endpoints and source_id) or HANDLERS),
        to_endpoints=to_endpoints,
        to_handlers=to_handlers,
        type=event_type,
        source_id=source_id,
        test=decision.test,
        message_id=decision.message_id if is_reply else None,
        request_id=decision.request_id if is_reply else None,
        at=decision.at,
        payload={
            "contact": decision.contact_id,
            "channel": decision.channel or None,
            "reason": decision.reason,
            "code": decision.code or None,
            "connection": decision.connection_id,
            "inbound": decision.inbound_id,
        },
    )


def _cause(row_id: str, event_type: str, source_id: str) -> str:
    return f"{row_id}:{event_type}:{source_id}"
