"""Messages per second, processor time and memory of the delivering worker, against the ideal of its
threads.

The provider's stand-in answers each message after 100 ms, so 64 in flight make 640 a second at
best. Messages wait in the database (SQLite, FULL), each to a separate person and sealed; `hub
worker deliver` is started, and once it is warm the provider's answers are counted for some seconds.
Callbacks are off. 256 in flight are two workers with two connections of 64 threads each. At the end
what the provider received is compared with what is recorded: nothing sent twice, nothing lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks import running
from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import Crew, Started
from benchmarks.table import Row, at_least, at_most, figure_row, share_row, unmeasured_row

LATENCY = 0.1
WARM = 3  # rounds of calls that do not count
THREADS = 64
WHAT = {
    64: "messages per second at 64 in flight, provider takes 100 ms",
    256: "messages per second at 256 in flight, two processes",
}
GOALS = {64: at_least(0.90), 256: at_least(0.60)}
MEMORY = "memory (PSS) of the delivering worker and its child at 64 in flight"
MOST_MEMORY = at_most(120, "MB")


@dataclass(frozen=True)
class Sent:
    """The result of a period of sending."""

    rate: float  # messages a second
    cpu: float  # milliseconds of the senders' processors per message
    memory: float  # megabytes (PSS), the most that was seen
    most_flying: int


def run(plan: Plan, in_flight: int) -> list[Row]:
    """Measure at 64 in flight in one worker, or 256 in two."""
    workers = 1 if in_flight == THREADS else 2
    runs = []
    with plan.crew(f"sending-{in_flight}") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url, connections=in_flight // THREADS // workers)
        hub.start_queue()
        for _ in plan.each_run(f"sending, {in_flight} in flight"):
            runs.append(
                measure_new_workers(crew, hub, provider, plan.seconds, workers, in_flight / LATENCY)
            )
        check_counts(hub, provider)
    ideal = in_flight / LATENCY
    note = f"Most in flight at the provider: {max(run.most_flying for run in runs)}."
    rows = [
        share_row(
            WHAT[in_flight],
            f"the ideal of {ideal:,.0f}",
            GOALS[in_flight],
            [run.rate for run in runs],
            ideal,
            "/s",
            note,
        )
    ]
    if in_flight == THREADS:
        rows.append(figure_row(MEMORY, "", MOST_MEMORY, [run.memory for run in runs]))
    return rows


def unmeasured_rows(reason: str, in_flight: int) -> list[Row]:
    rows = [
        unmeasured_row(
            WHAT[in_flight], f"the ideal of {in_flight / LATENCY:,.0f}", GOALS[in_flight], reason
        )
    ]
    return (
        [*rows, unmeasured_row(MEMORY, "", MOST_MEMORY, reason)] if in_flight == THREADS else rows
    )


def measure_new_workers(
    crew: Crew, hub: Hub, provider: Provider, seconds: float, workers: int, fastest: float
) -> Sent:
    """Let new workers send waiting messages, measure after warming up, and stop them."""
    hub.fill("queued", count_missing(hub, fastest, seconds))
    helpers = [hub.start_worker("deliver") for _ in range(workers)] + [hub.start_cron()]
    sent = measure_sending(crew, provider, helpers[:workers], seconds, round(fastest * LATENCY))
    remaining = hub.count("messages WHERE status = 'queued'")
    for helper in helpers:
        crew.stop(helper)
    assert remaining, "the messages ran out before the end of the run: the fill must be larger"
    return sent


def count_missing(hub: Hub, fastest: float, seconds: float) -> int:
    """Return how many messages must be added so that a run cannot run out."""
    return max(1, round(fastest * (seconds + 4)) - hub.count("messages WHERE status = 'queued'"))


def measure_sending(
    crew: Crew,
    provider: Provider,
    senders: list[Started],
    seconds: float,
    in_flight: int,
    warm: int = WARM,
) -> Sent:
    """Count what the provider receives after warming up, and the resources that the senders use."""
    provider.wait_until(
        provider.counts(reset=True).answered + warm * in_flight, senders[0], seconds=90
    )
    before = provider.counts(reset=True)
    used = sum(running.cpu_seconds(sender.pid) for sender in senders)
    memory = 0.0
    end = time.monotonic() + seconds
    while (remaining := end - time.monotonic()) > 0:
        time.sleep(min(remaining, 1.0))
        memory = max(
            memory, sum(running.pss_megabytes(sender.pid, alone=True) for sender in senders)
        )
    after = provider.counts()
    used = sum(running.cpu_seconds(sender.pid) for sender in senders) - used
    answered = after.answered - before.answered
    assert answered, f"nothing was sent for {seconds:g} s:\n{senders[0].words()}"
    return Sent(
        answered / (after.at - before.at), used / answered * 1000, memory, after.most_flying
    )


def check_counts(hub: Hub, provider: Provider, others: int = 0) -> None:
    """Compare what the provider received, except from other sources, with what is recorded
    once all workers have ended.
    """
    received = provider.counts().received - others
    accepted = hub.count("attempts WHERE outcome = 'accepted'")
    several = hub.count("messages WHERE tries > 1")
    assert received == accepted, (
        f"the provider received {received} messages, and {accepted} are recorded as accepted"
    )
    assert not several, f"{several} messages were tried more than once"
