"""The database's clock: what many workers on many machines measure the same time with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hub.models.types import Time


class _Clock(FunctionElement[datetime]):
    type = Time()
    inherit_cache = True


@compiles(_Clock)
def _given(element: _Clock, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)  # SQLite has no clock of its own: it runs inside of us


@compiles(_Clock, "postgresql")
def _of_the_server(element: _Clock, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"  # now() is when the transaction began, before it waited for a lock


# takes `moment`, our own time, which is what it is on SQLite
CLOCK = _Clock(bindparam("moment", type_=Time()))
