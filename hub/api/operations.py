"""Declare the operations of the API with their views: their description and required scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel

from hub.core.vocabulary import Scope

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The description of a view in the OpenAPI document."""

    id: str
    tag: str
    summary: str
    description: str
    scope: Scope
    status: int  # of a successful response
    response: type[BaseModel]
    errors: str = "401"  # statuses, besides those that every operation has
    body: type[BaseModel] | None = None
    body_required: bool = True
    example: Any = None  # of the body
    file: str = ""  # the description of the uploaded file
    query: type[BaseModel] | None = None
    idempotent: bool = False  # whether the view reads `Idempotency-Key`


@dataclass(frozen=True)
class Route:
    """An operation with its method and path."""

    endpoint: str
    method: str  # in lower case
    path: str  # with parameters in braces: /api/v1/messages/{message_id}
    operation: Operation


_declared: dict[Callable[..., Any], Operation] = {}


def operation(**description: Any) -> Callable[[View], View]:
    """Declare the operation of the decorated view. Takes the fields of `Operation`."""

    def declare(view: View) -> View:
        _declared[view] = Operation(**description)
        return view

    return declare


def find_operation(app: Flask, endpoint: str | None) -> Operation | None:
    """Return the operation of an endpoint, or None if its view declares none."""
    view = app.view_functions.get(endpoint or "")
    return None if view is None else _declared.get(view)


def list_routes(app: Flask) -> Iterator[Route]:
    """Return every operation of the application with its path, in the order of registration."""
    for rule in app.url_map.iter_rules():
        if declared := find_operation(app, rule.endpoint):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield Route(rule.endpoint, method.lower(), path, declared)
