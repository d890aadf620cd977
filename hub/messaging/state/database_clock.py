"""Read the database's clock, which gives workers on several machines the same time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hub.db.engine import db
from hub.db.types import Time, creation_time, now


class _Clock(FunctionElement[datetime]):
    type = Time()
    inherit_cache = True


@compiles(_Clock)
def _compile_parameter(element: _Clock, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite runs inside this process and has no other clock
    return compiler.process(element.clauses, **options)


@compiles(_Clock, "postgresql")
def _compile_for_postgresql(element: _Clock, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"  # now() is the start of the transaction, before it waited for a lock


# a larger difference is not corrected, because such a clock will not be set right soon
CLOCKS_APART = timedelta(days=1)


def clamp_to_creation(message_id: str, at: datetime) -> datetime:
    """Return `at`, or the time a message was created if that is later.

    On SQLite a process has only its own clock. If that shows a time before the message was created,
    it is behind, and a lookup at the provider would ask about the wrong hours.
    """
    created_at = creation_time(message_id)
    return created_at if at < created_at < at + CLOCKS_APART else at


# on SQLite this is the parameter `now`, the time of the process
CLOCK = _Clock(bindparam("now", type_=Time()))


def parameters() -> dict[str, datetime]:
    """Return the parameters of a session's statement that contains CLOCK."""
    return {"now": now()}


def read_clock() -> datetime:
    """Return the time of the database's clock, which all processes share."""
    return db.session.execute(select(CLOCK), parameters()).scalar_one()
