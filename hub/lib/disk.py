"""Report whether the disk has room: free space of the data folder, and writes that failed."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

LEAST_FREE = 16 * 1024 * 1024  # bytes; below that SQLite's log may not grow to its usual size
REMEMBERED = 60.0  # seconds that a failed write counts
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_SQLITE_SAYS = ("disk is full", "disk I/O error", "attempt to write a readonly database")
_DISK_FULL = "53100"  # PostgreSQL's disk_full
_failed_at = float("-inf")


def note_failure(problem: BaseException | None) -> None:
    """Remember that a write failed, if the reason is the disk."""
    global _failed_at
    if problem is not None and _is_about_disk(problem):
        _failed_at = time.monotonic()


def _is_about_disk(problem: BaseException) -> bool:
    if isinstance(problem, OSError):
        return problem.errno in _NO_ROOM
    original = getattr(problem, "orig", None) or problem
    if getattr(original, "sqlstate", None) == _DISK_FULL:
        return True
    return any(words in str(original) for words in _SQLITE_SAYS)


def state(folder: Path) -> str:
    """Return "ok", or what is wrong. Writes nothing, so that it can be asked at any time."""
    if time.monotonic() - _failed_at < REMEMBERED:
        return "a write failed in the last minute; free some space"
    try:
        found = os.statvfs(folder)
    except OSError as problem:
        return f"the data folder cannot be read ({problem.strerror})"
    if found.f_flag & os.ST_RDONLY:
        return "read-only"
    if found.f_bavail * found.f_frsize < LEAST_FREE or (found.f_files and not found.f_favail):
        return "almost full; free some space"
    return "ok"
