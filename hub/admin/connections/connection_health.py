"""Describe problems of enabled connections: since when, what waits, and when sending resumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub import integrations
from hub.admin.view import datetimes, filters
from hub.connections import connections
from hub.db.types import now
from hub.messaging.send import destinations, provider_health
from hub.messaging.send.destinations import DestinationPause
from hub.messaging.send.provider_health import ProviderProblem
from hub.models import Connection

PASSING = timedelta(minutes=1)
PAUSED = "destination"  # the kind of a problem of one destination only


@dataclass(frozen=True)
class HealthNotice:
    """A trouble in words; `title` names the provider, `text` begins with why.

    `passing`: it is over before anybody could act.
    """

    kind: str
    icon: str
    title: str
    text: str
    passing: bool = False


def health_of(standing: list[Connection]) -> dict[str, HealthNotice]:
    """Describe the problem of each of these connections that has one."""
    found = provider_health.problem_of(one.id for one in standing)
    told = {one.id: _notice(one, found[one.id]) for one in standing if one.id in found}
    paused = destinations.pauses_of([one.id for one in standing if one.enabled])
    # a pause that passes needs nobody, a provider that is not reached comes first
    return told | {
        key: _of_destination(one)
        for key, one in paused.items()
        if key not in told or told[key].kind == provider_health.SLOWED
    }


def _of_destination(one: DestinationPause) -> HealthNotice:
    waiting = (
        filters.plural(one.waiting, "post is waiting and is", "posts are waiting and are")
        if one.waiting
        else ""
    )
    then = (
        f"Then choose Test connection. {waiting} sent once the test passes."
        if waiting
        else "Then choose Test connection."
    )
    text = f"{one.why} {then} Paused since {datetimes.exact(one.since)}."
    return HealthNotice(PAUSED, "hourglass-split", f"Posts to {one.address} are paused", text)


def _notice(one: Connection, trouble: ProviderProblem) -> HealthNotice:
    provider = integrations.provider_of(one.integration, one.title)
    waits = _waits(connections.count_waiting(one.id))
    if trouble.kind == provider_health.SLOWED:
        text = (
            f"{trouble.why} Signpost sends nothing until {datetimes.exact(trouble.until)},"
            f" then continues at a lower rate. {waits}"
        )
        return HealthNotice(
            trouble.kind,
            "hourglass-split",
            f"Rate limited by {provider}",
            text,
            trouble.until - now() < PASSING,
        )
    again = (
        f"Signpost tries again {datetimes.ago(trouble.until)}."
        if trouble.until > now()
        else "Signpost is trying again now."
    )
    since = f"Since {datetimes.exact(trouble.since)}." if trouble.since else ""
    return HealthNotice(
        trouble.kind,
        "cloud-slash",
        f"{provider} cannot be reached",
        f"{trouble.why} {since} {waits} {again}",
    )


def _waits(count: int) -> str:
    if count == connections.COUNT_TO:
        return f"{count:,} messages or more are waiting. Signpost sends them automatically."
    told = filters.plural(
        count,
        "message is waiting. Signpost sends it automatically.",
        "messages are waiting. Signpost sends them automatically.",
    )
    return told if count else "No messages are waiting."
