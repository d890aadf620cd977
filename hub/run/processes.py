"""Start child processes that end with this one, and find all their descendants.

On Linux, the kernel sends each child a signal when its parent dies. It also makes the supervisor
the parent of orphans, so that a process in another session is still found.
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
# loaded before any fork, because a child must not need the loader's lock
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


class Closeable(Protocol):
    """An object with a `close` method."""

    def close(self) -> None: ...


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ended (Linux only)."""
    if _prctl:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(frozen=True)
class Started:
    """A running child: its process ID and its output."""

    pid: int
    output: IO[bytes]


def program(argv: Sequence[str]) -> Work:
    """Return a function that replaces the process with another program."""

    def execute() -> None:
        # Python ignores SIGPIPE, and the program would inherit that
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(argv[0], list(argv))  # noqa: S606 - our own programs, with fixed arguments

    return execute


def start(name: str, work: Work, to_close: Iterable[Closeable] = ()) -> Started:
    """Fork a child that does `work` in its own session and ends when this process dies.

    The child shares the modules that are already loaded. It closes `to_close`. Call this function
    from the main thread, because the kernel's signal is bound to the thread that forked.
    """
    parent = os.getpid()
    reader, writer = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)  # otherwise both processes would print the buffered text
    # a signal that arrives before the child has its own handlers must not be lost
    former_mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid == 0:
        _run_child(name, work, parent, writer, former_mask, [os.fdopen(reader), *to_close])
    signal.pthread_sigmask(signal.SIG_SETMASK, former_mask)
    os.close(writer)
    os.set_blocking(reader, False)
    return Started(pid, os.fdopen(reader, "rb", buffering=0))


def _run_child(
    name: str,
    work: Work,
    parent: int,
    writer: int,
    mask: Iterable[int],
    to_close: Iterable[Closeable],
) -> NoReturn:
    """Do the work in the child process, then exit."""
    exit_code: object = 1
    try:
        os.setsid()
        if _prctl:
            _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            _prctl(PR_SET_NAME, f"hub {name}".encode()[:15], 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the signal was requested
            os._exit(1)
        _redirect_streams(writer, to_close)
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            if (
                signal.getsignal(number) is not signal.SIG_IGN
            ):  # a child of nohup also ignores SIGHUP
                signal.signal(
                    number,
                    signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL,
                )
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work()
        exit_code = 0
    except SystemExit as exit_request:
        exit_code = exit_request.code or 0
    except KeyboardInterrupt:
        exit_code = 130
    except HubError as error:
        print(error, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        # exit without running the parent's cleanup
        os._exit(exit_code if isinstance(exit_code, int) else 1)


def _redirect_streams(writer: int, to_close: Iterable[Closeable]) -> None:
    """Read from the null device, write lines into the pipe, and close the parent's resources."""
    for resource in to_close:
        resource.close()
    null_device = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null_device), (1, writer), (2, writer)):
        os.dup2(source, target)
    os.close(null_device)
    os.close(writer)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        pass  # the reader has closed the stream


def run_in_child(work: Callable[[], str]) -> str:
    """Run a function in a child process and return its result.

    Use it in a process that will fork more children and must not open a database itself. A HubError
    of the child is raised here with the same sentence.
    """

    def write_result() -> None:
        try:
            text = "+" + work()
        except HubError as error:
            text = "-" + str(error)
        result_file.write(text)
        result_file.flush()

    with tempfile.TemporaryFile("w+") as result_file:
        started = start("prepares", write_result)
        os.set_blocking(started.output.fileno(), True)
        with started.output as output:
            printed = output.read().decode(errors="replace")
        _, status = os.waitpid(started.pid, 0)
        result_file.seek(0)
        result = result_file.read()
    sys.stderr.write(printed)
    exit_code = os.waitstatus_to_exitcode(status)
    if result.startswith("+") and exit_code == 0:
        return result[1:]
    raise HubError(
        result[1:] or f"Signpost does not start: {describe_exit(exit_code)}. The cause is above."
    )


def reap_children() -> Iterator[tuple[int, int]]:
    """Yield (pid, exit code) of each child that ended, including adopted orphans.

    The code is -N after signal N.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def has_no_child() -> bool:
    """Return whether this process has no child, not even one that ended and was not reaped."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def descendants(roots: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Return these processes and all their descendants that are alive."""
    processes: set[psutil.Process] = set()
    for process in roots:
        processes.add(process)
        try:
            processes.update(process.children(recursive=True))
        except psutil.Error:
            continue
    return {process for process in processes if is_alive(process)}


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill processes. psutil makes sure that a process ID was not reused."""
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue


def terminate_group(pid: int) -> None:
    """Send SIGTERM to the process group of a child, if it still exists."""
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        pass  # macOS reports this error for a group of zombies


def describe_exit(code: int) -> str:
    """Describe an exit code: "exit code 3" or "signal SIGKILL"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
