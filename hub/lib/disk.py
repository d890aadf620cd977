"""Report the state of the disk: free space of the data folder, and failed writes."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

MIN_FREE_BYTES = 16 * 1024 * 1024  # below this, SQLite's log may not reach its usual size
FAILURE_SECONDS = 60.0  # for which a failed write is reported
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_SQLITE_MESSAGES = ("disk is full", "disk I/O error", "attempt to write a readonly database")
_DISK_FULL = "53100"  # in PostgreSQL
_failed_at = float("-inf")


def record_failure(error: BaseException | None) -> None:
    """Record a failed write, if the disk is the reason."""
    global _failed_at
    if error is not None and _is_disk_error(error):
        _failed_at = time.monotonic()


def _is_disk_error(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    original = getattr(error, "orig", None) or error
    if getattr(original, "sqlstate", None) == _DISK_FULL:
        return True
    return any(words in str(original) for words in _SQLITE_MESSAGES)


def state(folder: Path) -> str:
    """Return "ok" or the problem of the disk. It writes nothing, so that it can be called at any
    time.
    """
    if time.monotonic() - _failed_at < FAILURE_SECONDS:
        return "a write failed in the last minute; free some space"
    try:
        statistics = os.statvfs(folder)
    except OSError as error:
        return f"the data folder cannot be read ({error.strerror})"
    if statistics.f_flag & os.ST_RDONLY:
        return "read-only"
    if statistics.f_bavail * statistics.f_frsize < MIN_FREE_BYTES or (
        statistics.f_files and not statistics.f_favail
    ):
        return "almost full; free some space"
    return "ok"
