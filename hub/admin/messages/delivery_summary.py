"""Summarize a message's delivery in the notice at the top of its page: result, reason, next step.

`read_situation` collects the facts about a message. `summarize` decides from these facts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import url_for

from hub import integrations
from hub.admin.view.datetimes import format_datetime, format_time, zone_title
from hub.admin.view.filters import capitalize_first, duration
from hub.core.vocabulary import Channel, Status
from hub.integrations.base import Problem
from hub.lib.text import within_sentence
from hub.messaging.policy import policy
from hub.messaging.send import destinations
from hub.messaging.send.destinations import DestinationPause
from hub.messaging.state import unreadable_rows
from hub.messaging.track.block_descriptions import describe_block
from hub.models import Connection, Message


@dataclass(frozen=True)
class DeliverySummary:
    """A notice with a link to the next step."""

    tone: str
    title: str
    text: str
    href: str = ""  # '' without a link
    button: str = ""


@dataclass(frozen=True)
class Situation:
    """The facts about a message from which its summary is made."""

    message: Message
    connection: Connection
    status: Status
    problem: Problem | None
    later_delivery: Message | None  # a later message of the same series, which was delivered
    unreadable_reason: str  # why its row cannot be read, or ''
    pause: DestinationPause | None  # the pause of its destination, if posts are paused


def read_situation(message: Message, legs: Sequence[Message], problem: Problem | None) -> Situation:
    """Return the facts about a message. `legs`: its whole series of messages, oldest first."""
    later = legs[legs.index(message) + 1 :]
    damaged = unreadable_rows.find_entry("messages", message.id)
    return Situation(
        message=message,
        connection=message.connection,
        status=Status.read(message.status),
        problem=problem,
        later_delivery=next((leg for leg in later if Status.read(leg.status).is_delivered), None),
        unreadable_reason=damaged.error if damaged is not None else "",
        pause=destinations.pause_of_message(message) if damaged is None else None,
    )


def summarize(situation: Situation) -> DeliverySummary:
    """Return the notice with a message's result, the reason, and the next step."""
    for decide in DECISIONS:
        if (summary := decide(situation)) is not None:
            return summary
    return _by_status(situation)


def _sent_again(situation: Situation) -> DeliverySummary | None:
    later = situation.later_delivery
    if later is None or situation.status.is_delivered:
        return None
    return DeliverySummary(
        "good",
        "Delivered by a later message.",
        "No action is needed.",
        url_for("admin.message", message_id=later.id),
        "View that message",
    )


def _unreadable(situation: Situation) -> DeliverySummary | None:
    if not situation.unreadable_reason:
        return None
    return DeliverySummary(
        "bad",
        "Signpost cannot read this message or its contact.",
        situation.unreadable_reason,
        url_for("admin.unreadable_rows"),
        "View unreadable rows",
    )


def _connection_off(situation: Situation) -> DeliverySummary | None:
    connection = situation.connection
    if situation.status != Status.QUEUED or connection.enabled:
        return None
    return DeliverySummary(
        "warn",
        f"Waiting for the connection {connection.title}.",
        connection.state_reason or "The connection is not enabled. Enable it to send the message.",
        url_for("admin.connection", slug=connection.slug),
        "View connection",
    )


def _destination_paused(situation: Situation) -> DeliverySummary | None:
    if (pause := situation.pause) is None:
        return None
    destination = integrations.destination_label(situation.connection.integration, pause.address)
    return DeliverySummary(
        "warn",
        f"Waiting: posts to {destination} are paused.",
        f"{pause.reason} Then choose Test connection on the connection’s page. Signpost"
        " sends the post once the test passes.",
        url_for("admin.connection", slug=situation.connection.slug),
        "View connection",
    )


def _quiet_hours(situation: Situation) -> DeliverySummary | None:
    message = situation.message
    if situation.status != Status.QUEUED or message.code != policy.QUIET or not message.due_at:
        return None
    title = f"Waiting for the end of quiet hours: {format_datetime(message.due_at)}."
    return DeliverySummary("info", title, _problem_text(situation))


def _retry(situation: Situation) -> DeliverySummary | None:
    message = situation.message
    if situation.status != Status.QUEUED or not message.tries or not message.due_at:
        return None
    title = f"Next attempt at {format_time(message.due_at)[:8]} {zone_title(message.due_at)}."
    return DeliverySummary("info", title, _problem_text(situation))


def _with_provider(situation: Situation) -> DeliverySummary | None:
    if not situation.status.awaits_report:
        return None
    connection = situation.connection
    summary = _by_status(situation)
    provider = within_sentence(integrations.provider_name(connection.integration, "the provider"))
    if not integrations.reports_delivery(connection.integration):
        text = (
            "This provider does not report delivery. Check the channel in the provider’s app, or"
            " resend the message."
        )
        summary = replace(summary, title=f"Accepted by {provider}.", text=text)
    if (due_at := situation.message.due_at) and connection.enabled:
        next_step = (
            f"If no report arrives, Signpost asks {provider} at {format_time(due_at)[:5]}"
            f" {zone_title(due_at)}."
        )
        summary = replace(summary, text=f"{summary.text} {next_step}")
    return summary


# in this order, the first function that returns a notice decides
DECISIONS = (
    _sent_again,
    _unreadable,
    _connection_off,
    _destination_paused,
    _quiet_hours,
    _retry,
    _with_provider,
)


def _by_status(situation: Situation) -> DeliverySummary:
    tone, title, text = BY_STATUS[situation.status]
    message = situation.message
    provider = within_sentence(
        integrations.provider_name(situation.connection.integration, "the provider")
    )
    title = title.format(provider=provider)
    text = capitalize_first(text.format(provider=provider))
    if situation.status == Status.SENT and situation.connection.channel == Channel.EMAIL:
        text = "No mail server has confirmed the delivery yet. Most mail servers never do."
    if situation.status == Status.SUPPRESSED:
        block = describe_block(message.code, message.channel, situation.connection.integration)
        title = f"Not sent. {block}"
    if problem := situation.problem:
        text = " ".join(filter(None, (problem.text, problem.remedy)))
    elif situation.status.is_delivered:
        duration_text = duration((message.changed_at - message.created_at).total_seconds())
        if situation.status == Status.DELIVERED:
            title = f"Delivered in {duration_text}."
        else:
            text = f"Read {duration_text} after it was queued."
    return DeliverySummary(tone, title, text)


def _problem_text(situation: Situation) -> str:
    return situation.problem.text if situation.problem else ""


BY_STATUS: dict[Status, tuple[str, str, str]] = {
    Status.QUEUED: ("info", "Queued.", "Signpost sends the message as soon as a worker is free."),
    Status.SENDING: ("info", "Sending to {provider}.", "{provider} has not responded yet."),
    Status.UNKNOWN: ("warn", "The result is unknown.", ""),
    Status.SUPPRESSED: ("warn", "Not sent.", ""),
    Status.CANCELED: ("info", "Canceled.", "The message was not sent."),
    Status.EXPIRED: ("warn", "Expired before it could be sent.", ""),
    Status.ACCEPTED: (
        "info",
        "Accepted by {provider}.",
        "{provider} has not reported yet whether the message was sent.",
    ),
    Status.SENT: (
        "info",
        "Sent by {provider}.",
        "The carrier has not reported delivery yet. Some carriers never do.",
    ),
    Status.FAILED: ("bad", "Failed.", ""),
    Status.UNDELIVERED: ("warn", "Undelivered.", ""),
    Status.DELIVERED: ("good", "Delivered.", ""),
    Status.READ: ("good", "Delivered and read.", ""),
}
