"""Build the timeline of each signer: the messages to them, and what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy import select

from hub.admin.view.datetimes import format_short
from hub.admin.view.message_rows import MessageListRow
from hub.admin.view.status_badges import channel_title, message_badge, signer_badge
from hub.core.vocabulary import Goal, RequestState, SignerState, Status
from hub.db.engine import db
from hub.messaging.compose import resend
from hub.messaging.state import fallback_timers
from hub.messaging.track.link_opens import LinkOpens
from hub.models import Message, Signer, StatusEvent
from hub.signing.next_step import SKIPPED

RESENDABLE = (Status.FAILED, Status.UNDELIVERED, Status.EXPIRED, Status.UNKNOWN)


@dataclass(frozen=True)
class TimelineEntry:
    """One message to a signer, or one thing that happened. Without a `href` it is no message."""

    icon: str
    color: str
    title: str
    at: datetime
    text: str = ""
    href: str = ""
    note: str = ""
    has_problem: bool = False
    is_last: bool = False  # whether no later message of its route follows


def list_entries(
    signer: Signer,
    messages: Sequence[Message],
    rows: Mapping[str, MessageListRow],
    skipped: Mapping[str, StatusEvent],
    opens: Mapping[str, LinkOpens],
) -> list[TimelineEntry]:
    """Return the timeline of a signer, oldest first.

    `messages`: those to the signer, oldest first. `rows`: their rows, by ID. `skipped`: the facts
    about steps of routes that could not follow a message, by its ID. `opens`: of short links.
    """
    followed_at = {message.after_id: message.created_at for message in messages}
    entries = []
    for message in messages:
        entries.append(_message_entry(rows[message.id], is_last=message.id not in followed_at))
        if fact := skipped.get(message.id):
            at = min(fact.at, followed_at.get(message.id, fact.at))  # before what was sent instead
            entries.append(TimelineEntry("skip-forward", "", "Steps skipped", at, text=fact.reason))
        if opened := opens.get(message.id):
            entries.append(_open_entry(opened))
    state = SignerState.read(signer.state)
    if state != SignerState.PENDING:
        badge = signer_badge(signer.state)
        title = badge.label if state != SignerState.VIEWED else "Opened the document"
        entries.append(TimelineEntry(badge.icon, badge.color, title, signer.state_at, is_last=True))
    return sorted(entries, key=lambda entry: entry.at)


def _message_entry(row: MessageListRow, *, is_last: bool) -> TimelineEntry:
    badge = message_badge(row.status)
    return TimelineEntry(
        icon=badge.icon,
        color=badge.color,
        title=f"{channel_title(row.channel)} {badge.label.lower()}",
        at=row.created_at,
        text=row.preview,
        href=url_for("admin.message", message_id=row.id),
        note=row.note,
        has_problem=row.has_problem,
        is_last=is_last,
    )


def _open_entry(opens: LinkOpens) -> TimelineEntry:
    count = "once" if opens.count == 1 else f"{opens.count:,} times"
    last = f", last at {format_short(opens.last_at)}" if opens.count > 1 else ""
    note = "A hint: link scanners can look like a person."
    text = f"Opened {count}{last}. {note}"
    return TimelineEntry("link-45deg", "", "Link opened", opens.first_at, text=text)


def read_skipped(message_ids: Sequence[str]) -> dict[str, StatusEvent]:
    """Return the facts about steps that could not follow some messages, by message."""
    query = select(StatusEvent).where(
        StatusEvent.message_id.in_(message_ids), StatusEvent.provider_status == SKIPPED
    )
    return {fact.message_id: fact for fact in db.session.scalars(query)}


def describe_series(
    signer: Signer, messages: Sequence[Message], stopped_steps: Mapping[str, datetime]
) -> str:
    """Return what was tried to reach a signer last: `WhatsApp failed, SMS delivered at 14:32`.

    `messages`: those to the signer, oldest first. One message that no step may follow needs no
    summary. `stopped_steps`: when the fallbacks of steps were stopped.
    """
    if not messages:
        return ""
    by_id = {message.id: message for message in messages}
    series = [messages[-1]]
    while (former := by_id.get(series[0].after_id or "")) is not None:
        series.insert(0, former)
    stopped_at = _fallbacks_stopped_at(signer, series, stopped_steps)
    if len(series) == 1 and series[0].escalate_at is None and stopped_at is None:
        return ""
    tried = [
        f"{channel_title(message.channel)} {message_badge(message.status).label.lower()}"
        for message in series
    ]
    last = series[-1]
    sentence = f"{', '.join(tried)} at {format_short(last.changed_at)}."
    if last.escalate_at is not None:
        sentence += f" The next step follows at {format_short(last.escalate_at)}{_unless(last)}."
    elif stopped_at is not None:
        sentence += f" Fallbacks were stopped at {format_short(stopped_at)}. No next step follows."
    return sentence


def _unless(message: Message) -> str:
    """Return what prevents the step that follows a message, or '' for a failed message."""
    if Status.read(message.status) in fallback_timers.LOST:
        return ""
    event = GOAL_EVENTS.get(message.fallback_goal or "", "this message is delivered")
    return f" unless {event}"


# any other goal is read as `delivered`
GOAL_EVENTS = {
    Goal.SENT.value: "the provider accepts this message",
    Goal.READ.value: "this message is read",
    Goal.OPENED.value: "the document is opened",
}


def _fallbacks_stopped_at(
    signer: Signer, series: Sequence[Message], stopped_steps: Mapping[str, datetime]
) -> datetime | None:
    """Return when the next step after a series of messages was stopped, or None if it was not."""
    stopped_at = stopped_steps.get(series[-1].step_id or "")
    began_at = series[0].created_at
    if stopped_at is None or stopped_at < began_at or series[-1].fallback_goal is None:
        return None
    is_opened = signer.opened_at is not None and signer.opened_at >= began_at
    if is_opened or not SignerState.read(signer.state).has_not_signed or signer.removed_at:
        return None
    goal = series[-1].fallback_goal
    reached = any(fallback_timers.has_reached(goal, Status.read(row.status)) for row in series)
    return None if reached or not _is_open(signer) else stopped_at


def _is_open(signer: Signer) -> bool:
    return signer.request.state == RequestState.OPEN and not signer.request.expired


def find_resendable(messages: Sequence[Message]) -> Message | None:
    """Return the newest message to a signer if it did not arrive and is still needed.

    `messages`: those to the signer, oldest first.
    """
    newest = messages[-1] if messages else None
    if newest is None or Status.read(newest.status) not in RESENDABLE:
        return None
    is_settled = newest.settled or Status.read(newest.status) == Status.UNKNOWN
    can_send = is_settled and newest.connection.enabled
    return newest if can_send and resend.find_obsolete(newest) is None else None
