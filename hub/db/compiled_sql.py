"""Statements for hot paths, compiled once for the driver and executed on its connection.

SQLAlchemy Core defines the statements and converts values. What is skipped is SQLAlchemy's work
around each execution, which takes several times as long as the database needs for a row or two.
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

Converter = Callable[[Any], Any]
Row = tuple[Any, ...]


class UnreadableRow(ValueError):
    """A stored value does not fit its column. `column` is for example consents.at."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(f"{column} contains a value that cannot be read.")


PG_NUMERIC = 1700  # type ID that SQLAlchemy's conversion of PostgreSQL numbers requires


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """A statement for the driver: its text, its parameters and its result converters."""

    sql: str
    bind: Callable[[Mapping[str, Any]], Any]
    converters: tuple[tuple[int, Converter], ...] = ()  # by index of the column
    names: tuple[str, ...] = ()  # of all columns, for error messages

    def convert_rows(self, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """Return rows of the driver as Python values. Raises UnreadableRow."""
        converted = []
        index = 0
        try:
            for row in rows:
                values = list(row)
                for index, convert in self.converters:
                    if values[index] is not None:
                        values[index] = convert(values[index])
                converted.append(tuple(values))
        except Exception as error:
            raise UnreadableRow(self.names[index] if self.names else "?") from error
        return converted


class Statement:
    """A SELECT, INSERT, UPDATE or DELETE, compiled once for each dialect and length of its lists.

    Values are given by the names of its `bindparam`s. A `list_param` needs a list that is not
    empty.
    """

    def __init__(self, core: Any, *, on_conflict_do_nothing: bool = False) -> None:
        self._core = core
        self._on_conflict_do_nothing = on_conflict_do_nothing
        self._lists = tuple(
            name
            for bind, name in core.compile().bind_names.items()
            if bind.expanding and bind.required
        )
        self._compiled: dict[tuple[Any, ...], CompiledStatement] = {}

    @classmethod
    def insert(cls, table: Any, *, on_conflict_do_nothing: bool = False) -> Statement:
        """Return an INSERT. A missing value is the column's plain default, or NULL.

        `on_conflict_do_nothing` skips rows whose unique key exists.
        """
        return cls(
            table.insert().values(
                {column.name: bindparam(column.name, type_=column.type) for column in table.columns}
            ),
            on_conflict_do_nothing=on_conflict_do_nothing,
        )

    def compiled_for(self, dialect: Dialect, values: Mapping[str, Any]) -> CompiledStatement:
        """Return the compiled statement for these values."""
        lengths: tuple[int, ...] = ()
        if self._lists:
            lengths = tuple([_round_up(len(values[name])) for name in self._lists])
        compiled = self._compiled.get((dialect.name, lengths))
        if compiled is None:
            compiled = self._compiled[dialect.name, lengths] = self._compile(
                dialect, dict(zip(self._lists, lengths, strict=True))
            )
        return compiled

    def _compile(self, dialect: Dialect, lengths: Mapping[str, int]) -> CompiledStatement:
        compiled: SQLCompiler = self._core.compile(dialect=dialect)
        example_lists = {name: [None] * lengths[name] for name in lengths}
        example_values = {
            name: example_lists.get(name, bind.effective_value)
            for bind, name in compiled.bind_names.items()
        }
        state = compiled.construct_expanded_state(example_values, escape_names=False)
        parameters: dict[str, _Parameter] = {}
        for bind, name in compiled.bind_names.items():
            convert = _bind_converter(bind.type, dialect)
            names = state.parameter_expansion.get(name)
            for index, placeholder in enumerate([name] if names is None else names):
                parameters[placeholder] = _Parameter(
                    placeholder, name, convert, None if names is None else index, bind
                )
        ordered_parameters = (
            [parameters[name] for name in state.positiontup or ()]
            if compiled.positional
            else list(parameters.values())
        )
        columns = list(self._core.selected_columns) if isinstance(self._core, Select) else []
        column_types = [column.type for column in columns]
        converts = tuple(
            (index, convert)
            for index, column_type in enumerate(column_types)
            if (convert := _result_converter(column_type, dialect)) is not None
        )
        sql = state.statement + (" ON CONFLICT DO NOTHING" if self._on_conflict_do_nothing else "")
        target_table = self._core.table if isinstance(self._core, Insert) else None
        return CompiledStatement(
            sql,
            _parameter_builder(
                ordered_parameters, uses_names=not compiled.positional, target_table=target_table
            ),
            converts,
            tuple(str(column) for column in columns),
        )


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter of the driver and the value that it gets."""

    placeholder: str
    name: str
    convert: Converter | None
    index: int | None  # in the list
    bind: BindParameter[Any]

    def constant(self) -> Any:
        """Return the value for the driver that the statement itself contains, if it does."""
        if self.bind.required:
            return None
        value: Any = self.bind.effective_value
        if self.index is not None:
            value = value[min(self.index, len(value) - 1)]
        return value if self.convert is None else self.convert(value)


def _bind_converter(column_type: Any, dialect: Dialect) -> Converter | None:
    if isinstance(column_type, TypeDecorator):  # the hub's types return values for the driver
        return partial(column_type.process_bind_param, dialect=dialect)
    convert: Converter | None = (
        None
        if isinstance(column_type, LargeBinary)
        else column_type.dialect_impl(dialect).bind_processor(dialect)
    )
    return convert


def _result_converter(column_type: Any, dialect: Dialect) -> Converter | None:
    # the strict reader of a type raises an error for an invalid value
    if isinstance(column_type, TypeDecorator):
        return partial(
            getattr(column_type, "read_strictly", column_type.process_result_value), dialect=dialect
        )
    if isinstance(column_type, Boolean):
        return _to_bool
    if isinstance(column_type, String | Integer):
        return None  # unchanged
    convert: Converter | None = (
        None
        if isinstance(column_type, LargeBinary)
        else column_type.dialect_impl(dialect).result_processor(dialect, PG_NUMERIC)
    )
    return convert


def _to_bool(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError("not a Boolean value")
    return bool(value)


def _parameter_builder(
    parameters: Sequence[_Parameter], *, uses_names: bool, target_table: Any
) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that makes the driver's parameters from values.

    It uses plain loops, because it runs for each row.
    """
    names = [parameter.placeholder for parameter in parameters]
    if any(parameter.index is not None or not parameter.bind.required for parameter in parameters):
        bind = _list_builder(parameters)
    elif target_table is not None:
        bind = _insert_builder(parameters, target_table)
    else:
        pairs = [(parameter.name, parameter.convert) for parameter in parameters]

        def bind(values: Mapping[str, Any]) -> list[Any]:
            return [
                values[name] if convert is None else convert(values[name])
                for name, convert in pairs
            ]

    return (lambda values: dict(zip(names, bind(values), strict=True))) if uses_names else bind


def _list_builder(parameters: Sequence[_Parameter]) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return a builder for lists, and for values that the statement itself contains."""
    template = [parameter.constant() for parameter in parameters]
    given = [
        (position, parameter.name, parameter.index, parameter.convert)
        for position, parameter in enumerate(parameters)
        if parameter.bind.required
    ]

    def bind(values: Mapping[str, Any]) -> list[Any]:
        row = template.copy()
        for position, name, index, convert in given:
            value = values[name]
            if index is not None:
                # the last value fills the remaining parameters
                value = value[index] if index < len(value) else value[-1]
            row[position] = value if convert is None else convert(value)
        return row

    return bind


def _insert_builder(
    parameters: Sequence[_Parameter], target_table: Any
) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return a builder for a new row. A missing value is NULL, which required columns refuse."""
    defaults = {
        column.name: column.default.arg
        for column in target_table.columns
        if column.default is not None and column.default.is_scalar
    }
    triples = [
        (parameter.name, parameter.convert, defaults.get(parameter.name))
        for parameter in parameters
    ]

    def bind(values: Mapping[str, Any]) -> list[Any]:
        return [
            value
            if (value := values.get(name, default)) is None or convert is None
            else convert(value)
            for name, convert, default in triples
        ]

    return bind


def _round_up(count: int) -> int:
    """Round a length up to a power of two, to limit the number of compiled statements."""
    if count < 1:
        raise ValueError("the list is empty; skip the query instead")
    return 1 << (count - 1).bit_length()


def get_table(model: Any) -> Table:
    """Return the table of a model."""
    table: Table = model.__table__
    return table


def translate_error(
    driver_error: Exception, sql: str, dialect: Dialect, connection: Any
) -> DBAPIError:
    """Return a driver's error as SQLAlchemy would raise it, without the parameters."""
    lost = dialect.is_disconnect(driver_error, connection, None)  # type: ignore[arg-type]
    error = DBAPIError.instance(
        sql,
        None,
        driver_error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    assert isinstance(error, DBAPIError)  # noqa: S101 - any driver's error is one
    return error
