"""Run several programs in one terminal: start, watch, restart and stop them together.

Each child has its own session, so that Ctrl-C reaches only the supervisor. It stops the children in
order, and those that others need (the queue server) last. A child that dies is restarted after an
increasing pause. If a child keeps dying before all are ready, everything stops. Later it is
restarted without end, because its cause may pass. A single thread does everything, so that no fork
happens while another thread holds a lock.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, TextIO

import psutil

from hub.core.errors import HubError
from hub.run import processes
from hub.run.processes import Work
from hub.run.terminal import BLUE, BOLD, CYAN, DIM, GREEN, MAGENTA, RED, YELLOW, paint

MAX_DEATHS_BEFORE_READY = 5
DEATH_WINDOW = 30.0
FIRST_PAUSE = 0.25  # doubled with each death in that time; five deaths take about four seconds
MAX_PAUSE = 10.0
STOP_NEEDED_AFTER = 2.5  # then needed children are stopped even if others still run
KILL_AFTER = 3.5
GIVE_UP_AFTER = 4.8
SIGNAL_INTERVAL = 0.5  # seconds; closer signals count as one
LAST_LINES = 20  # of a quiet child, printed when it dies
MAX_LINE_SIZE = 64 * 1024
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLORS = (CYAN, GREEN, MAGENTA, YELLOW, BLUE)


class NotReady(HubError):
    """Some children run, but do not become ready."""


@dataclass(frozen=True)
class Child:
    """A program to keep running: a command line or a function.

    `needed` children start before the others and stop after them. The output of `quiet` children is
    printed only when they die.
    """

    name: str
    work: Sequence[str] | Work
    ready: Callable[[], bool] | None = None
    needed: bool = False
    quiet: bool = False


@dataclass(eq=False)
class _ChildState:
    """A child with its process and its recent deaths."""

    child: Child
    color: str
    pid: int | None = None
    start_at: float | None = 0.0
    deaths: deque[float] = field(default_factory=deque)
    ready: bool = False
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


@dataclass(eq=False)
class _Pipe:
    """The unfinished line of a child's output. Descendants may keep writing after the child
    ended.
    """

    state: _ChildState
    stream: IO[bytes]
    pending: bytes = b""


def run(
    children: Sequence[Child],
    on_ready: Callable[[], None] = lambda: None,
    *,
    ready_within: float = 60.0,
    out: TextIO | None = None,
) -> int:
    """Keep the children running until a signal asks to stop, and return the exit code.

    The code is 1 if they never became ready. `on_ready` is called once, when every child with a
    check is ready. Raises NotReady if that takes more than `ready_within` seconds. No process is
    left behind.
    """
    return _Supervisor(children, on_ready, ready_within, out or sys.stdout).run()


class _Supervisor:
    def __init__(
        self,
        children: Sequence[Child],
        on_ready: Callable[[], None],
        ready_within: float,
        out: TextIO,
    ) -> None:
        self._states = [
            _ChildState(child, COLORS[i % len(COLORS)]) for i, child in enumerate(children)
        ]
        self._on_ready = on_ready
        self._ready_within = ready_within
        self._is_ready = False
        self._out: TextIO | None = out
        self._width = max(len(child.name) for child in children)
        self._stop_requests = 0  # number of signals
        self._stop_requested_at = float("-inf")
        # children of the shell that this process replaced
        self._unrelated = set(psutil.Process().children())
        self._known_descendants: set[psutil.Process] = set()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()

    def run(self) -> int:
        processes.adopt_orphans()
        former_handlers = self._install_signal_handlers()
        try:
            return self._watch()
        finally:
            self._stop()
            self._restore_signals(former_handlers)

    def _watch(self) -> int:
        started_at = time.monotonic()
        while not self._stop_requests:
            self._start_due()
            self._wait_for_output(0.05 if not self._is_ready else 0.5)
            if failed := self._handle_deaths():
                death_count_text = (
                    f"{MAX_DEATHS_BEFORE_READY} times within {DEATH_WINDOW:.0f} seconds"
                )
                self._print_line(
                    None,
                    f"{failed.child.name} ended {death_count_text} before Signpost was ready, so"
                    " Signpost stops. Fix the error above and start again.",
                    RED,
                )
                return 1
            if not self._is_ready and not self._stop_requests:
                self._check_ready(started_at)
        return 0

    # -- starting and restarting

    def _start_due(self) -> None:
        needed_are_ready = all(
            state.ready or not state.child.ready for state in self._states if state.child.needed
        )
        for state in self._states:
            is_due = state.start_at is not None and state.start_at <= time.monotonic()
            if is_due and (state.child.needed or needed_are_ready or self._is_ready):
                self._start(state)

    def _start(self, state: _ChildState) -> None:
        work = state.child.work
        pipes = [
            key.data.stream
            for key in self._selector.get_map().values()
            if isinstance(key.data, _Pipe)
        ]
        started = processes.start(
            state.child.name,
            work if callable(work) else processes.program(work),
            [self._selector, self._wake_reader, self._wake_writer, *pipes],
        )
        state.pid = started.pid
        state.start_at = None
        self._selector.register(started.output, selectors.EVENT_READ, _Pipe(state, started.output))

    def _handle_deaths(self) -> _ChildState | None:
        """Reap ended children and plan restarts; return a child that died too often before all were
        ready.
        """
        states_by_pid = {state.pid: state for state in self._states if state.pid}
        for pid, code in processes.reap_children():
            if state := states_by_pid.get(pid):
                self._wait_for_output(0)  # print its last output before the message about its death
                state.pid = None
                state.ready = False
                # its own children, such as a server's workers, would block the restart
                processes.terminate_group(pid)
                if not self._plan_restart(state, code):
                    return state
        return None

    def _plan_restart(self, state: _ChildState, code: int) -> bool:
        """Plan the restart of a child that died.

        Return False if it died too often before all children were ready.
        """
        now = time.monotonic()
        state.deaths.append(now)
        while now - state.deaths[0] > DEATH_WINDOW:
            state.deaths.popleft()
        for line in state.last_lines:
            self._print_line(state, line)
        state.last_lines.clear()
        if len(state.deaths) >= MAX_DEATHS_BEFORE_READY and not self._is_ready:
            self._print_line(
                None, f"{state.child.name} ended: {processes.describe_exit(code)}.", RED
            )
            return False
        pause = min(FIRST_PAUSE * 2.0 ** (len(state.deaths) - 1), MAX_PAUSE)
        state.start_at = now + pause
        self._print_line(
            None,
            f"{state.child.name} ended: {processes.describe_exit(code)}."
            f" Restarting in {pause:g} s.",
            YELLOW,
        )
        return True

    def _check_ready(self, started_at: float) -> None:
        for state in self._states:
            if state.pid and not state.ready:
                state.ready = state.child.ready is None or state.child.ready()
        waiting_names = [state.child.name for state in self._states if not state.ready]
        if not waiting_names:
            self._is_ready = True
            self._on_ready()
        elif time.monotonic() - started_at > self._ready_within:
            raise NotReady(
                f"Not ready after {self._ready_within:.0f} seconds: {', '.join(waiting_names)}."
                " Read their output above, or set HUB_LOG_LEVEL=DEBUG for more."
            )

    # -- what children print

    def _wait_for_output(self, seconds: float) -> None:
        """Wait at most `seconds` for output or a signal, and forward the output."""
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, _Pipe):
                self._forward_output(key)
            else:
                self._wake_reader.recv(4096)

    def _forward_output(self, key: selectors.SelectorKey) -> None:
        pipe: _Pipe = key.data
        try:
            data = os.read(key.fd, MAX_LINE_SIZE)
        except BlockingIOError:
            return
        *lines, pipe.pending = (pipe.pending + data).split(b"\n")
        if not data or len(pipe.pending) > MAX_LINE_SIZE:
            lines = [*lines, *([pipe.pending] if pipe.pending else [])]
            pipe.pending = b""
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            if pipe.state.child.quiet:
                pipe.state.last_lines.append(text)
            else:
                self._print_line(pipe.state, text)
        if not data:
            self._selector.unregister(pipe.stream)
            pipe.stream.close()

    def _print_line(self, state: _ChildState | None, line: str, color: str = "") -> None:
        if self._out is None:
            return
        name = state.child.name if state else "hub"
        prefix = paint(f"{name:<{self._width}}", state.color if state else BOLD, self._out)
        try:
            text = paint(line, color, self._out) if color else line
            self._out.write(f"{prefix} {paint('│', DIM, self._out)} {text}\n")
            self._out.flush()
        except (OSError, ValueError):
            self._out = None  # the terminal is closed; the supervisor continues without output

    # -- stopping

    def _stop(self) -> None:
        """Stop all children: first the others, then the needed, and kill all processes that
        remain.
        """
        started_at = time.monotonic()
        if self._stop_requests:
            self._print_line(None, "Stopping.")
        for state in self._states:
            state.start_at = None
        self._terminate(needed=False)
        needed_terminated = False
        # a list of processes may be incomplete, so the system is asked whether any child is left
        while (remaining := self._find_remaining()) or not (
            self._unrelated or processes.has_no_child()
        ):
            elapsed = time.monotonic() - started_at
            needed_pids = {state.pid for state in self._states if state.child.needed}
            if not needed_terminated and (
                elapsed > STOP_NEEDED_AFTER
                or all(process.pid in needed_pids for process in remaining)
            ):
                self._terminate(needed=True)
                needed_terminated = True
            if elapsed > KILL_AFTER or self._stop_requests > 1:  # after a second Ctrl-C at once
                processes.kill(remaining)
            if elapsed > GIVE_UP_AFTER:
                self._print_line(
                    None,
                    "These processes did not end:"
                    f" {', '.join(str(process.pid) for process in remaining)}.",
                    RED,
                )
                break
            self._wait_for_output(0.05)
        for _ in processes.reap_children():
            pass  # otherwise the last child could stay as a zombie
        self._wait_for_output(0)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Pipe):
                key.data.stream.close()
        self._selector.close()

    def _terminate(self, *, needed: bool) -> None:
        for state in self._states:
            if state.pid and state.child.needed is needed:
                os.kill(
                    state.pid, signal.SIGTERM
                )  # not reaped yet, so the process ID was not reused

    def _find_remaining(self) -> set[psutil.Process]:
        """Return the descendants that still run.

        It remembers those that it has seen, because without adoption orphans could not be found
        again.
        """
        for pid, _ in processes.reap_children():
            for state in self._states:
                state.pid = None if state.pid == pid else state.pid
        children = set(psutil.Process().children()) - self._unrelated
        self._known_descendants = processes.descendants(children | self._known_descendants)
        return self._known_descendants

    # -- signals

    def _install_signal_handlers(self) -> dict[int, object]:
        for socket_end in (self._wake_reader, self._wake_writer):
            socket_end.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        former_handlers: dict[int, object] = {
            signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None)
        }
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: keep running when the terminal closes
            former_handlers[number] = signal.signal(number, self._on_signal)
        return former_handlers

    def _restore_signals(self, former_handlers: dict[int, object]) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in former_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._wake_reader.close()
        self._wake_writer.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # `timeout` and some shells signal the process and then its group: that is one request
        if time.monotonic() - self._stop_requested_at > SIGNAL_INTERVAL:
            self._stop_requests += 1
            self._stop_requested_at = time.monotonic()
