"""Request and response shapes of signing requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select

from hub.api.shapes import MessageOut, format_time, serialize_message
from hub.core.vocabulary import (
    Audience,
    Channel,
    EventType,
    Goal,
    PersonRole,
    RequestState,
    SignerState,
    Status,
)
from hub.db.engine import db
from hub.models import Event, Message, Signer, SigningRequest
from hub.signing import chat_invitations, people, reminder_times, reminders, scheduled_events
from hub.signing.events import Strict


# ── In ────────────────────────────────────────────────────────────────────────────────────────────
class RemindIn(Strict):
    """The signer to remind. Omit it to remind all pending signers."""

    signer: str | None = Field(default=None, description="The signer's Signpost ID or your own ID.")


class SnoozeIn(Strict):
    """The signer whose reminders to snooze or resume. Omit it for all pending signers."""

    signer: str | None = Field(default=None, description="The signer's Signpost ID or your own ID.")


class InviteIn(Strict):
    """The signer to invite to a chat, and the connection."""

    signer: str = Field(description="The signer's Signpost ID or your own ID.")
    connection: str | None = Field(
        default=None,
        description="The slug of a connection. Default: the first suitable one.",
    )


# ── Out ───────────────────────────────────────────────────────────────────────────────────────────
class BriefOut(BaseModel):
    """A message that an event caused."""

    id: str
    signer: str | None = Field(
        description="The person's ID in your app, or `sender`. Null for a team."
    )
    role: PersonRole | None = Field(description="The role of the person. Null for a team.")
    channel: Channel
    to: str
    status: Status
    code: str | None


class SkippedOut(BaseModel):
    """A step that was planned but skipped, with the reason."""

    signer: str = Field(
        description=(
            "The person's ID in your app, or `sender`. An empty text for a team, not null."
        )
    )
    role: PersonRole | None = Field(description="The role of the person. Null for a team.")
    step: str
    reason: str
    text: str


class EventRef(BaseModel):
    """The stored event."""

    id: str
    send_at: AwareDatetime | None = Field(
        description="When its messages are planned, if it is scheduled. Null: they are planned."
    )


class FollowUpOut(BaseModel):
    """A step that follows if a message fails, or does not reach its goal in time."""

    message: str = Field(description="The first message of the person's steps.")
    signer: str = Field(description="The person's ID in your app, or `sender`.")
    role: PersonRole
    channel: Channel
    to: str
    goal: Goal = Field(description="What the message before must achieve.")
    minutes: int | None = Field(
        description="How long the message before has. Null: the step follows only a failure, or at"
        " once if the message before is blocked."
    )
    text: str = Field(description="The step in words.")


class EventOut(BaseModel):
    """The result of an event: its messages, its skipped steps, and what may follow."""

    event: EventRef
    messages: list[BriefOut]
    skipped: list[SkippedOut]
    then: list[FollowUpOut]


class PriceOut(BaseModel):
    """The expected price of a message."""

    amount: str
    currency: str
    basis: Literal["recorded", "rules"] = Field(
        description="`recorded`: the median of what the provider charged for recent messages over"
        " this connection to this country. `rules`: the prices in the connection's rules."
    )


class PreviewStepOut(BaseModel):
    """A step as it would act now, or the reason why it is skipped."""

    channel: Channel
    to: str | None
    at: AwareDatetime | None = Field(
        description="When it would act. Null: only after a failure, or it is skipped."
    )
    goal: Goal | None = Field(description="What the message before must achieve.")
    minutes: int | None = Field(description="How long the message before has.")
    reason: str | None = Field(description="Why the step is skipped. Null: it would act.")
    subject: str | None
    text: str | None
    template: bool = Field(description="The provider's approved template is sent instead.")
    segments: int | None
    price: PriceOut | None
    summary: str = Field(description="The step in words.")


class PreviewPersonOut(BaseModel):
    """A person whom an event concerns, with the steps in the order in which they act."""

    signer: str = Field(description="The person's ID in your app, or `sender`.")
    role: PersonRole
    event: EventType
    audience: Audience
    steps: list[PreviewStepOut]


class PreviewPostOut(BaseModel):
    """A post to a team."""

    channel: Channel
    to: str


class PreviewOut(BaseModel):
    """The result that an event would have. Nothing is stored or sent."""

    people: list[PreviewPersonOut]
    posts: list[PreviewPostOut]


class ScheduledEventOut(BaseModel):
    """An event whose messages are planned later."""

    id: str
    external_id: str = Field(description="The event's ID in your app, or an empty text.")
    type: EventType
    request: str = Field(description="The request's Signpost ID.")
    send_at: AwareDatetime | None = Field(description="Null if it was canceled.")
    canceled_at: AwareDatetime | None


class SignerOut(BaseModel):
    """A signer, with the messages sent to them. Removed signers are listed last."""

    id: str = Field(description="The signer's ID in your app.")
    name: str | None
    state: SignerState
    order: int
    state_at: AwareDatetime
    invited_at: AwareDatetime | None = Field(
        description="When the signer's turn came. Null before, and after the request is reopened."
    )
    opened_at: AwareDatetime | None = Field(
        description="The time of the newest `request.viewed` of the signer."
    )
    removed_at: AwareDatetime | None = Field(
        description="When the signer was removed from the request."
    )
    reminded_at: AwareDatetime | None
    next_reminder_at: AwareDatetime | None = Field(
        description="When Signpost reminds the signer next, if nothing changes."
    )
    snoozed_until: AwareDatetime | None = Field(
        description=("No reminders are sent before this time.")
    )
    messages: list[MessageOut]


class ObserverOut(BaseModel):
    """An observer, with the messages sent to them."""

    id: str = Field(description="The observer's ID in your app.")
    name: str | None
    opened_at: AwareDatetime | None
    messages: list[MessageOut]


class SenderOut(BaseModel):
    """The sender of a request, with the messages sent to them."""

    name: str | None
    email: str | None
    messages: list[MessageOut]


class RequestOut(BaseModel):
    """A signing request."""

    id: str
    external_id: str
    title: str | None
    state: RequestState
    state_at: AwareDatetime
    expires_at: AwareDatetime | None
    url: str | None
    signers: list[SignerOut]
    observers: list[ObserverOut]
    sender: SenderOut | None = Field(description="Null if the app sent no sender.")
    posts: list[MessageOut] = Field(description="Posts to the team.")
    scheduled: list[ScheduledEventOut] = Field(
        description="Events whose messages are planned later, the next one first."
    )


class InvitationOut(BaseModel):
    """A link that a signer opens once to receive messages in a chat."""

    url: str
    expires_at: AwareDatetime
    connection: str = Field(description="The slug of the connection that sends to the chat.")


def serialize_request(row: SigningRequest) -> dict[str, Any]:
    """Return a signing request as the API shows it."""
    messages = db.session.scalars(
        select(Message).where(Message.request_id == row.id).order_by(Message.id)
    ).all()
    by_role = {
        role: [person for person in row.people if person.role == role] for role in PersonRole
    }
    signers = [*row.signers, *people.list_removed_signers(row)]
    return {
        "id": row.id,
        "external_id": row.external_id,
        "title": row.title,
        "state": row.state,
        "state_at": format_time(row.state_at),
        "expires_at": _optional_time(row.expires_at),
        "url": row.url,
        "signers": [_signer(signer, messages) for signer in signers],
        "observers": [_observer(person, messages) for person in by_role[PersonRole.OBSERVER]],
        "sender": _sender(row, by_role[PersonRole.SENDER], messages) if row.sender else None,
        "posts": [
            serialize_message(message, with_timeline=False)
            for message in messages
            if message.signer_id is None and message.thread
        ],
        "scheduled": [
            serialize_scheduled_event(event) for event in scheduled_events.list_scheduled(row.id)
        ],
    }


def serialize_scheduled_event(event: Event) -> dict[str, Any]:
    """Return a scheduled or canceled event as the API shows it."""
    return {
        "id": event.id,
        "external_id": event.external_id,
        "type": event.type,
        "request": event.request_id,
        "send_at": format_time(event.due_at) if event.due_at else None,
        "canceled_at": format_time(event.canceled_at) if event.canceled_at else None,
    }


def _signer(signer: Signer, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "id": signer.external_id,
        "name": (signer.details or {}).get("name"),
        "state": signer.state,
        "order": signer.turn,
        "state_at": format_time(signer.state_at),
        "invited_at": _optional_time(signer.invited_at),
        "opened_at": _optional_time(signer.opened_at),
        "removed_at": _optional_time(signer.removed_at),
        "reminded_at": _optional_time(signer.reminded_at),
        "next_reminder_at": _optional_time(reminder_times.next_reminder_at(signer)),
        "snoozed_until": _optional_time(
            signer.snoozed_until if reminders.is_snoozed(signer) else None
        ),
        "messages": _messages_to([signer], messages),
    }


def _observer(person: Signer, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "id": person.external_id,
        "name": (person.details or {}).get("name"),
        "opened_at": _optional_time(person.opened_at),
        "messages": _messages_to([person], messages),
    }


def _sender(
    row: SigningRequest, people: Sequence[Signer], messages: Sequence[Message]
) -> dict[str, Any]:
    details = row.sender or {}
    return {
        "name": details.get("name"),
        "email": details.get("email"),
        "messages": _messages_to(people, messages),
    }


def _messages_to(people: Sequence[Signer], messages: Sequence[Message]) -> list[dict[str, Any]]:
    ids = {person.id for person in people}
    return [
        serialize_message(message, with_timeline=False)
        for message in messages
        if message.signer_id in ids
    ]


def _optional_time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def serialize_invitation(invitation: chat_invitations.Invitation) -> dict[str, Any]:
    """Return an invitation link as the API shows it."""
    return {
        "url": invitation.url,
        "expires_at": format_time(invitation.expires_at),
        "connection": invitation.connection,
    }
