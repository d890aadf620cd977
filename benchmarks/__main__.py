"""Measure, and print the table and missed goals: `python -m benchmarks [--quick] [SCENARIO…]`.

A run of everything writes benchmarks/RESULTS.md. The exit code is 0 when every line reaches its
goal. BENCH_RUNS and BENCH_SECONDS say how often and for how long each line is measured. `python -m
benchmarks profile receiving|accepting|sending` shows where the time goes, and `trace
accepting|receiving` the files that one request passes through.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from benchmarks import (
    accepting,
    beside,
    emailing,
    evidence,
    growth,
    idle,
    latency,
    machine,
    notifying,
    profiling,
    receiving,
    results,
    sending,
    table,
    tracing,
    workers,
)
from benchmarks.plan import Plan
from benchmarks.running import ROOT, Unmeasured
from benchmarks.table import Row

RUNS = 3
SECONDS = 6.0
FEWEST_RUNS = 3  # for figures worth keeping
Scenario = tuple[ModuleType, Callable[[Plan], list[Row]], Callable[[str], list[Row]]]

SCENARIOS: dict[str, Scenario] = {
    "receiving": (
        receiving,
        partial(receiving.run, database="SQLite"),
        partial(receiving.unmeasured_rows, database="SQLite"),
    ),
    "receiving-postgres": (
        receiving,
        partial(receiving.run, database="PostgreSQL"),
        partial(receiving.unmeasured_rows, database="PostgreSQL"),
    ),
    "latency": (latency, latency.run, latency.unmeasured_rows),
    "sending": (
        sending,
        partial(sending.run, in_flight=64),
        partial(sending.unmeasured_rows, in_flight=64),
    ),
    "sending-256": (
        sending,
        partial(sending.run, in_flight=256),
        partial(sending.unmeasured_rows, in_flight=256),
    ),
    "emailing": (emailing, emailing.run, emailing.unmeasured_rows),
    "notifying": (notifying, notifying.run, notifying.unmeasured_rows),
    "beside": (beside, beside.run, beside.unmeasured_rows),
    "beside-256": (beside, beside.run_256, beside.unmeasured_rows_256),
    "accepting": (accepting, accepting.run, accepting.unmeasured_rows),
    "evidence": (evidence, evidence.run, evidence.unmeasured_rows),
    "idle": (idle, idle.run, idle.unmeasured_rows),
    "growth": (growth, growth.run, growth.unmeasured_rows),
    "workers": (workers, workers.run, workers.unmeasured_rows),
}


def main() -> int:
    arguments = _parse_arguments()
    if arguments.names[:1] == ["profile"]:
        return profiling.main(arguments.names[1:], single_steps=arguments.single_steps)
    if arguments.names[:1] == ["trace"]:
        return tracing.main(arguments.names[1:])
    names = arguments.names or list(SCENARIOS)
    if unknown := [name for name in names if name not in SCENARIOS]:
        print(
            f"There is no scenario {unknown[0]!r}. There are: {', '.join(SCENARIOS)}.",
            file=sys.stderr,
        )
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that started processes are ended
    os.chdir(ROOT)
    machine.use_two_cores()
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    plan = Plan(folder, arguments.runs, arguments.seconds, arguments.quick, arguments.single_steps)
    began = time.monotonic()
    facts = machine.describe_machine(folder)
    try:
        rows = [row for name in names for row in _measure(plan, name)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - began
    print("\n".join(["", *facts, "", table.format_text(rows), ""]))
    is_usual = not arguments.quick and not arguments.single_steps
    if names == list(SCENARIOS) and arguments.runs >= FEWEST_RUNS and is_usual:
        path = results.write_page(rows, facts, plan, [SCENARIOS[name][0] for name in names], took)
        print(f"Kept in {path.relative_to(ROOT)}.")
    else:
        print(
            f"Not kept: only a run of everything, {FEWEST_RUNS} times or more, is written to"
            f" {results.FILE.relative_to(ROOT)}."
        )
    return _print_verdict(rows, took)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the hub beside what people would use instead.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="SCENARIO",
        help=f"{', '.join(SCENARIOS)}; default: all. Or: profile PATH, trace PATH",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one short run of each, to see that it works; its figures are noise",
    )
    parser.add_argument(
        "--single-steps",
        action="store_true",
        help="accept events with routes of one step, as version 0.2.0 had, instead of the installed"
        " routes",
    )
    arguments = parser.parse_args()
    arguments.runs = 1 if arguments.quick else int(os.environ.get("BENCH_RUNS", RUNS))
    arguments.seconds = 2.0 if arguments.quick else float(os.environ.get("BENCH_SECONDS", SECONDS))
    if arguments.runs < 1 or arguments.seconds < 1:
        parser.error("BENCH_RUNS and BENCH_SECONDS must be 1 or more")
    return arguments


def _measure(plan: Plan, name: str) -> list[Row]:
    """Run a scenario, or return rows with the reason why it cannot be measured."""
    _, run, unmeasured = SCENARIOS[name]
    began = time.monotonic()
    plan.say(name)
    try:
        rows = run(plan)
    except Unmeasured as problem:
        rows = unmeasured(str(problem))
    except Exception as problem:  # the other scenarios are still measured
        reason = str(problem).strip() or type(problem).__name__
        plan.say(f"  {name} failed: {reason}")
        rows = unmeasured(reason.splitlines()[0].rstrip(":"))
    plan.say(f"  {name} took {time.monotonic() - began:.0f} s")
    return rows


def _print_verdict(rows: list[Row], took: float) -> int:
    short = [row for row in rows if not row.is_met]
    print(
        f"{len(rows) - len(short)} of {len(rows)} lines reach their goal, measured in {took:.0f} s."
    )
    for row in short:
        comparison = f" against {row.against}" if row.against else ""
        print(
            f"  falls short: {row.what}{comparison}: {row.cells[3]}, wanted {row.goal}"
            if row.figure is not None
            else f"  {row.measured}: {row.what}{comparison}"
        )
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
