"""Read an SQLite file without changing it or the files beside it, and check it for damage."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

LONGEST_CHECK = 5.0  # seconds; a large database is not read to its end at every start
BUSY_MS = 10_000
MAGIC = b"SQLite format 3\0"
# https://www.sqlite.org/fileformat.html: connections in WAL mode hold this range for their lifetime
SHARED_FIRST = 0x40000002
SHARED_SIZE = 510


class Unusable(Exception):
    """The file is no SQLite database, is damaged, or cannot be read; the text says which."""


@contextmanager
def open_checked(file: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads, after a quick check. Raises Unusable."""
    _check_header(file)
    in_use = _in_use(file)
    try:
        connection = _checked(file, in_use)
    except Unusable:
        # what another process has begun to write meanwhile looks like damage without its locks
        if in_use or not _in_use(file):
            raise
        connection = _checked(file, in_use=True)
    with closing(connection):
        yield connection


def _checked(file: Path, in_use: bool) -> sqlite3.Connection:
    log = file.with_name(file.name + "-wal")
    if in_use:
        options = "mode=ro"
    elif log.exists() and log.stat().st_size:
        options = "mode=ro&vfs=unix-none"
    else:
        options = "immutable=1"
    connection = None
    try:
        address = f"file:{quote(str(file))}?{options}"
        connection = sqlite3.connect(address, uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        if not in_use:  # SQLite then keeps the index of the log in memory, not in a file
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        _check_pages(connection)
    except (sqlite3.DatabaseError, Unusable) as problem:
        if connection is not None:
            connection.close()
        if isinstance(problem, sqlite3.OperationalError):
            raise Unusable(f"cannot be read ({problem})") from None
        raise Unusable(f"is damaged ({problem})") from None
    return connection


def _check_header(file: Path) -> None:
    try:
        deadline = time.monotonic() + 1
        while not (header := _head(file)) and time.monotonic() < deadline:
            time.sleep(0.05)  # another process may be creating it at this moment
    except OSError as problem:
        raise Unusable(f"cannot be read ({problem.strerror})") from None
    if not header:
        raise Unusable("is empty (delete it only if you want to start again without data)")
    if not header.startswith(MAGIC):
        raise Unusable("is damaged (file is not a database)")


def _head(file: Path) -> bytes:
    with file.open("rb") as opened_file:
        return opened_file.read(100)


def _in_use(file: Path) -> bool:
    """Tell whether another process has the database open."""
    with file.open("r+b") as probe:
        try:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
        except OSError:
            return True
    return False


def _check_pages(connection: sqlite3.Connection) -> None:
    """Check the structure of the pages, for LONGEST_CHECK at most."""
    timer = threading.Timer(LONGEST_CHECK, connection.interrupt)
    timer.start()
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as problem:
        if "interrupted" not in str(problem):
            raise
        return
    finally:
        timer.cancel()
        timer.join()
    if found != "ok":
        raise Unusable(found.splitlines()[-1])
