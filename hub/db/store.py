"""The only way to write: acquire the lock, apply changes, commit once, then wake the workers.

Rare changes use the session. Hot paths use `read` and `write` with statements that are compiled
once, which also allows to prepare a change before the lock (see hub.db.optimistic_transaction). A
prepared change that reaches the session restarts under the lock, so use cases need not know about
it.

The database is the source of truth. Redis only makes workers check now instead of a little later.
Without it, messages are delayed and nothing is lost.
"""

from __future__ import annotations

import fcntl
import functools
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import structlog
from flask import Flask, current_app, g
from sqlalchemy import BindParameter, Dialect, bindparam, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session

from hub.core.config import Config
from hub.db import drivers
from hub.db.compiled_sql import Row, Statement, translate_error
from hub.db.current_change import Change, current_change, is_prepared, make_current
from hub.db.engine import db
from hub.db.sqlite_connections import SqliteConnections, sqlite_connections
from hub.db.wakeups import Waker
from hub.lib import disk

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5
CACHE_SECONDS = 1.0
LIMIT_EXCEEDED = "54"  # PostgreSQL's class of exceeded limits, caused by the written values
# PostgreSQL: serialization failure, deadlock, an equal row that was committed first
RETRYABLE = {"40001", "40P01", "23505"}


def init_app(app: Flask, config: Config) -> None:
    """Prepare the engine and the Redis client; nothing connects yet."""
    app.extensions["hub.waker"] = Waker(config.redis_url)
    with app.app_context():
        app.extensions["hub.sqlite_connections"] = None
        if config.sqlite:
            app.extensions["hub.sqlite_connections"] = SqliteConnections(db.engine)
            app.extensions["hub.lock_path"] = f"{db.engine.url.database}.lock"
        drivers.prepare(db.engine)
    # instead of Flask-SQLAlchemy's own, which lets errors of the database through
    app.teardown_appcontext_funcs[:] = [_end_session]


def _end_session(_: BaseException | None) -> None:
    """End the session. A lost database must not fail a response that is ready."""
    if not db.session.registry.has():  # most webhooks need none
        return
    try:
        db.session.remove()
    except SQLAlchemyError as error:
        log.warning("database.unreachable", problem=type(error).__name__)
        db.session.registry.clear()


class ReadOnlySession(RuntimeError):
    """A session was asked to write outside a transaction, or before its lock is held."""

    def __init__(self) -> None:
        super().__init__("this session reads; put the change into a function under @transaction")


# registered once, because all applications of a process share the session's class
@event.listens_for(db.session, "before_flush")
def _refuse_flush(*_: Any) -> None:
    if is_prepared() or not in_transaction():
        raise ReadOnlySession


@event.listens_for(db.session, "do_orm_execute")
def _refuse_statement(state: ORMExecuteState) -> None:
    is_write = state.is_insert or state.is_update or state.is_delete
    # a prepared change repeats under the lock only what it read with compiled statements
    if is_prepared() or (is_write and not in_transaction()):
        raise ReadOnlySession


def transaction(change: Callable[P, T]) -> Callable[P, T]:
    """Run a function in one transaction that commits once. Inside another transaction it joins
    that.

    The function may run again (PostgreSQL requests that after a deadlock), so it must only read and
    write the database. Queues that it passed to `wake` are woken after the commit.
    """

    @functools.wraps(change)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        if in_transaction():
            return change(*args, **kwargs)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with _write_transaction() as current:
                    result = change(*args, **kwargs)
                    _commit(db.session())
                break
            except (DBAPIError, OSError) as error:
                disk.record_failure(error)
                if attempt == MAX_ATTEMPTS or not is_retryable(error):
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter
        wake_all(current.queues)
        return result

    return run


STORED = "stored"
UNKNOWN = "unknown"
NOTHING = "nothing"


def _commit(session: Session) -> None:
    former = request_outcome()
    session.flush()
    g.hub_outcome = UNKNOWN
    try:
        session.commit()
    except DBAPIError as error:
        # on a lost connection, the server may have committed without its response arriving
        if not error.connection_invalidated:
            g.hub_outcome = former
        raise
    mark_stored()


def mark_stored() -> None:
    """Record that a change of this request was committed."""
    g.hub_outcome = STORED


def begin_request() -> None:
    """Start to record what this request stores. Earlier writes, such as the use of a key, do not
    count.
    """
    g.hub_outcome = NOTHING


def request_outcome() -> str:
    """Return whether a change of this request was committed: STORED, NOTHING or UNKNOWN.

    An error response uses it, because it must not report that nothing was stored when something
    was.
    """
    return str(g.get("hub_outcome", NOTHING))


def is_retryable(error: Exception) -> bool:
    """Return whether to repeat a change from its start. Handlers inside a change must not catch
    such errors.
    """
    return isinstance(error, ReadOnlySession) or (
        isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in RETRYABLE
    )


def is_database_failure(error: Exception) -> bool:
    """Return whether the database failed, not the data: no connection, a full disk, a lock
    timeout.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError)
    is_operational = isinstance(error, OperationalError) and not str(
        getattr(error.orig, "sqlstate", None)
    ).startswith(LIMIT_EXCEEDED)
    return is_operational or error.connection_invalidated


@contextmanager
def savepoint() -> Iterator[None]:
    """Undo the writes of the code inside if it fails.

    A change that is prepared before its lock is then repeated under the lock.
    """
    if not is_prepared():
        with db.session.begin_nested():
            yield
        return
    try:
        yield
    except Exception as error:
        raise ReadOnlySession from error


@contextmanager
def _write_transaction() -> Iterator[Change]:
    session = db.session()
    session.rollback()  # a write must not use the snapshot of the reading transaction
    change = Change()
    with writers_lock(), make_current(change):
        try:
            session.connection(execution_options={"hub_writes": True})
            yield change
        except BaseException:
            session.rollback()
            raise


@contextmanager
def writers_lock() -> Iterator[None]:
    """Allow one SQLite writer at a time, of all threads and processes.

    The lock wakes the next writer at once, while SQLite's own lock would sleep.
    """
    path = current_app.extensions.get("hub.lock_path")
    if path is None:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def in_transaction() -> bool:
    """Return whether a change is under way that nested ones join."""
    return current_change() is not None


# ── Statements ────────────────────────────────────────────────────────────────────────────────────
def read(statement: Statement, **values: Any) -> list[Row]:
    """Execute a statement and return its rows."""
    change = current_change()
    source = _reads_now() if change is None else change.prepared or _session_driver()
    compiled = statement.compiled_for(source.dialect, values)
    return compiled.convert_rows(source.fetch(compiled.sql, compiled.bind(values)))


def read_to_change(statement: Statement, **values: Any) -> list[Row]:
    """Execute a statement and return its rows, which many processes read and then change.

    A prepared change that finds such rows would mostly lose the race for them, and one that has
    written already may look for its own rows. Both restart under the lock.
    """
    rows = read(statement, **values)
    change = current_change()
    if change is not None and change.prepared and (rows or change.prepared.pending.writes):
        raise ReadOnlySession
    return rows


def write(statement: Statement, rows: dict[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Execute a changing statement once for each of `rows`, inside a transaction only."""
    change = current_change()
    if change is None:
        raise ReadOnlySession
    rows = [rows] if isinstance(rows, dict) else rows
    if not rows:
        return
    target = change.prepared or _session_driver()
    parameter_sets: dict[str, list[Any]] = {}
    for values in rows:
        compiled = statement.compiled_for(target.dialect, values)
        parameter_sets.setdefault(compiled.sql, []).append(compiled.bind(values))
    for sql, sets in parameter_sets.items():
        target.execute(sql, sets)


def _reads_now() -> SqliteConnections | _SessionDriver:
    """Return what a read outside of a change uses: the snapshot of the session, if it has one."""
    connections = sqlite_connections()
    if connections is None or (db.session.registry.has() and db.session().in_transaction()):
        return _session_driver()
    return connections


@dataclass(frozen=True, slots=True)
class _SessionDriver:
    """The driver's connection of a session's transaction."""

    transaction: Any
    proxied: Any
    connection: Any
    dialect: Dialect

    def fetch(self, sql: str, parameters: Any) -> list[Any]:
        """Return the rows that a statement finds. Raises DBAPIError."""
        with self._translate_errors(sql):
            rows: list[Any] = self.connection.execute(sql, parameters).fetchall()
            return rows

    def execute(self, sql: str, parameter_sets: Sequence[Any]) -> None:
        """Execute a changing statement with each set of parameters. Raises DBAPIError."""
        with self._translate_errors(sql):
            if len(parameter_sets) == 1:
                self.connection.execute(sql, parameter_sets[0])
            else:
                self.connection.cursor().executemany(sql, parameter_sets)

    @contextmanager
    def _translate_errors(self, sql: str) -> Iterator[None]:
        try:
            yield
        except self.dialect.loaded_dbapi.Error as driver_error:
            error = translate_error(driver_error, sql, self.dialect, self.connection)
            if error.connection_invalidated:
                self.proxied.invalidate(driver_error)
            raise error from driver_error


def _session_driver() -> _SessionDriver:
    session = cast(Session, db.session())
    driver: _SessionDriver | None = session.info.get("hub_driver")
    # a savepoint is set when the session's connection is first used inside it
    transaction = session.get_nested_transaction() or session.get_transaction()
    if driver is None or transaction is None or driver.transaction is not transaction:
        connection = session.connection()
        proxied = connection.connection
        current_transaction = session.get_nested_transaction() or session.get_transaction()
        driver = _SessionDriver(
            current_transaction, proxied, proxied.driver_connection, connection.dialect
        )
        session.info["hub_driver"] = driver
    return driver


# ── Waking ────────────────────────────────────────────────────────────────────────────────────────
def wake(queue: str) -> None:
    """Wake the workers of a queue after this transaction is committed."""
    change = current_change()
    assert change is not None, "wake workers inside a transaction"  # noqa: S101 - an internal error
    change.queues.add(queue)


def wake_all(queues: Iterable[str]) -> None:
    """Wake the workers of some queues."""
    for queue in queues:
        wake_now(queue)


def wake_now(queue: str) -> None:
    """Wake the workers of a queue. Without Redis they check a little later."""
    current_app.extensions["hub.waker"].wake(queue)


def cached(name: tuple[str, ...], read_value: Callable[[], T]) -> T:
    """Return the result of `read_value`, cached for CACHE_SECONDS. It is meant for rarely changing
    values.
    """
    values: dict[tuple[str, ...], tuple[float, Any]] = current_app.extensions.setdefault(
        "hub.cached", {}
    )
    now = time.monotonic()
    cached_value = values.get(name)
    if cached_value is None or now - cached_value[0] > CACHE_SECONDS:
        if len(values) > 1000:
            values.clear()
        cached_value = values[name] = (now, _read_for_cache(read_value))
    return cast(T, cached_value[1])


def _read_for_cache(read_value: Callable[[], T]) -> T:
    """Read a value that may be a second old, so a prepared change need not repeat the reading."""
    if not is_prepared():
        return read_value()
    with make_current(None):
        return read_value()


def list_param(name: str) -> BindParameter[Any]:
    """Return a parameter for a list in a compiled statement: `column.in_(list_param("ids"))`.

    Creating a statement takes several times as long as executing it, so hot paths create it once.
    """
    return bindparam(name, expanding=True)
