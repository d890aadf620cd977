"""Locks by name, across processes: of several equal requests one goes first, and the others wait a
moment.
"""

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

PAUSE = 0.02
# struct flock of a 64-bit system, as F_OFD_SETLK takes it: type, whence, start, length, pid
FLOCK = "hhqqi4x"


@contextmanager
def hold_lock(name: str, seconds: float = 2.0) -> Iterator[bool]:
    """Hold `name` for the body. Gives False when somebody else still holds it after `seconds`.

    Locks one byte of a file (SQLite) or an advisory lock (PostgreSQL); both end with their process.
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
    path = current_app.extensions.get("hub.lock_path")
    with _byte(f"{path}.names", number, seconds) if path else _advisory(number, seconds) as got:
        yield got


@contextmanager
def _byte(path: str, number: int, seconds: float) -> Iterator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _until(seconds, lambda: _lock_byte(descriptor, number))
    finally:
        os.close(descriptor)


def _lock_byte(descriptor: int, number: int) -> bool:
    # an open-file-description lock, unlike a POSIX one, also keeps the threads of one process apart
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
def _advisory(number: int, seconds: float) -> Iterator[bool]:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        got = _until(
            seconds,
            lambda: bool(connection.scalar(text("SELECT pg_try_advisory_lock(:n)"), {"n": number})),
        )
        try:
            yield got
        finally:
            if got:
                connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})


def _until(seconds: float, attempt: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not attempt():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE)
    return True
