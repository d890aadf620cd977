"""Webhooks per second of the worker that notifies apps, against the ideal of its threads.

The app's stand-in answers each webhook after 100 ms. Four endpoints with 16 calls each are 64 in
flight, so 640 a second are the ideal. Each event is about a separate message, and goes to one
endpoint. `hub worker notify` is started, and once it is warm the answers are counted for some
seconds. At the end what the app received is compared with the recorded attempts.
"""

from __future__ import annotations

from benchmarks.events import TYPES
from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.sending import LATENCY, THREADS, Sent, measure_sending
from benchmarks.table import Row, at_least, at_most, figure_row, share_row, unmeasured_row

WHAT = "webhooks per second at 64 in flight, app takes 100 ms"
GOAL = at_least(0.85)
MEMORY = "memory (PSS) of the notifying worker and its child at 64 in flight"
MOST_MEMORY = at_most(120, "MB")
IDEAL = THREADS / LATENCY


def run(plan: Plan) -> list[Row]:
    """Measure at 64 in flight over four endpoints."""
    runs: list[Sent] = []
    with plan.crew("notifying") as crew:
        app = Provider(crew)
        hub = Hub(crew, app.url)
        hub.start_queue()
        for _ in plan.each_run("notifying"):
            count = max(1, round(IDEAL * (plan.seconds + 4)) - count_waiting(hub))
            hub.fill("accepted", count)
            hub.run_module("benchmarks.events", url=f"{app.url}/hooks/Messages.json")
            helpers = [hub.start_worker("notify"), hub.start_cron()]
            runs.append(measure_sending(crew, app, helpers[:1], plan.seconds, THREADS))
            left = count_waiting(hub)
            for helper in helpers:
                crew.stop(helper)
            assert left, "the events ran out before the end of the run: the fill must be larger"
        check_attempts(hub, app)
    note = (
        f"{len(TYPES)} endpoints. Most in flight: {max(run.most_flying for run in runs)}."
        f" {min(run.cpu for run in runs):.2f} ms of processor time for each webhook."
    )
    rates = [run.rate for run in runs]
    return [
        share_row(WHAT, f"the ideal of {IDEAL:,.0f}", GOAL, rates, IDEAL, "/s", note),
        figure_row(MEMORY, "", MOST_MEMORY, [run.memory for run in runs]),
    ]


def unmeasured_rows(reason: str) -> list[Row]:
    return [
        unmeasured_row(WHAT, f"the ideal of {IDEAL:,.0f}", GOAL, reason),
        unmeasured_row(MEMORY, "", MOST_MEMORY, reason),
    ]


def count_waiting(hub: Hub) -> int:
    """Return the number of events that wait for their first attempt."""
    return hub.count("webhook_deliveries WHERE state = 'pending' AND attempts = 0")


def check_attempts(hub: Hub, app: Provider) -> None:
    """Compare what the app received with the attempts that were begun."""
    received = app.counts().received
    begun = hub.count("webhook_deliveries WHERE attempts > 0")
    several = hub.count("webhook_deliveries WHERE attempts > 1")
    assert received == begun + several, f"the app received {received} webhooks of {begun} events"
