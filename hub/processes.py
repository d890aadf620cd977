"""What the supervisor asks of the operating system: children that die with it, and to know all who descend from it.

On Linux two switches of the kernel make this sure: a parent-death signal for each child, and orphans that come back to the
supervisor instead of to init, so that a process which left its session and lost its parent is still found.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# loaded before any fork: a forked child must not take the loader's lock
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Let descendants whose parent ended become children of this process (Linux; elsewhere init takes them)."""
    if _prctl:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with one pipe for all it prints; it is told to end when this process dies.

    Call it from the main thread: the kernel's parent-death signal follows the thread that forked.
    """
    parent = os.getpid()

    def die_with_parent() -> None:
        if _prctl:
            _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:  # it died before the switch was set
                os._exit(1)

    return subprocess.Popen(
        list(argv),
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def reap() -> Iterator[tuple[int, int]]:
    """Yield (pid, exit code) of each child that ended, adopted orphans included; the code is -N after signal N."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


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
    """End processes at once; psutil makes sure that no other process has taken the number meanwhile."""
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue


def terminate_group(pid: int) -> None:
    """Ask a child and what shares its process group to end; silent when nothing is left of it."""
    try:
        os.killpg(pid, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):  # macOS says "not permitted" of a group of zombies
        pass


def describe_exit(code: int) -> str:
    """Put an exit code into words: "exit code 3", "signal SIGKILL"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
