"""Connections to PostgreSQL that the applications of a process use one after another.

A new connection costs the server 20 ms, most of it to read its catalog again.
"""

from __future__ import annotations

import os
import select
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

MOST_IDLE = 8  # a test with many threads opens many more, and the server has a limit
# what a connection remembers besides prepared statements, which it may keep
RESET = "RESET ALL; SELECT pg_advisory_unlock_all(); UNLISTEN *; DISCARD TEMP"


class SharedConnections:
    """The connections that no engine of this process uses at the moment."""

    def __init__(self) -> None:
        self._idle: dict[Hashable, list[psycopg.Connection]] = {}
        self._used: dict[int, tuple[Hashable, bool]] = {}  # by the id of a connection

    def connect(self, *arguments: Any, **options: Any) -> psycopg.Connection:
        """Return an idle connection, or open one."""
        # Every engine has its own context, with the same content. A child process must not
        # use its parent's connections.
        named = {name: value for name, value in options.items() if name != "context"}
        key = (os.getpid(), arguments, tuple(sorted(named.items())))
        idle = self._idle.setdefault(key, [])
        while idle:
            connection = idle.pop()
            if not _has_ended(connection):
                break
            connection.close()
        else:
            connection = psycopg.connect(*arguments, **options)
        self._used[id(connection)] = (key, connection.autocommit)
        return connection

    def give_back(self, connection: psycopg.Connection) -> None:
        """Keep a connection for the next application, or close it if it is in use or broken."""
        key, autocommit = self._used.pop(id(connection), (None, False))
        idle = self._idle.get(key, [])
        if key is not None and len(idle) < MOST_IDLE and self._reset(connection, autocommit):
            idle.append(connection)
        else:
            connection.close()

    @staticmethod
    def _reset(connection: psycopg.Connection, autocommit: bool) -> bool:
        if connection.closed or connection.info.transaction_status == TransactionStatus.ACTIVE:
            return False
        try:
            connection.rollback()
            connection.autocommit = True
            connection.execute(RESET)
            connection.autocommit = autocommit
            connection.isolation_level = None
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        """Close the idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()


def _has_ended(connection: psycopg.Connection) -> bool:
    """Return whether the server has closed an idle connection: only then is there data to read."""
    return connection.closed or bool(select.select([connection.fileno()], [], [], 0)[0])


@contextmanager
def shared_connections() -> Iterator[None]:
    """Let the engines of this process share connections that they close."""
    connections = SharedConnections()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            PGDialect_psycopg,
            "connect",
            lambda _, *arguments, **options: connections.connect(*arguments, **options),
        )
        patch.setattr(
            PGDialect_psycopg, "do_close", lambda _, connection: connections.give_back(connection)
        )
        yield
    connections.close()
