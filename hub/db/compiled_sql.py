"""Statements for hot paths: compiled once for the driver, and run on its connection.

SQLAlchemy Core still says what a statement is and how values are converted; what is left out is the
work it does around each execution, which costs several times what the database does for a row or
two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    Dialect,
    Insert,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any]
Row = tuple[Any, ...]


class UnreadableRow(ValueError):
    """A row that was read holds a value that its column does not allow: `column` is as in
    consents.at.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(f"{column} contains a value that cannot be read.")


PG_NUMERIC = 1700  # what PostgreSQL calls the one kind of number whose conversion asks for its name


@dataclass(frozen=True, slots=True)
class Form:
    """A statement as the driver takes it: its text, what makes its parameters, what converts the
    columns of its rows.
    """

    sql: str
    bind: Callable[[Mapping[str, Any]], Any]
    converts: tuple[tuple[int, Convert], ...] = ()  # of the columns that need it
    names: tuple[str, ...] = ()  # of all columns, for errors

    def converted(self, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """Return rows of the driver as Python values. Raises UnreadableRow."""
        found = []
        index = 0
        try:
            for row in rows:
                values = list(row)
                for index, convert in self.converts:
                    if values[index] is not None:
                        values[index] = convert(values[index])
                found.append(tuple(values))
        except Exception as problem:
            raise UnreadableRow(self.names[index] if self.names else "?") from problem
        return found


class Statement:
    """A SELECT, INSERT, UPDATE or DELETE that is compiled once for each dialect and length of its
    lists.

    Values come by the names of its `bindparam`s; one that stands for a list (`several`) takes a
    list that is not empty.
    """

    def __init__(self, core: Any, *, on_conflict_do_nothing: bool = False) -> None:
        self._core = core
        self._on_conflict_do_nothing = on_conflict_do_nothing
        self._lists = tuple(
            name
            for bind, name in core.compile().bind_names.items()
            if bind.expanding and bind.required
        )
        self._forms: dict[tuple[Any, ...], Form] = {}

    @classmethod
    def insert(cls, table: Any, *, on_conflict_do_nothing: bool = False) -> Statement:
        """Insert rows; a value left out is the column's plain default, or NULL.

        `on_conflict_do_nothing` skips rows whose unique key exists.
        """
        return cls(
            table.insert().values(
                {column.name: bindparam(column.name, type_=column.type) for column in table.columns}
            ),
            on_conflict_do_nothing=on_conflict_do_nothing,
        )

    def form(self, dialect: Dialect, values: Mapping[str, Any]) -> Form:
        """Return the form that takes these values."""
        lengths = tuple([_rounded(len(values[name])) for name in self._lists])
        found = self._forms.get((dialect.name, lengths))
        if found is None:
            found = self._forms[dialect.name, lengths] = self._make(
                dialect, dict(zip(self._lists, lengths, strict=True))
            )
        return found

    def _make(self, dialect: Dialect, lengths: Mapping[str, int]) -> Form:
        compiled: SQLCompiler = self._core.compile(dialect=dialect)
        lists = {name: [None] * lengths[name] for name in lengths}
        given = {
            name: lists.get(name, bind.effective_value)
            for bind, name in compiled.bind_names.items()
        }
        state = compiled.construct_expanded_state(given, escape_names=False)
        slots: dict[str, _Slot] = {}
        for bind, name in compiled.bind_names.items():
            convert = _writer(bind.type, dialect)
            names = state.parameter_expansion.get(name)
            for index, slot in enumerate([name] if names is None else names):
                slots[slot] = _Slot(slot, name, convert, None if names is None else index, bind)
        wanted = (
            [slots[name] for name in state.positiontup or ()]
            if compiled.positional
            else list(slots.values())
        )
        columns = list(self._core.selected_columns) if isinstance(self._core, Select) else []
        kinds = [column.type for column in columns]
        converts = tuple(
            (index, convert)
            for index, kind in enumerate(kinds)
            if (convert := _reader(kind, dialect)) is not None
        )
        sql = state.statement + (" ON CONFLICT DO NOTHING" if self._on_conflict_do_nothing else "")
        into = self._core.table if isinstance(self._core, Insert) else None
        return Form(
            sql,
            _binder(wanted, named=not compiled.positional, into=into),
            converts,
            tuple(str(column) for column in columns),
        )


@dataclass(frozen=True, slots=True)
class _Slot:
    """A parameter of the driver, and the value that fills it."""

    slot: str
    name: str
    convert: Convert | None
    index: int | None  # of the value's list
    bind: BindParameter[Any]

    def fill(self, values: Mapping[str, Any]) -> Any:
        value: Any = values[self.name] if self.bind.required else self.bind.effective_value
        if self.index is not None:
            # a list is filled up with its last value
            value = value[min(self.index, len(value) - 1)]
        return value if self.convert is None else self.convert(value)


def _writer(kind: Any, dialect: Dialect) -> Convert | None:
    if isinstance(kind, TypeDecorator):  # ours give what the driver takes
        return partial(kind.process_bind_param, dialect=dialect)
    convert: Convert | None = (
        None
        if isinstance(kind, LargeBinary)
        else kind.dialect_impl(dialect).bind_processor(dialect)
    )
    return convert


def _reader(kind: Any, dialect: Dialect) -> Convert | None:
    # where the type tells what it cannot read from what it can, it is asked to
    if isinstance(kind, TypeDecorator):
        return partial(getattr(kind, "read_strictly", kind.process_result_value), dialect=dialect)
    if isinstance(kind, Boolean):
        return _truth
    if isinstance(kind, String | Integer):
        return None  # as the driver gives it
    convert: Convert | None = (
        None
        if isinstance(kind, LargeBinary)
        else kind.dialect_impl(dialect).result_processor(dialect, PG_NUMERIC)
    )
    return convert


def _truth(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError("neither true nor false")
    return bool(value)


def _binder(
    slots: Sequence[_Slot], *, named: bool, into: Any
) -> Callable[[Mapping[str, Any]], Any]:
    """Return what makes the driver's parameters from the values; plain loops, since this runs for
    each row.
    """
    names = [slot.slot for slot in slots]
    if any(slot.index is not None or not slot.bind.required for slot in slots):
        fills = [slot.fill for slot in slots]

        def bind(values: Mapping[str, Any]) -> list[Any]:
            return [fill(values) for fill in fills]

    elif into is not None:  # what is left out is NULL, which columns that need a value refuse
        defaults = {
            column.name: column.default.arg
            for column in into.columns
            if column.default is not None and column.default.is_scalar
        }
        triples = [(slot.name, slot.convert, defaults.get(slot.name)) for slot in slots]

        def bind(values: Mapping[str, Any]) -> list[Any]:
            found = [(values.get(name, default), convert) for name, convert, default in triples]
            return [
                value if convert is None or value is None else convert(value)
                for value, convert in found
            ]

    else:
        pairs = [(slot.name, slot.convert) for slot in slots]

        def bind(values: Mapping[str, Any]) -> list[Any]:
            return [
                values[name] if convert is None else convert(values[name])
                for name, convert in pairs
            ]

    return (lambda values: dict(zip(names, bind(values), strict=True))) if named else bind


def _rounded(count: int) -> int:
    """Round a length up to a power of two, so that few forms are made."""
    if count < 1:
        raise ValueError("an empty list finds nothing; do not ask")
    return 1 << (count - 1).bit_length()


def table_of(model: Any) -> Table:
    """Return the table of a model."""
    table: Table = model.__table__
    return table


def translated(problem: Exception, sql: str, dialect: Dialect, connection: Any) -> DBAPIError:
    """Return a driver's error as SQLAlchemy would raise it, without the parameters."""
    lost = dialect.is_disconnect(problem, connection, None)  # type: ignore[arg-type]
    error = DBAPIError.instance(
        sql,
        None,
        problem,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    assert isinstance(error, DBAPIError)  # noqa: S101 - any driver's error is one
    return error
