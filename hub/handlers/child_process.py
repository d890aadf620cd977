"""Start the process of a file of handlers, ask it to run one, and stop it at its limits."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from hub.core.config import SETTINGS
from hub.handlers.sources import HandlerSource
from hub.lib.text import one_line

LOAD_SECONDS = 30  # that a file may take to load
WATCH = 0.05  # seconds between checks of the memory
WATCH_DESCENDANTS = 1.0  # seconds between checks of programs that a handler started
EXTRA = 1.0  # seconds in which the process itself reports where it is
MAX_RESPONSE = 1024 * 1024  # bytes
MAX_LINES = 30
MEGABYTE = 1024**2
# a new interpreter that finds the hub's own package, wherever the worker was started
PROGRAM = "import sys; sys.path[0] = sys.argv[1]; from hub.handlers.child import main; main()"
ROOT = str(Path(__file__).resolve().parents[2])
HIDDEN = {"HUB_DATABASE_URL", "HUB_REDIS_URL", *(s.name for s in SETTINGS if s.secret)}


@dataclass(frozen=True)
class Limits:
    """The limits of one call."""

    seconds: int
    memory: int  # bytes


@dataclass(frozen=True)
class Failure:
    """The reason why a file was not loaded, or why a handler did not return.

    `lines`: where in the code. `is_stopped`: the process was ended or ended itself.
    """

    problem: str  # the type of the error, or a sentence
    message: str = ""
    lines: tuple[str, ...] = ()
    is_stopped: bool = False


@dataclass(frozen=True)
class Response:
    """The response of the process."""

    milliseconds: int
    failure: Failure | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class HandlerProcess:
    """The process of one file or package. One thread uses it at a time; any may stop it."""

    def __init__(
        self, source: HandlerSource, limits: Limits, *, output: int = subprocess.DEVNULL
    ) -> None:
        """Start the process. `output`: the file descriptor for what handlers print."""
        self._source = source
        self._limits = limits
        self._is_stopped = False
        self._hang_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        try:
            self._process = self._start(output)
        except BaseException:
            self._hang_file.close()
            raise

    def _start(self, output: int) -> subprocess.Popen[bytes]:
        number = self._hang_file.fileno()
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, ROOT, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=_environment(),
            pass_fds=(number,),
            start_new_session=True,  # so that programs which a handler starts end with it
        )

    def load(self, event_types: Iterable[str]) -> Response:
        """Load the file. The response has the `handlers`."""
        request = {
            "source": asdict(self._source),
            "types": sorted(event_types),
            "memory": self._limits.memory,
        }
        return self._exchange(request, LOAD_SECONDS)

    def run(self, handler: str, payload: Mapping[str, Any], attempt: int) -> Response:
        """Run a handler with an event."""
        request = {"handler": handler, "payload": payload, "attempt": attempt}
        response = self._exchange(request, self._limits.seconds)
        if response.data.get("missing"):
            reason = f"{self._source.name} no longer contains this handler."
            return Response(response.milliseconds, Failure(reason))
        return response

    def stop(self) -> None:
        """End the process and every program that it started."""
        if self._is_stopped:
            return
        self._is_stopped = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._hang_file):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _exchange(self, request: dict[str, Any], seconds: int) -> Response:
        started = time.monotonic()
        line = json.dumps({**request, "seconds": seconds}) + "\n"
        failure = None
        data: dict[str, Any] = {}
        try:
            self._process.stdin.write(line.encode())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
            reply = self._read_line(started + seconds + EXTRA, seconds)
        except (OSError, ValueError):
            reply = self._ended()
        if isinstance(reply, Failure):
            failure = reply
        else:
            data = reply
            if error := data.get("error"):
                lines = tuple(map(str, error["lines"]))
                failure = Failure(str(error["type"]), str(error["message"]), lines)
        return Response(round((time.monotonic() - started) * 1000), failure, data)

    def _read_line(self, deadline: float, seconds: int) -> dict[str, Any] | Failure:
        """Return the response, or the reason why the process was ended."""
        stream = self._process.stdout.fileno()  # type: ignore[union-attr]
        read = b""
        descendants_at = time.monotonic() + WATCH_DESCENDANTS
        while not read.endswith(b"\n"):
            if select.select([stream], [], [], WATCH)[0]:
                chunk = os.read(stream, 65536)
                read += chunk
                if not chunk or len(read) > MAX_RESPONSE:
                    return self._ended()
                continue
            if time.monotonic() >= deadline:
                return self._stopped(f"Stopped after {seconds} seconds.")
            with_descendants = time.monotonic() >= descendants_at
            if with_descendants:
                descendants_at = time.monotonic() + WATCH_DESCENDANTS
            if _memory(self._process.pid, with_descendants) > self._limits.memory:
                most = self._limits.memory // MEGABYTE
                return self._stopped(f"Stopped because it used more than {most} MB of memory.")
            if self._process.poll() is not None:
                return self._ended()
        response: dict[str, Any] = _printable(json.loads(read))
        return response

    def _stopped(self, problem: str) -> Failure:
        """End the process, which reported where it was if it used up its time."""
        lines = self._read_position()
        self.stop()
        return Failure(problem, lines=lines, is_stopped=True)

    def _ended(self) -> Failure:
        """Return how the process ended without being stopped."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXTRA)
        status = self._process.poll()
        self.stop()
        if status is None:
            problem = "Its process closed the connection to Signpost."
        elif status < 0:
            problem = f"Its process was ended by signal {-status}."
        else:
            problem = f"Its process ended with status {status}."
        return Failure(problem, is_stopped=True)

    def _read_position(self) -> tuple[str, ...]:
        """Return the lines in which the handler was, from the last report of the process."""
        with suppress(OSError, ValueError):
            self._hang_file.seek(0)
            report = self._hang_file.read().decode(errors="replace").rpartition("Timeout (")[2]
            for thread in report.split("\n\n"):
                lines = [line.strip() for line in thread.splitlines() if "File " in line]
                own = [number for number, line in enumerate(lines) if _is_own(line)]
                if own:  # the main thread; its newest call comes first
                    return tuple(_position(line) for line in reversed(lines[: own[0]]))[-MAX_LINES:]
        return ()


def _is_own(line: str) -> bool:
    return f"{os.sep}handlers{os.sep}child.py" in line and ROOT in line


def _position(line: str) -> str:
    """Return `File "x.py", line 3 in f` in the form of other errors."""
    name, _, rest = line.removeprefix('File "').partition('", line ')
    number, _, function = rest.partition(" in ")
    return f"{name}, line {number}, in {function}"


def _memory(pid: int, with_descendants: bool) -> int:
    """Return the memory of a process, and of the programs that it started."""
    try:
        process = psutil.Process(pid)
        total = int(process.memory_info().rss)
        if with_descendants:
            for child in process.children(recursive=True):
                with suppress(psutil.Error):
                    total += int(child.memory_info().rss)
    except psutil.Error:
        return 0
    return total


def _printable(value: Any) -> Any:
    """Return the texts of a response without characters that databases or terminals refuse."""
    if isinstance(value, dict):
        return {name: _printable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return one_line(value) if isinstance(value, str) else value


def _environment() -> dict[str, str]:
    """Return the environment without the hub's own keys and database."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in HIDDEN
    }
