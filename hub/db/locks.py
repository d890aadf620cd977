"""Named locks across processes: one of several equal requests runs, and the others wait."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import current_app
from sqlalchemy import text

from hub.db.engine import db

PAUSE = 0.02  # seconds between attempts
# struct flock on a 64-bit system for F_OFD_SETLK: type, whence, start, length, pid
FLOCK = "hhqqi4x"


@contextmanager
def hold_lock(name: str, seconds: float = 2.0) -> Iterator[bool]:
    """Hold a named lock for the body. Yield False if another process holds it after `seconds`.

    It locks one byte of a file (SQLite) or takes an advisory lock (PostgreSQL). Both end with their
    process.
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
    path = current_app.extensions.get("hub.lock_path")
    lock = _file_lock(f"{path}.names", number, seconds) if path else _advisory_lock(number, seconds)
    with lock as acquired:
        yield acquired


@contextmanager
def _file_lock(path: str, number: int, seconds: float) -> Iterator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _retry_until(seconds, lambda: _lock_byte(descriptor, number))
    finally:
        os.close(descriptor)


def _lock_byte(descriptor: int, number: int) -> bool:
    # unlike a POSIX lock, an open-file-description lock also separates the threads of a process
    try:
        fcntl.fcntl(
            descriptor,
            fcntl.F_OFD_SETLK,
            struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0),
        )
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def _advisory_lock(number: int, seconds: float) -> Iterator[bool]:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        acquired = _retry_until(
            seconds,
            lambda: bool(connection.scalar(text("SELECT pg_try_advisory_lock(:n)"), {"n": number})),
        )
        try:
            yield acquired
        finally:
            if acquired:
                connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})


def _retry_until(seconds: float, attempt: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not attempt():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE)
    return True
