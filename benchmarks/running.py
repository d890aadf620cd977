"""Processes of a run: started with their output in a file, watched, ended by process id."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

ROOT = Path(__file__).resolve().parent.parent
ENDS_WITHIN = 8.0
PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None  # loaded before any fork


class Unmeasured(Exception):
    """Something that cannot be measured on this machine; the text explains why."""


@dataclass(eq=False)
class Started:
    """A process and its output file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    family: set[psutil.Process] = field(default_factory=set)

    @property
    def pid(self) -> int:
        return self.process.pid

    def words(self, lines: int = 15) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Crew:
    """A group of processes, all of which are ended at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[Started] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for started in reversed(self.running.copy()):
            self.stop(started)

    def start(
        self, name: str, argv: Sequence[str], environ: Mapping[str, str] | None = None
    ) -> Started:
        log = self.folder / f"{len(list(self.folder.glob('*.log'))):03}-{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                list(argv),
                cwd=ROOT,
                env=clean_environ(environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        started = Started(name, process, log)
        self.running.append(started)
        return started

    def stop(self, started: Started) -> None:
        """Ask a process to end, and kill its remaining children."""
        if started in self.running:
            self.running.remove(started)
        family = {process for process in started.family if process.is_running()} | set(
            process_family(started.pid)
        )
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.process.wait(ENDS_WITHIN)
        for process in family:
            with contextlib.suppress(psutil.Error):
                # psutil makes sure that no other process has taken the number meanwhile
                process.kill()
        started.process.wait()

    def wait_for(
        self,
        condition: Callable[[], object],
        condition_text: str,
        *,
        of: Started,
        seconds: float = 60,
    ) -> None:
        """Wait until a condition is true.

        Raises AssertionError with the last output of the process that should make it true.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            code = of.process.poll()
            assert code is None, f"{of.name} ended ({code}) before {condition_text}:\n{of.words()}"
            assert time.monotonic() < deadline, (
                f"{condition_text} did not happen within {seconds:.0f} s:\n{of.words()}"
            )
            time.sleep(0.02)


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without settings of a hub, with these added."""
    kept_environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "TWILIO_"))
    }
    return {**kept_environ, "PYTHONUNBUFFERED": "1", **environ}


def _end_with_parent() -> None:
    if _prctl:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a module."""
    return [sys.executable, "-m", module, *arguments]


def script_path(name: str) -> str:
    """Return the path of a program in our virtual environment."""
    return str(Path(sys.executable).parent / name)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    """Return whether a port of this machine accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ── Processor time and memory ─────────────────────────────────────────────────────────────────────
def process_family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, including those that ended."""
    total = 0.0
    for process in process_family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def pss_megabytes(pid: int, *, alone: bool = False) -> float:
    """Return the memory of a process and its descendants, with shared memory counted once."""
    total = 0
    for process in process_family(pid):
        if alone and process.pid == pid:
            continue
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def count_connections(pid: int, port: int) -> dict[int, int]:
    """Return how many clients each process of a server holds on a port."""
    counts = {}
    for process in process_family(pid):
        with contextlib.suppress(psutil.Error):
            sockets = process.net_connections("tcp")
            counts[process.pid] = sum(
                c.status == psutil.CONN_ESTABLISHED and bool(c.laddr) and c.laddr.port == port
                for c in sockets
            )
    return counts
