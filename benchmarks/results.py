"""Write RESULTS.md: the table of the last complete run, with machine, versions and method."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from benchmarks import table
from benchmarks.plan import Plan
from benchmarks.running import ROOT
from benchmarks.table import Row

FILE = ROOT / "benchmarks" / "RESULTS.md"
METHOD = """\
Everything ran side by side on the same two cores: the hub, its database and queue, what it is
compared with, the load and the stand-in for the provider. All of it talks over loopback; the
provider's stand-in speaks plain HTTP, so TLS is not in the figures. Ratios compare the medians of
runs that took turns. Figures of another machine differ; the ratios should not, except those that
wait for the disk.
"""


def write_page(
    rows: Sequence[Row],
    machine: Iterable[str],
    plan: Plan,
    scenarios: Iterable[ModuleType],
    took: float,
    path: Path = FILE,
) -> Path:
    """Write the page; each scenario's own docstring says how it measures."""
    short = [row for row in rows if not row.is_met]
    verdict = (
        "Everything reaches its goal."
        if not short
        else f"{len(short)} of {len(rows)} lines fall short or were not measured."
    )
    ended = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    began = (
        f"{ended}, `make bench`: {plan.runs} runs of {plan.seconds:g} s each, {took / 60:.0f}"
        " minutes in all."
    )
    methods = []
    for module in dict.fromkeys(scenarios):
        methods.append(
            f"### {module.__name__.rpartition('.')[2].capitalize()}\n\n{inspect.getdoc(module)}"
        )
    parts = [
        "# Results",
        f"{began} {verdict}",
        *machine,
        table.format_markdown(rows),
        "Figures are medians; in brackets, from the lowest run to the highest.",
        "## Method",
        METHOD.strip(),
        *methods,
    ]
    path.write_text("\n\n".join(parts) + "\n")
    return path
