"""The only way to write: take the lock, change, commit once, then wake the workers.

Two ways lead there. Code that is run rarely uses the session; hot paths `read` and `write` with
statements that are compiled once, which also lets a change be worked out before the lock is taken
(see hub.db.optimistic_transaction).

The database is the truth. Redis only tells workers to look now instead of a little later: without
it things are slower, and nothing is lost.
"""

from __future__ import annotations

import fcntl
import functools
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import structlog
from flask import Flask, current_app
from sqlalchemy import BindParameter, Dialect, bindparam, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session

from hub.core.config import Config
from hub.db import drivers
from hub.db.compiled_sql import Form, Row, Statement, translated
from hub.db.engine import db
from hub.db.wakeups import Waker
from hub.lib import disk

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

# queue → the job that empties it, by dotted name: what enqueues need not import it
TRIES = 5
REMEMBERED = 1.0
TOO_MUCH = "54"  # PostgreSQL's class of what exceeds a limit: it lies in what was written
# PostgreSQL: serialization failure, deadlock, an equal row that was committed first
RERUN = {"40001", "40P01", "23505"}


def init_app(app: Flask, config: Config) -> None:
    """Prepare the engine and the Redis client; nothing connects yet."""
    app.extensions["hub.waker"] = Waker(config.redis_url)
    with app.app_context():
        if config.sqlite:
            app.extensions["hub.lock_path"] = f"{db.engine.url.database}.lock"
        drivers.prepare(db.engine)
        event.listen(db.session, "before_flush", _refuse_flush)
        event.listen(db.session, "do_orm_execute", _refuse_statement)
    # instead of Flask-SQLAlchemy's own, which lets errors of the database through
    app.teardown_appcontext_funcs[:] = [_end_session]


def _end_session(_: BaseException | None) -> None:
    """Let go of the database; that it has gone away since the last read must not spoil an answer
    that is ready.
    """
    try:
        db.session.remove()
    except SQLAlchemyError as problem:
        log.warning("database.unreachable", problem=type(problem).__name__)
        db.session.registry.clear()


class ReadOnlySession(RuntimeError):
    """A session was asked to write outside a change, or before its lock is held."""

    def __init__(self) -> None:
        super().__init__("this session reads; put the change into a function under @transaction")


def _refuse_flush(session: Session, *_: Any) -> None:
    if not session.info.get("hub_writes"):
        raise ReadOnlySession


def _refuse_statement(state: ORMExecuteState) -> None:
    if (state.is_insert or state.is_update or state.is_delete) and not state.session.info.get(
        "hub_writes"
    ):
        raise ReadOnlySession


def transaction(change: Callable[P, T]) -> Callable[P, T]:
    """Run a function in one transaction that commits once; one inside another joins it.

    The function may run again (PostgreSQL asks for that after a deadlock), so it must do nothing
    but read and write the database. What it asked to `wake` is woken after the commit.
    """

    @functools.wraps(change)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        session = cast(Session, db.session())
        if in_transaction(session):
            return change(*args, **kwargs)
        for tries in range(1, TRIES + 1):
            try:
                with _writing(session):
                    result = change(*args, **kwargs)
                    _commit(session)
                break
            except (DBAPIError, OSError) as problem:
                disk.note_failure(problem)
                if tries == TRIES or not is_retryable(problem):
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**tries))  # noqa: S311 - jitter
        for queue in session.info.pop("hub_wakes", ()):
            wake_now(queue)
        return result

    return run


STORED = "stored"
PERHAPS = "perhaps"
NOTHING = "nothing"


def _commit(session: Session) -> None:
    before = session.info.get("hub_kept", NOTHING)
    session.flush()
    session.info["hub_kept"] = PERHAPS
    try:
        session.commit()
    except DBAPIError as problem:
        # else the server may have heard it, and we not its answer
        if not problem.connection_invalidated:
            session.info["hub_kept"] = before
        raise
    session.info["hub_kept"] = STORED


def mark_stored() -> None:
    """Note that a change of this request was committed otherwise than by its session."""
    db.session().info["hub_kept"] = STORED


def begin_request() -> None:
    """Begin to note what this request stores: what came before it, such as the use of a key, is not
    its change.
    """
    db.session().info.pop("hub_kept", None)


def request_cache() -> str:
    """Return whether a change of this request was committed: STORED, NOTHING, or PERHAPS where no
    answer to the commit came.

    For an answer after a fault, which must not say that nothing was stored when something was.
    """
    return str(db.session().info.get("hub_kept", NOTHING))


def is_retryable(problem: Exception) -> bool:
    """Tell whether a change is to be made again from its beginning: whoever catches errors inside
    one must let these pass.
    """
    return isinstance(problem, ReadOnlySession) or (
        isinstance(problem, DBAPIError) and getattr(problem.orig, "sqlstate", None) in RERUN
    )


def is_database_failure(problem: Exception) -> bool:
    """Return whether the database failed, and not the data: no connection, a full disk,
    a lock that was not given.
    """
    if not isinstance(problem, DBAPIError):
        return isinstance(problem, OSError)
    operational = isinstance(problem, OperationalError) and not str(
        getattr(problem.orig, "sqlstate", None)
    ).startswith(TOO_MUCH)
    return operational or problem.connection_invalidated


def require_write_lock() -> None:
    """Say that what follows reads what this change wrote, or the clock: it must hold the lock, so
    it begins anew if it does not.
    """
    if "hub_unit" in db.session().info:
        raise ReadOnlySession


@contextmanager
def savepoint() -> Iterator[None]:
    """Undo what the code inside has written, if it fails.

    Where a change is worked out before its lock, it is made under it then.
    """
    if "hub_unit" not in db.session().info:
        with db.session.begin_nested():
            yield
        return
    try:
        yield
    except Exception as problem:
        raise ReadOnlySession from problem


@contextmanager
def _writing(session: Session) -> Iterator[None]:
    session.rollback()  # ends the reading transaction, whose snapshot must not be written upon
    with writers_lock():
        session.info["hub_writes"] = True
        session.info["hub_wakes"] = set()
        try:
            session.connection(execution_options={"hub_writes": True})
            yield
        except BaseException:
            session.info.pop("hub_wakes", None)
            session.rollback()
            raise
        finally:
            session.info["hub_writes"] = False


@contextmanager
def writers_lock() -> Iterator[None]:
    """Let one writer at SQLite, of all threads and processes.

    A lock wakes the next one at once; SQLite's own would sleep.
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


def in_transaction(session: Session) -> bool:
    """Tell whether a change under way in this session takes in those that are called from it."""
    return bool(session.info.get("hub_writes")) or "hub_unit" in session.info


# ── Statements ────────────────────────────────────────────────────────────────────────────────────
def read(statement: Statement, **values: Any) -> list[Row]:
    """Return the rows of a statement, now."""
    session = cast(Session, db.session())
    unit = session.info.get("hub_unit")
    driver = _driver_of(session, unit)
    form = statement.form(driver.dialect, values)
    bound = form.bind(values)
    rows = driver.run(form, lambda: driver.connection.execute(form.sql, bound).fetchall())
    if unit is not None:
        unit.reads.append((form.sql, bound, rows))
    return form.converted(rows)


def write(statement: Statement, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Run a statement that changes, once for each of `rows`; inside a change only."""
    many = [rows] if isinstance(rows, Mapping) else rows
    session = cast(Session, db.session())
    if not in_transaction(session):
        raise ReadOnlySession
    unit = session.info.get("hub_unit")
    forms: dict[str, tuple[Form, list[Any]]] = {}
    driver = _driver_of(session, unit)
    for values in many:
        form = statement.form(driver.dialect, values)
        forms.setdefault(form.sql, (form, []))[1].append(form.bind(values))
    for form, bound in forms.values():
        if unit is not None:
            unit.writes.append((form.sql, bound))
        elif len(bound) == 1:
            driver.run(form, functools.partial(driver.connection.execute, form.sql, bound[0]))
        else:
            driver.run(
                form, functools.partial(driver.connection.cursor().executemany, form.sql, bound)
            )


@dataclass(frozen=True, slots=True)
class _Driver:
    """The driver's connection of a session's transaction."""

    transaction: Any
    proxied: Any
    connection: Any
    dialect: Dialect

    def run(self, form: Form, call: Callable[[], T]) -> T:
        try:
            return call()
        except self.dialect.loaded_dbapi.Error as problem:
            error = translated(problem, form.sql, self.dialect, self.connection)
            if error.connection_invalidated:
                self.proxied.invalidate(problem)
            raise error from problem


def _driver_of(session: Session, unit: Any) -> _Driver:
    if unit is None:
        return _driver(session)
    if unit.driver is None:  # it reads over one connection to its end, without savepoints
        unit.driver = _driver(session)
    return cast(_Driver, unit.driver)


def _driver(session: Session) -> _Driver:
    kept: _Driver | None = session.info.get("hub_driver")
    # a savepoint is set when the session's connection is first asked for inside it
    transaction = session.get_nested_transaction() or session.get_transaction()
    if kept is None or transaction is None or kept.transaction is not transaction:
        connection = session.connection()
        proxied = connection.connection
        begun = session.get_nested_transaction() or session.get_transaction()
        kept = _Driver(begun, proxied, proxied.driver_connection, connection.dialect)
        session.info["hub_driver"] = kept
    return kept


# ── Waking ────────────────────────────────────────────────────────────────────────────────────────
def wake(queue: str) -> None:
    """Ask, inside a transaction, that the workers of a queue look at it once the change is
    committed.
    """
    db.session().info["hub_wakes"].add(queue)


def wake_now(queue: str) -> None:
    """Wake the workers of a queue; without Redis they find out by themselves a little later."""
    current_app.extensions["hub.waker"].wake(queue)


def cached(name: tuple[str, ...], make: Callable[[], T]) -> T:
    """Return what `make` read at most REMEMBERED seconds ago: for what changes rarely and may be a
    moment old.
    """
    kept: dict[tuple[str, ...], tuple[float, Any]] = current_app.extensions.setdefault(
        "hub.remembered", {}
    )
    moment = time.monotonic()
    found = kept.get(name)
    if found is None or moment - found[0] > REMEMBERED:
        if len(kept) > 1000:
            kept.clear()
        found = kept[name] = (moment, make())
    return cast(T, found[1])


def list_param(name: str) -> BindParameter[Any]:
    """Stand for a list in a statement that is built once: `column.in_(several("ids"))`.

    Building a statement costs several times what running it does, so hot paths keep theirs.
    """
    return bindparam(name, expanding=True)
