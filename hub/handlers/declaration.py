"""Declare handlers: functions that run when something happens, and the event that they get."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

from hub.core.errors import Refused
from hub.endpoints.patterns import parse_patterns

F = TypeVar("F", bound=Callable[..., Any])
EXAMPLE = '@on("sms_delivered")'


@dataclass(frozen=True)
class Event:
    """An event that happened. It may arrive more than once, always with the same `id`.

    `data` has the fields that the event catalog lists, with the address and the text.
    """

    id: str
    type: str
    at: datetime
    source: str | None  # the slug of the signing app; None: it belongs to none
    test: bool  # it is about a test connection
    data: Mapping[str, Any]
    attempt: int  # from 1

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], attempt: int) -> Event:
        """Return the event of a payload, which is what webhooks contain."""
        return cls(
            id=payload["id"],
            type=payload["type"],
            at=datetime.fromisoformat(payload["at"]),
            source=payload["source"],
            test=bool(payload["test"]),
            data=MappingProxyType(dict(payload)),
            attempt=attempt,
        )


@dataclass(frozen=True)
class Handler:
    """A declared function. `problem`: a sentence if it cannot run."""

    name: str  # its module and its name, such as "acme_hooks:update_crm"
    function: Callable[[Event], object]
    patterns: tuple[str, ...]
    problem: str = ""


class Declarations:
    """The functions that `on` has marked in this process.

    `known_types`: the types of events, if the hub passed them to this process. A function with a
    problem is then listed with it, and the others of the same file run. Without them, as in an
    admin's own tests, `on` raises the problem.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.known_types: Collection[str] | None = None

    def add(self, function: Any, patterns: tuple[Any, ...]) -> None:
        """Add a function, or more patterns of a function. Raises TypeError or ValueError."""
        name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
        former = self.handlers.get(name)
        if former is not None and former.function is function:
            patterns = (*patterns, *former.patterns)
        handler = Handler(name, function, tuple(str(pattern) for pattern in patterns))
        try:
            self._check(handler, former)
        except (TypeError, ValueError) as problem:
            if self.known_types is None:
                raise
            handler = replace(handler, problem=str(problem))
        self.handlers[name] = handler

    def _check(self, handler: Handler, former: Handler | None) -> None:
        _check_function(handler.function)
        if former is not None and former.function is not handler.function:
            short_name = handler.name.partition(":")[2]
            raise ValueError(f"Two functions are named {short_name}. Rename one of them.")
        known_types = _catalog_types() if self.known_types is None else self.known_types
        try:
            parse_patterns(handler.patterns, known_types)
        except Refused as refusal:
            raise ValueError(str(refusal)) from None


declarations = Declarations()


def on(*patterns: str) -> Callable[[F], F]:
    """Run the function below for these events: names, or beginnings and a star such as `sms_*`.

    Raises TypeError for anything but a plain function with one argument, and ValueError for a
    pattern that matches no event.
    """
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"Name at least one event, as in {EXAMPLE}.")

    def mark(function: F) -> F:
        declarations.add(function, patterns)
        return function

    return mark


def _check_function(function: Any) -> None:
    if not isinstance(function, FunctionType) or inspect.iscoroutinefunction(function):
        raise TypeError(f"Write {EXAMPLE} above a plain function, not a class or an async one.")
    if inspect.isgeneratorfunction(function):
        raise TypeError("A handler must not use yield, because its body would never run.")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        name = function.__qualname__
        raise TypeError(f"{name} must accept one argument: def {name}(event): ...") from None


def _catalog_types() -> Collection[str]:
    """Return the types of all events. It loads every integration."""
    from hub.endpoints.catalog import handler_event_kinds

    return handler_event_kinds()
