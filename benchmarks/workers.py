"""Two workers on PostgreSQL against one, where one has all of its threads in use.

One `hub worker deliver` has 64 messages in flight, and with a provider that takes 100 ms sends 640
a second at best, whatever waits: then a second one is started beside it. (Where one worker is at
the end of its processor instead, two cores leave a second one nothing to gain, since the database
and the provider's stand-in need theirs.) Measured in turn, on one server and one backlog.
"""

from __future__ import annotations

from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.sending import LATENCY, THREADS, check_counts, measure_new_workers
from benchmarks.table import Row, at_least, ratio_row, unmeasured_row

WHAT = "two workers on PostgreSQL"
AGAINST = "one"
GOAL = at_least(1.7)


def run(plan: Plan) -> list[Row]:
    one = []
    two = []
    with plan.crew("workers") as crew:
        provider = Provider(crew)
        with plan.hub_on("PostgreSQL", crew, provider.url) as hub:
            hub.start_queue()
            for _ in plan.each_run("one worker and two, PostgreSQL"):
                one.append(
                    measure_new_workers(crew, hub, provider, plan.seconds, 1, THREADS / LATENCY)
                )
                two.append(
                    measure_new_workers(crew, hub, provider, plan.seconds, 2, 2 * THREADS / LATENCY)
                )
            check_counts(hub, provider)
    return [ratio_row(WHAT, AGAINST, GOAL, [r.rate for r in two], [r.rate for r in one], "/s")]


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(WHAT, AGAINST, GOAL, reason)]
