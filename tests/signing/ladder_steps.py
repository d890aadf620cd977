"""Routes with fallback steps, and the messages that follow one another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import select

from hub.core.vocabulary import Address, Audience, ConnectionState, Connective, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import waiting_callbacks
from hub.integrations.base import Accepted, StatusUpdate
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.messaging.policy.policy import sender_key
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message, Route, RouteStep
from hub.signing import accept, ladders
from hub.signing.events import EventIn
from tests.hub_fixtures import (
    ERIC,
    event_body,
    make_due,
    set_connection_state,
    signer_body,
    source_id,
    update_message,
)

# channel, goal of the step before, and minutes that it has
OtherwiseStep = tuple[str, str | None, int | None]
WHATSAPP_SMS_EMAIL: tuple[OtherwiseStep, ...] = (
    ("whatsapp", None, None),
    ("sms", "delivered", 30),
    ("email", "opened", 1440),
)

SMS_EMAIL: tuple[OtherwiseStep, ...] = (("sms", None, None), ("email", "delivered", 30))
SMS_WHATSAPP: tuple[OtherwiseStep, ...] = (("sms", None, None), ("whatsapp", "delivered", 30))
EMAIL_SMS: tuple[OtherwiseStep, ...] = (("email", None, None), ("sms", "delivered", 30))


@transaction
def set_route(
    *steps: OtherwiseStep,
    event_type: str = "request.sent",
    audience: str = Audience.SIGNER,
    continue_after_opt_out: bool = False,
) -> None:
    """Replace the general route of an event by one ladder, with the texts of the event."""
    former = select(Route).where(
        Route.event_type == event_type,
        Route.audience == audience,
        Route.source_id.is_(None),
        Route.replaced_at.is_(None),
    )
    version = 1
    template = event_type.replace(".", "_")
    for route in db.session.scalars(former).all():
        route.replaced_at = now()
        version = route.version + 1
        template = route.steps[0].template if route.steps else template
    db.session.flush()
    route = Route(
        event_type=event_type,
        audience=audience,
        version=version,
        continue_after_opt_out=continue_after_opt_out,
    )
    for position, (channel, goal, minutes) in enumerate(steps, 1):
        route.steps.append(
            RouteStep(
                position=position,
                connective=Connective.ALSO if position == 1 else Connective.OTHERWISE,
                goal=goal,
                wait_minutes=minutes,
                channel=channel,
                template=template,
            )
        )
    db.session.add(route)
    db.session.flush()


@pytest.fixture
def ladder(hub_demo: Flask, chats_and_mail: None) -> None:
    """Route invitations over WhatsApp, otherwise SMS, otherwise email; WhatsApp can be sent."""
    for connection in db.session.scalars(select(Connection).where(Connection.channel == "chat")):
        set_connection_state(connection.id, ConnectionState.DISABLED)
    set_route(*WHATSAPP_SMS_EMAIL)
    open_window()


def post(kind: str = "request.sent", **fields: Any) -> dict[str, Any]:
    """Accept an event of the signing app, by default an invitation to Eric."""
    current_app.extensions.pop("hub.cached", None)
    if kind == "request.sent":
        fields = {"signers": [eric()]} | fields
    db.session.rollback()
    return accept.accept_event(
        EventIn.model_validate(event_body(kind, **fields)), source_id(), test=True
    )


def eric(**fields: Any) -> dict[str, Any]:
    return signer_body("Eric", **{"email": "eric@example.com", **fields})


def legs() -> list[Message]:
    """Return the messages to people, oldest first."""
    db.session.rollback()
    query = select(Message).where(Message.thread == "").order_by(Message.id)
    return list(db.session.scalars(query))


def channels() -> list[str]:
    return [leg.channel for leg in legs()]


def hand_over(message: Message) -> None:
    """Claim a message and record that its provider accepted it."""
    make_due(message.id)
    claims = delivery.record_and_claim([], {message.connection_id: 1})
    assert [claim.message_id for claim in claims] == [message.id]
    accepted = Accepted(f"SM{message.id.rpartition('-')[2]}")
    outcome = calls.Outcome(claims[0], accepted, None, now(), 5, 201)
    delivery.record_and_claim([outcome], {})
    db.session.rollback()


def report_status(message: Message, status: Status, **fields: Any) -> None:
    """Record a status of a message as its provider reports it."""
    update = StatusUpdate(
        message_id=message.id, attempt=1, provider_status=status.value, status=status, **fields
    )
    assert statuses.apply_status(update, Origin("callback", [message.connection_id]))
    db.session.rollback()


@transaction
def open_window() -> None:
    """Let Eric have written on WhatsApp, so that free text may be sent."""
    whatsapp = connection_of("whatsapp")
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    session_windows.open_window(sender_key(whatsapp.info), contact.id, now(), 24)


@transaction
def close_window() -> None:
    """Let the time end in which free text may be sent to Eric."""
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    session_windows.close_window(sender_key(connection_of("whatsapp").info), contact.id)


def connection_of(channel: str) -> Connection:
    return db.session.scalars(select(Connection).where(Connection.channel == channel)).one()


def end_time(message: Message) -> None:
    """Let the time end in which a message has to reach its goal."""
    assert message.escalate_at is not None
    update_message(message.id, escalate_at=now() - timedelta(seconds=1))


def escalate() -> int:
    """Let the steps follow that are due."""
    db.session.rollback()
    return ladders.escalate_due(waiting_callbacks.process_waiting)


def lose(message: Message, status: Status = Status.UNDELIVERED, **fields: Any) -> None:
    """Send a message, let its provider report that it failed, and let the next step follow."""
    hand_over(message)
    report_status(message, status, **fields)
    escalate()


def invite(*steps: OtherwiseStep, **fields: Any) -> Message:
    """Invite Eric, over a route of these steps if any, and let the provider accept the message."""
    if steps:
        set_route(*steps)
    post(**fields)
    hand_over(legs()[0])
    return legs()[0]


def let_time_end(message: Message) -> None:
    """Let the time of a message end, and let the next step follow."""
    end_time(message)
    escalate()


def refuse_claim(message: Message) -> None:
    """Let a worker claim a message that must not be sent."""
    make_due(message.id)
    assert delivery.record_and_claim([], {message.connection_id: 1}) == []
    db.session.rollback()
