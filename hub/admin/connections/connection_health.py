"""Describe the problems of enabled connections: their start, waiting messages and next attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub import integrations
from hub.admin.view import datetimes, filters
from hub.connections import connections
from hub.db.types import now
from hub.lib.text import within_sentence
from hub.messaging.send import destinations, provider_health, sender_faults
from hub.messaging.send.destinations import DestinationPause
from hub.messaging.send.provider_health import ProviderProblem
from hub.messaging.send.sender_faults import SenderFault
from hub.models import Connection

SHORT_PAUSE = timedelta(minutes=1)
PAUSED = "destination"  # the kind of a problem with one destination only
FAULT = "sender"  # the kind of a problem with the sender's own setup


@dataclass(frozen=True)
class HealthNotice:
    """The description of a connection's problem, as pages show it."""

    kind: str
    icon: str
    title: str  # names the provider or the destination
    text: str  # begins with the reason
    is_temporary: bool = False  # the problem ends before anyone can act


def describe_health(connections: list[Connection]) -> dict[str, HealthNotice]:
    """Return a description of each of these connections that has a problem, by connection ID."""
    problems = provider_health.find_problems(connection.id for connection in connections)
    notices = {
        connection.id: _provider_notice(connection, problems[connection.id])
        for connection in connections
        if connection.id in problems
    }
    pauses = destinations.find_pauses(
        [connection.id for connection in connections if connection.enabled]
    )
    faults = sender_faults.find_sender_faults(
        connection for connection in connections if connection.enabled
    )
    notices |= {
        connection.id: _describe_fault(connection, faults[connection.id])
        for connection in connections
        if connection.id in faults and connection.id not in notices
    }
    # a paused destination needs action, unlike a rate limit, but an unreachable provider is shown
    # before it
    return notices | {
        connection_id: _describe_pause(pause)
        for connection_id, pause in pauses.items()
        if connection_id not in notices or notices[connection_id].kind == provider_health.SLOWED
    }


def _describe_fault(connection: Connection, fault: SenderFault) -> HealthNotice:
    problem = integrations.get(connection.integration).explain(fault.code)
    messages = filters.plural(fault.count, "message was", "messages were")
    cause = f"{problem.text} {problem.remedy} " if problem else ""
    text = (
        f"{cause}{messages} rejected with {fault.code} in the last 24 hours. Once the problem is"
        " fixed, choose Test connection."
    )
    return HealthNotice(FAULT, "envelope", "Recipients’ providers reject messages", text)


def _describe_pause(pause: DestinationPause) -> HealthNotice:
    next_step = "Then choose Test connection."
    if pause.waiting_count:
        posts = filters.plural(
            pause.waiting_count, "post is waiting and is", "posts are waiting and are"
        )
        next_step += f" {posts} sent once the test passes."
    text = f"{pause.reason} {next_step} Paused since {datetimes.format_datetime(pause.since)}."
    return HealthNotice(PAUSED, "hourglass-split", f"Posts to {pause.address} are paused", text)


def _provider_notice(connection: Connection, problem: ProviderProblem) -> HealthNotice:
    provider = integrations.provider_name(connection.integration, connection.title)
    waiting = _waiting_text(connections.count_waiting(connection.id))
    if problem.kind == provider_health.SLOWED:
        text = (
            f"{problem.reason} Signpost sends nothing until "
            f"{datetimes.format_datetime(problem.retry_at)}, then continues at a lower rate."
            f" {waiting}"
        )
        return HealthNotice(
            problem.kind,
            "hourglass-split",
            f"Rate limited by {within_sentence(provider)}",
            text,
            problem.retry_at - now() < SHORT_PAUSE,
        )
    next_attempt = (
        f"Signpost tries again {datetimes.format_relative(problem.retry_at)}."
        if problem.retry_at > now()
        else "Signpost is trying again now."
    )
    since = f"Since {datetimes.format_datetime(problem.started_at)}." if problem.started_at else ""
    return HealthNotice(
        problem.kind,
        "cloud-slash",
        f"{provider} cannot be reached",
        f"{problem.reason} {since} {waiting} {next_attempt}",
    )


def _waiting_text(count: int) -> str:
    if not count:
        return "No messages are waiting."
    if count == connections.COUNT_TO:
        return f"{count:,} messages or more are waiting. Signpost sends them automatically."
    return filters.plural(
        count,
        "message is waiting. Signpost sends it automatically.",
        "messages are waiting. Signpost sends them automatically.",
    )
