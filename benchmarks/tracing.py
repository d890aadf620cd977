"""Trace one piece of work through the code: `python -m benchmarks trace accepting|receiving`.

A newcomer who follows the work through the code opens these files and makes these moves: a move is
a call from a function in one file of `hub/` to a function in another. The first pieces of work fill
caches and are not counted.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.profiling import create_requests_work, run_in_hub
from benchmarks.running import ROOT

HUB = f"{ROOT / 'hub'}/"
REQUESTS = 20


def main(arguments: list[str]) -> int:
    """Prepare a hub and trace one of its requests in a process with its settings."""
    if len(arguments) != 1 or arguments[0] not in ("accepting", "receiving"):
        print("Enter what to trace: accepting or receiving.", file=sys.stderr)
        return 2
    return run_in_hub("benchmarks.tracing", arguments[0], REQUESTS)


class Tracer:
    """Counts calls between files of `hub/` in all threads that start after it."""

    def __init__(self) -> None:
        self.functions: dict[str, Counter[str]] = {}  # by file, in the order of the first call
        self.moves: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(HUB):
            return
        functions = self.functions.setdefault(file, Counter())
        functions[frame.f_code.co_qualname] += 1
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(HUB):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != file:
            self.moves[caller.f_code.co_filename, file] += 1

    def report(self) -> str:
        """Return a line for each file, in the order of the first call, and the sums."""
        lines = [
            f"{relative_path(file):<44} {len(functions):>3} functions,"
            f" {sum(functions.values()):>4} calls"
            for file, functions in self.functions.items()
        ]
        moves = self.moves.total()
        return "\n".join([*lines, "", f"{len(self.functions)} files, {moves} moves between them."])


def relative_path(file: str) -> str:
    """Return the path of a file below `hub/`."""
    return str(Path(file).relative_to(HUB))


def print_trace(path: str, count: int, file: str) -> None:
    """Trace the last of `count` requests; the ones before it fill caches."""
    work = create_requests_work(Path(file), 1)
    for _ in range(count - 1):
        work()
    tracer = Tracer()
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    work()
    sys.setprofile(None)
    print(f"{path}: one request\n\n{tracer.report()}")


if __name__ == "__main__":
    print_trace(**json.loads(sys.argv[1]))
