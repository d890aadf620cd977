"""Operating-system parts of the supervisor: children that end with it, and all their descendants.

On Linux two switches of the kernel make this sure: a parent-death signal for each child, and
orphans that come back to the supervisor instead of to init, so that a process which left its
session and lost its parent is still found.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn, Protocol, TextIO

import psutil

from hub.core.errors import HubError

Work = Callable[[], object]
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
# loaded before any fork: a forked child must not take the loader's lock
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


class Closeable(Protocol):
    """A file, a socket, a selector."""

    def close(self) -> None: ...


def adopt_orphans() -> None:
    """Let descendants whose parent ended become children of this process (Linux; elsewhere init
    takes them).
    """
    if _prctl:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(frozen=True)
class Started:
    """A child that runs: its number, and all that it prints."""

    pid: int
    output: IO[bytes]


def program(argv: Sequence[str]) -> Work:
    """Return the work of becoming another program."""

    def become() -> None:
        # Python ignores it, which the program would inherit
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(argv[0], list(argv))  # noqa: S606 - our own programs, with fixed arguments

    return become


def start(name: str, work: Work, private: Iterable[Closeable] = ()) -> Started:
    """Fork a child that does `work` in a session of its own; it is asked to end when this process
    dies.

    What this process has loaded, the child need not load again. `private` is closed in it. Call
    this from the main thread: the kernel's parent-death signal follows the thread that forked.
    """
    parent = os.getpid()
    reader, writer = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)  # what waits in a buffer would be printed by both
    # a signal that comes before the child has its own handlers must not be lost in ours
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid == 0:
        _live(name, work, parent, writer, before, [os.fdopen(reader), *private])
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(writer)
    os.set_blocking(reader, False)
    return Started(pid, os.fdopen(reader, "rb", buffering=0))


def _live(
    name: str,
    work: Work,
    parent: int,
    writer: int,
    mask: Iterable[int],
    private: Iterable[Closeable],
) -> NoReturn:
    """Be the child, until its work is done."""
    code: object = 1
    try:
        os.setsid()
        if _prctl:
            _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            _prctl(PR_SET_NAME, f"hub {name}".encode()[:15], 0, 0, 0)
        if os.getppid() != parent:  # it died before the switch was set
            os._exit(1)
        _wire(writer, private)
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                signal.signal(
                    number,
                    signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL,
                )
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except KeyboardInterrupt:
        code = 130
    except HubError as problem:
        print(problem, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        # nothing of the parent's is to be tidied up here
        os._exit(code if isinstance(code, int) else 1)


def _wire(writer: int, private: Iterable[Closeable]) -> None:
    """Read nothing, print into the pipe a line at a time, and let go of what is the parent's."""
    for thing in private:
        thing.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, writer), (2, writer)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(writer)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        pass  # its reader is gone


def answer_of(work: Callable[[], str]) -> str:
    """Do work in a child and return what it returns: for a process that forks more, and must not
    open a database itself.

    An error of ours in it is raised here, as the same sentence.
    """

    def tell() -> None:
        try:
            text = "+" + work()
        except HubError as problem:
            text = "-" + str(problem)
        out.write(text)
        out.flush()

    with tempfile.TemporaryFile("w+") as out:
        started = start("prepares", tell)
        os.set_blocking(started.output.fileno(), True)
        with started.output as output:
            printed = output.read().decode(errors="replace")
        _, status = os.waitpid(started.pid, 0)
        out.seek(0)
        told = out.read()
    sys.stderr.write(printed)
    code = os.waitstatus_to_exitcode(status)
    if told.startswith("+") and code == 0:
        return told[1:]
    raise HubError(
        told[1:] or f"Signpost does not start: {describe_exit(code)}. The cause is above."
    )


def reap_children() -> Iterator[tuple[int, int]]:
    """Yield (pid, exit code) of each child that ended, adopted orphans included; the code is -N
    after signal N.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def wait_childless() -> bool:
    """Tell whether this process has no child, not even one that has ended and was not reaped."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def descendants(of: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Return these processes and all that come from them, the ended ones left out."""
    found: set[psutil.Process] = set()
    for process in of:
        found.add(process)
        try:
            found.update(process.children(recursive=True))
        except psutil.Error:
            continue
    return {process for process in found if alive(process)}


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def kill(processes: Iterable[psutil.Process]) -> None:
    """End processes at once; psutil makes sure that no other process has taken the number
    meanwhile.
    """
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue


def terminate_group(pid: int) -> None:
    """Ask a child and what shares its process group to end; silent when nothing is left of it."""
    try:
        os.killpg(pid, signal.SIGTERM)
    except (
        ProcessLookupError,
        PermissionError,
    ):  # macOS says "not permitted" of a group of zombies
        pass


def describe_exit(code: int) -> str:
    """Put an exit code into words: "exit code 3", "signal SIGKILL"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
