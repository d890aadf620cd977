"""As much load as a server takes: wrk, with requests from a file.

A gthread server's processes accept from one socket, and kept-alive connections stay where they were
accepted: when one process got them all, the rate is half of what the server can do. So several wrks
start a moment apart, each while the process that took the last one's connections is busy; who holds
how many is looked at in each run, and an unbalanced run is done again.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import running
from benchmarks.running import ROOT, Started, Unmeasured

PROGRAMS = 4
CLIENTS = 8  # connections of each
APART = 0.25  # seconds
UNEVEN = 0.7  # of all connections at one process of two
TRIES = 6


@dataclass(frozen=True)
class Load:
    """The result of a load run: responses a second, and the p95 of their milliseconds.

    `share` is the part of the connections that the busiest process held.
    """

    requests: float
    rate: float
    p95: float
    share: float


def find_wrk() -> str:
    """Return wrk. Raises Unmeasured with how to get it."""
    path = shutil.which("wrk")
    if path is None:
        raise Unmeasured(
            "wrk is not installed (Debian: apt-get install wrk; macOS: brew install wrk)"
        )
    return path


def send_load(server: Started, port: int, write: Callable[[], Path], seconds: float) -> Load:
    """Send as fast as the server answers; every answer must be a 2xx.

    `write` makes the file, with new requests for each attempt.
    """
    for _ in range(TRIES):
        load = _run_wrk(server, port, write(), seconds)
        if load.share <= UNEVEN:
            return load
        time.sleep(0.5)
    raise AssertionError(
        f"one process of {server.name} got {load.share:.0%} of the connections, {TRIES} times in"
        " a row"
    )


def _run_wrk(server: Started, port: int, requests: Path, seconds: float) -> Load:
    arguments = [
        find_wrk(),
        "-t1",
        f"-c{CLIENTS}",
        f"-d{round(seconds)}s",
        "--timeout",
        "10s",
        "-s",
        str(ROOT / "benchmarks/load.lua"),
        f"http://127.0.0.1:{port}/",
        str(requests),
    ]
    with ExitStack() as stack:
        wrks = []
        for number in range(PROGRAMS):
            own_arguments = [*arguments, str(number), str(PROGRAMS)]
            wrks.append(
                stack.enter_context(
                    subprocess.Popen(
                        own_arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                    )
                )
            )
            stack.callback(wrks[-1].kill)
            time.sleep(APART)
        time.sleep(0.5)
        counts = running.count_connections(server.pid, port)
        results = [_parse_result(wrk.communicate(timeout=seconds + 30)[0], server) for wrk in wrks]
    return Load(
        requests=sum(result["requests"] for result in results),
        rate=sum(result["requests"] / result["seconds"] for result in results),
        p95=max(result["p95"] for result in results),
        share=max(counts.values()) / max(1, sum(counts.values())),
    )


def _parse_result(output: str, server: Started) -> dict[str, float]:
    match = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    assert match, f"wrk said:\n{output}"
    result: dict[str, float] = json.loads(match[1])
    assert result["errors"] + result["refused"] == 0, (
        f"{server.name} answered with errors: {match[1]}\n{server.words()}"
    )
    return result
