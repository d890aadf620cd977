"""Read a SQLite file without changing it or its side files, and check it for damage."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

MAX_CHECK = 5.0  # seconds; a large database is not checked completely at each start
BUSY_MS = 10_000
MAGIC = b"SQLite format 3\0"
# connections in WAL mode lock this range for their lifetime: https://www.sqlite.org/fileformat.html
SHARED_FIRST = 0x40000002
SHARED_SIZE = 510


class Unusable(Exception):
    """The file is not a SQLite database, is damaged, or cannot be read, as its text explains."""


@contextmanager
def open_checked(file: Path) -> Iterator[sqlite3.Connection]:
    """Yield a read-only connection after a quick check. Raises Unusable."""
    _check_header(file)
    in_use = _is_in_use(file)
    try:
        connection = _open_and_check(file, in_use)
    except Unusable:
        # without locks, a write of another process looks like damage
        if in_use or not _is_in_use(file):
            raise
        connection = _open_and_check(file, in_use=True)
    with closing(connection):
        yield connection


def _open_and_check(file: Path, in_use: bool) -> sqlite3.Connection:
    log_file = file.with_name(file.name + "-wal")
    if in_use:
        options = "mode=ro"
    elif log_file.exists() and log_file.stat().st_size:
        options = "mode=ro&vfs=unix-none"
    else:
        options = "immutable=1"
    connection = None
    try:
        address = f"file:{quote(str(file))}?{options}"
        connection = sqlite3.connect(address, uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        if not in_use:  # then SQLite has the index of its log in memory, not in a file
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        _check_pages(connection)
    except (sqlite3.DatabaseError, Unusable) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise Unusable(f"cannot be read ({error})") from None
        raise Unusable(f"is damaged ({error})") from None
    return connection


def _check_header(file: Path) -> None:
    try:
        deadline = time.monotonic() + 1
        while not (header := _read_header(file)) and time.monotonic() < deadline:
            time.sleep(0.05)  # another process may be creating it
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror})") from None
    if not header:
        raise Unusable("is empty (delete it only to start without data)")
    if not header.startswith(MAGIC):
        raise Unusable("is damaged (file is not a database)")


def _read_header(file: Path) -> bytes:
    with file.open("rb") as opened_file:
        return opened_file.read(100)


def _is_in_use(file: Path) -> bool:
    """Return whether another process has the database open."""
    with file.open("r+b") as probe:
        try:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
        except OSError:
            return True
    return False


def _check_pages(connection: sqlite3.Connection) -> None:
    """Check the structure of the pages, for at most MAX_CHECK seconds."""
    timer = threading.Timer(MAX_CHECK, connection.interrupt)
    timer.start()
    try:
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return
    finally:
        timer.cancel()
        timer.join()
    if result != "ok":
        raise Unusable(result.splitlines()[-1])
