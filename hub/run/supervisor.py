"""Run several programs under one terminal: start, watch and restart them, and end them together.

Every child has a session of its own, so that Ctrl-C reaches the supervisor alone, which then stops
them in order: those that others need (the queue server) last. A child that dies is started again
after a pause that grows. One that keeps dying before all are ready ends everything; later nothing
does, since the others can do without it and what it fails at may pass. One thread does it all, so
that no fork meets a lock that another thread holds.
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

DEATHS_THAT_END_ALL = 5
WITHIN_SECONDS = 30.0
FIRST_PAUSE = 0.25  # doubled with each death in that time: the five take about four seconds
LONGEST_PAUSE = 10.0
STOP_NEEDED_AFTER = 2.5  # those that others need are asked to end by then, even if others linger
KILL_AFTER = 3.5
GIVE_UP_AFTER = 4.8
ONE_WISH = 0.5
LAST_WORDS = 20  # lines of a quiet child, shown when it dies
LONGEST_LINE = 64 * 1024
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLORS = (CYAN, GREEN, MAGENTA, YELLOW, BLUE)


class NotReady(HubError):
    """Children run, but do not get ready."""


@dataclass(frozen=True)
class Child:
    """Something to keep running: the command line of a program, or a function.

    `needed` ones start before the others and stop after them; `quiet` ones speak only in dying.
    """

    name: str
    work: Sequence[str] | Work
    ready: Callable[[], bool] | None = None
    needed: bool = False
    quiet: bool = False


@dataclass(eq=False)
class _Kept:
    """A child and how it fares."""

    child: Child
    color: str
    pid: int | None = None
    start_at: float | None = 0.0
    deaths: deque[float] = field(default_factory=deque)
    ready: bool = False
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))


@dataclass(eq=False)
class _Pipe:
    """The unfinished line of a child's output; descendants may outlive it and go on printing."""

    kept: _Kept
    stream: IO[bytes]
    pending: bytes = b""


def run(
    children: Sequence[Child],
    on_ready: Callable[[], None] = lambda: None,
    *,
    ready_within: float = 60.0,
    out: TextIO | None = None,
) -> int:
    """Keep the children running until a signal asks to stop; return the exit code for the shell: 1
    when they never got ready.

    `on_ready` is called once, when every child that can tell says that it is ready; NotReady is
    raised when some do not in time (seconds). No process is left behind.
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
        self._kept = [_Kept(child, COLORS[i % len(COLORS)]) for i, child in enumerate(children)]
        self._on_ready = on_ready
        self._ready_within = ready_within
        self._announced = False
        self._out: TextIO | None = out
        self._width = max(len(child.name) for child in children)
        self._asked = 0  # signals that asked to stop
        self._asked_at = float("-inf")
        # a shell's, from before it became this process
        self._foreign = set(psutil.Process().children())
        self._seen: set[psutil.Process] = set()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()

    def run(self) -> int:
        processes.adopt_orphans()
        before = self._take_signals()
        try:
            return self._watch()
        finally:
            self._stop()
            self._restore_signals(before)

    def _watch(self) -> int:
        began = time.monotonic()
        while not self._asked:
            self._start_due()
            self._listen(0.05 if not self._announced else 0.5)
            if worn_out := self._bury():
                times = f"{DEATHS_THAT_END_ALL} times within {WITHIN_SECONDS:.0f} seconds"
                self._say(
                    None,
                    f"{worn_out.child.name} ended {times} before Signpost was ready, so"
                    " Signpost stops. Fix the error above and start again.",
                    RED,
                )
                return 1
            if not self._announced and not self._asked:
                self._probe(began)
        return 0

    # -- starting and restarting

    def _start_due(self) -> None:
        may_need = all(
            kept.ready or not kept.child.ready for kept in self._kept if kept.child.needed
        )
        for kept in self._kept:
            due = kept.start_at is not None and kept.start_at <= time.monotonic()
            if due and (kept.child.needed or may_need or self._announced):
                self._start(kept)

    def _start(self, kept: _Kept) -> None:
        work = kept.child.work
        pipes = [
            key.data.stream
            for key in self._selector.get_map().values()
            if isinstance(key.data, _Pipe)
        ]
        started = processes.start(
            kept.child.name,
            work if callable(work) else processes.program(work),
            [self._selector, self._wake_reader, self._wake_writer, *pipes],
        )
        kept.pid = started.pid
        kept.start_at = None
        self._selector.register(started.output, selectors.EVENT_READ, _Pipe(kept, started.output))

    def _bury(self) -> _Kept | None:
        """Note who has ended and when to start them again; return the one that died too often to
        get ready.
        """
        by_pid = {kept.pid: kept for kept in self._kept if kept.pid}
        for pid, code in processes.reap_children():
            if kept := by_pid.get(pid):
                self._listen(0)  # its last words come before the news of its death
                kept.pid = None
                kept.ready = False
                # what it left behind, such as a server's workers, would stand in the way
                processes.terminate_group(pid)
                if not self._mourn(kept, code):
                    return kept
        return None

    def _mourn(self, kept: _Kept, code: int) -> bool:
        """Plan the next start of a child that died; False when it died too often and not all were
        ready yet.
        """
        now = time.monotonic()
        kept.deaths.append(now)
        while now - kept.deaths[0] > WITHIN_SECONDS:
            kept.deaths.popleft()
        for line in kept.last_words:
            self._say(kept, line)
        kept.last_words.clear()
        if len(kept.deaths) >= DEATHS_THAT_END_ALL and not self._announced:
            self._say(None, f"{kept.child.name} ended: {processes.describe_exit(code)}.", RED)
            return False
        pause = min(FIRST_PAUSE * 2.0 ** (len(kept.deaths) - 1), LONGEST_PAUSE)
        kept.start_at = now + pause
        self._say(
            None,
            f"{kept.child.name} ended: {processes.describe_exit(code)}. Restarting in {pause:g} s.",
            YELLOW,
        )
        return True

    def _probe(self, began: float) -> None:
        for kept in self._kept:
            if kept.pid and not kept.ready:
                kept.ready = kept.child.ready is None or kept.child.ready()
        waiting = [kept.child.name for kept in self._kept if not kept.ready]
        if not waiting:
            self._announced = True
            self._on_ready()
        elif time.monotonic() - began > self._ready_within:
            raise NotReady(
                f"Not ready after {self._ready_within:.0f} seconds: {', '.join(waiting)}."
                " Read their output above, or set HUB_LOG_LEVEL=DEBUG for more."
            )

    # -- what children print

    def _listen(self, seconds: float) -> None:
        """Wait for output or a signal for at most this long, and pass on what came."""
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, _Pipe):
                self._pass_on(key)
            else:
                self._wake_reader.recv(4096)

    def _pass_on(self, key: selectors.SelectorKey) -> None:
        pipe: _Pipe = key.data
        try:
            data = os.read(key.fd, LONGEST_LINE)
        except BlockingIOError:
            return
        *lines, pipe.pending = (pipe.pending + data).split(b"\n")
        if not data or len(pipe.pending) > LONGEST_LINE:
            lines = [*lines, *([pipe.pending] if pipe.pending else [])]
            pipe.pending = b""
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            if pipe.kept.child.quiet:
                pipe.kept.last_words.append(text)
            else:
                self._say(pipe.kept, text)
        if not data:
            self._selector.unregister(pipe.stream)
            pipe.stream.close()

    def _say(self, kept: _Kept | None, line: str, color: str = "") -> None:
        if self._out is None:
            return
        name = kept.child.name if kept else "hub"
        prefix = paint(f"{name:<{self._width}}", kept.color if kept else BOLD, self._out)
        try:
            words = paint(line, color, self._out) if color else line
            self._out.write(f"{prefix} {paint('│', DIM, self._out)} {words}\n")
            self._out.flush()
        except (
            OSError,
            ValueError,
        ):  # the terminal is gone; what is left to do is to stop in order
            self._out = None

    # -- stopping

    def _stop(self) -> None:
        """End all: ask those that nobody needs, then the needed, then kill whatever is left, in
        other sessions too.
        """
        began = time.monotonic()
        if self._asked:
            self._say(None, "Stopping.")
        for kept in self._kept:
            kept.start_at = None
        self._ask(needed=False)
        needed_asked = False
        # a list of processes is not made in one instant; that there is no child at all, the system
        # says for sure
        while (left := self._left()) or not (self._foreign or processes.wait_childless()):
            elapsed = time.monotonic() - began
            servants = {kept.pid for kept in self._kept if kept.child.needed}
            if not needed_asked and (
                elapsed > STOP_NEEDED_AFTER or all(process.pid in servants for process in left)
            ):
                self._ask(needed=True)
                needed_asked = True
            if elapsed > KILL_AFTER or self._asked > 1:  # a second Ctrl-C means: now
                processes.kill(left)
            if elapsed > GIVE_UP_AFTER:
                self._say(
                    None,
                    "These processes did not end:"
                    f" {', '.join(str(process.pid) for process in left)}.",
                    RED,
                )
                break
            self._listen(0.05)
        for _ in processes.reap_children():
            pass  # the last to end would stay as a zombie where nobody tidies up after us
        self._listen(0)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Pipe):
                key.data.stream.close()
        self._selector.close()

    def _ask(self, *, needed: bool) -> None:
        for kept in self._kept:
            if kept.pid and kept.child.needed is needed:
                os.kill(kept.pid, signal.SIGTERM)  # not reaped yet, so the number is still its own

    def _left(self) -> set[psutil.Process]:
        """Return what still runs.

        Whom it has seen it remembers: where nobody adopts orphans, they would be lost.
        """
        for pid, _ in processes.reap_children():
            for kept in self._kept:
                kept.pid = None if kept.pid == pid else kept.pid
        ours = set(psutil.Process().children()) - self._foreign
        self._seen = processes.descendants(ours | self._seen)
        return self._seen

    # -- signals

    def _take_signals(self) -> dict[int, object]:
        for end in (self._wake_reader, self._wake_writer):
            end.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        before: dict[int, object] = {signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None)}
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: keep running when the terminal closes
            before[number] = signal.signal(number, self._on_signal)
        return before

    def _restore_signals(self, before: dict[int, object]) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._wake_reader.close()
        self._wake_writer.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # one wish may come as two signals: `timeout` and some shells tell the process and then its
        # group
        if time.monotonic() - self._asked_at > ONE_WISH:
            self._asked += 1
            self._asked_at = time.monotonic()
