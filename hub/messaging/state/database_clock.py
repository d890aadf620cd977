"""The database's clock: what many workers on many machines measure the same time with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hub.db.types import Time, time_of


class _Clock(FunctionElement[datetime]):
    type = Time()
    inherit_cache = True


@compiles(_Clock)
def _given(element: _Clock, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite has no clock of its own: it runs inside of us
    return compiler.process(element.clauses, **options)


@compiles(_Clock, "postgresql")
def _of_the_server(element: _Clock, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"  # now() is when the transaction began, before it waited for a lock


# a clock that is further off is not one that somebody will set right
CLOCKS_APART = timedelta(days=1)


def not_before(message_id: str, moment: datetime) -> datetime:
    """Return when something happens to a message: not before it was made, whatever this process's
    clock says.

    On SQLite no clock is surely right. But what another process wrote before is evidence: a moment
    before that is one of a clock that is behind, and look-ups at the provider would be about hours
    that never were.
    """
    made = time_of(message_id)
    return made if moment < made < moment + CLOCKS_APART else moment


# takes `moment`, our own time, which is what it is on SQLite
CLOCK = _Clock(bindparam("moment", type_=Time()))
