"""Run many faults: each in a separate process, several at once, of which one at a time posts.

A fault takes half a minute. Then leases expire and lookups follow for a minute or two.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from tests.chaos.faults import FAULTS
from tests.chaos.report import Line
from tests.chaos.scenario import Plan, run

AT_ONCE = 4
_turn: Any = None


def run_all(names: Iterable[str], plan: Plan, at_once: int = AT_ONCE) -> Iterator[Line]:
    """Run faults by name, and yield the line of each when it is complete."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        at_once, context, initializer=_begin, initargs=(context.Lock(),)
    ) as pool:
        for future in as_completed([pool.submit(_run_one, name, plan) for name in names]):
            yield future.result()


def _begin(turn: Any) -> None:
    global _turn
    _turn = turn


def _run_one(name: str, plan: Plan) -> Line:
    return run(FAULTS[name], plan, _turn)
