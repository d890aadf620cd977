"""Describe routes in words: the steps of a cell, their conditions, and their results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hub.admin.view.status_badges import channel_title
from hub.core.vocabulary import Audience, Connective, EventType, Goal
from hub.messaging.track.route_results import RouteResult
from hub.signing.reminder_schedule import Schedule
from hub.signing.routes import RouteIn, StepIn

EVENTS: Mapping[str, tuple[str, str]] = {
    EventType.SENT: ("Sent", "The document was sent for signature."),
    EventType.REMINDER: ("Reminder", "A signature is still missing."),
    EventType.VIEWED: ("Opened", "A signer opened the document."),
    EventType.SIGNED: ("Signed", "A signer signed."),
    EventType.DECLINED: ("Declined", "A signer declined to sign."),
    EventType.COMPLETED: ("Completed", "Everyone has signed."),
    EventType.EXPIRED: ("Expired", "The time to sign has ended."),
    EventType.CANCELED: ("Canceled", "The sender canceled the request."),
}
AUDIENCES: Mapping[str, str] = {
    Audience.SIGNER: "The signer",
    Audience.OTHERS: "The other signers",
    Audience.SENDER: "The sender",
    Audience.OBSERVERS: "Observers",
    Audience.TEAM: "Team",
}
# the members of an audience of an event, if its title is not precise enough
MEMBERS: Mapping[tuple[str, str], str] = {
    (EventType.SENT, Audience.SIGNER): "next to sign",
    (EventType.REMINDER, Audience.SIGNER): "next to sign",
    (EventType.SIGNED, Audience.SIGNER): "the signer who signed",
    (EventType.DECLINED, Audience.SIGNER): "the signer who declined",
    (EventType.DECLINED, Audience.OTHERS): "signers who have signed",
    (EventType.COMPLETED, Audience.SIGNER): "all signers",
    (EventType.EXPIRED, Audience.SIGNER): "pending signers",
    (EventType.EXPIRED, Audience.OTHERS): "signers who have signed",
    (EventType.CANCELED, Audience.SIGNER): "invited signers",
}
GOALS: Mapping[str, str] = {
    Goal.SENT: "not sent",
    Goal.DELIVERED: "not delivered",
    Goal.READ: "not read",
    Goal.OPENED: "the document is not opened",
}


@dataclass(frozen=True)
class StepWords:
    """A step as a cell shows it: how it follows the step before, its icon, and its title."""

    joined: str  # "", "and", or "otherwise" with its condition
    condition: str
    icon: str
    title: str
    is_connected: bool = True  # the channel has a connection


def describe_steps(
    steps: Sequence[StepIn], titles: Mapping[str, str], connected: Collection[str] | None = None
) -> list[StepWords]:
    """Return the words of a route's steps.

    `titles` are those of connections by ID. `connected`: the channels with a connection, if known.
    """
    words = []
    for index, step in enumerate(steps):
        follows = step.connective == Connective.OTHERWISE
        joined = "otherwise" if follows else "and"
        words.append(
            StepWords(
                joined if index else "",
                describe_wait(step) if follows else "",
                step.channel,
                titles.get(step.connection_id or "") or channel_title(step.channel),
                connected is None or step.channel in connected,
            )
        )
    return words


def describe_wait(step: StepIn) -> str:
    """Return when an `otherwise` step follows, such as `30 min` or `1 day unopened`."""
    if step.wait_minutes is None:
        return "if it fails"
    wait = format_minutes(step.wait_minutes)
    unmet = {Goal.OPENED: "not opened", Goal.READ: "not read", Goal.SENT: "not sent"}
    return f"{unmet.get(Goal(step.goal or Goal.DELIVERED), '')} after {wait}".strip()


def describe_choices(event_type: str, entered: RouteIn, titles: Mapping[str, str]) -> list[str]:
    """Return what a version of a route says beside its steps and conditions, as sentences."""
    sentences = []
    for number, step in enumerate(entered.steps, 1):
        if step.connection_id and step.connection_id not in titles:
            sentences.append(f"The connection of step {number} is archived.")
        if step.consented_only:
            sentences.append(f"Step {number} only with a recorded consent.")
    if entered.paid_when_missing is not None:
        missing = entered.paid_when_missing
        signatures = f"signature{'' if missing == 1 else 's'}"
        limit = f"{missing} {signatures} {'is' if missing == 1 else 'are'} missing"
        sentences.append(f"Paid channels only while at most {limit}.")
    if entered.continue_after_opt_out:
        sentences.append("Continues on other channels after an opt-out.")
    if event_type == EventType.REMINDER:
        schedule = describe_schedule(Schedule.from_settings(entered.schedule))
        sentences.append(f"Schedule: {schedule}")
    return sentences


def format_minutes(minutes: int) -> str:
    """Return a number of minutes in the largest unit that divides it, such as `2 hours`."""
    for size, name in ((24 * 60, "day"), (60, "hour")):
        if minutes % size == 0:
            count = minutes // size
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{minutes} min"


def describe_schedule(schedule: Schedule) -> str:
    """Return when reminders are sent, such as `3, 7 and 14 days after the invitation`."""
    if not schedule.enabled:
        return "No automatic reminders."
    parts = []
    if schedule.days:
        parts.append(f"{_join_days(schedule.days)} after the invitation")
    if schedule.days_before_expiry:
        parts.append(f"{_join_days(schedule.days_before_expiry)} before it expires")
    if not parts:
        return "No automatic reminders."
    most = f"at most {schedule.most}{', on working days only' if schedule.working_days else ''}"
    return f"{', '.join(parts)}, {most}."


def _join_days(days: Sequence[int]) -> str:
    *first, last = days
    joined = f"{', '.join(map(str, first))} and {last}" if first else str(last)
    return f"{joined} day{'' if days == (1,) else 's'}"


def describe_result(result: RouteResult | None) -> list[str]:
    """Return the results of the last 30 days in short, such as `412 sent` and `391 WhatsApp`."""
    if result is None or not result.started:
        return []
    channels = sorted(result.reached.items(), key=lambda item: -item[1])
    return [
        f"{result.started:,} sent",
        *(f"{count:,} {channel_title(channel)}" for channel, count in channels),
    ]
