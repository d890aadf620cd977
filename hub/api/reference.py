"""Convert the OpenAPI document into rows for the API reference, a page without JavaScript."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MAX_DEPTH = 6  # levels of a schema that are shown; deeper objects are only named
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Property:
    """One field of a body or one parameter."""

    name: str
    kind: str  # in words: text, number, list of …
    description: str = ""
    required: bool = False
    location: str = ""  # path, query or header; empty in a body
    options: tuple[str, ...] = ()
    default: str = ""
    limits: str = ""
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True)
class ResponseDoc:
    """A response of an operation: its status and its properties."""

    status: str
    description: str
    properties: tuple[Property, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class Operation:
    """One operation of the API."""

    id: str
    method: str
    path: str
    title: str
    description: str
    parameters: tuple[Property, ...]
    body: tuple[Property, ...]
    example: str
    responses: tuple[ResponseDoc, ...]
    curl: str


@dataclass(frozen=True)
class Group:
    """The operations with one tag."""

    title: str
    description: str
    operations: list[Operation] = field(default_factory=list)


def groups(document: Mapping[str, Any], server: str) -> list[Group]:
    """Group an OpenAPI 3.1 document's operations by their first tag, in the document's order."""
    descriptions = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    by_title: dict[str, Group] = {}
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method not in item:
                continue
            operation = item[method]
            title = (operation.get("tags") or ["Other"])[0]
            group = by_title.setdefault(title, Group(title, descriptions.get(title, "")))
            shared = item.get("parameters", [])
            group.operations.append(_operation(document, server, method, path, operation, shared))
    order = [*descriptions, *(title for title in by_title if title not in descriptions)]
    return [by_title[title] for title in order if title in by_title]


def _operation(
    document: Mapping[str, Any],
    server: str,
    method: str,
    path: str,
    operation: Mapping[str, Any],
    shared: list[Any],
) -> Operation:
    declared = [*shared, *operation.get("parameters", [])]
    parameters = [_resolve(document, parameter) for parameter in declared]
    request_body = _resolve(document, operation.get("requestBody", {}))
    form = request_body.get("content", {}).get("multipart/form-data", {})
    body = form or _json(request_body)
    example = "" if form else _example(document, body)
    return Operation(
        id=operation.get("operationId")
        or f"{method}{path.replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        title=operation.get("summary") or f"{method.upper()} {path}",
        description=operation.get("description", ""),
        parameters=tuple(_parameter(document, parameter) for parameter in parameters),
        body=tuple(_properties(document, body.get("schema", {}))),
        example=example,
        responses=tuple(
            _response(document, status, response)
            for status, response in sorted(operation.get("responses", {}).items())
        ),
        curl=_curl(server, method, path, parameters, example, form),
    )


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Property:
    property_ = _property(
        document,
        parameter["name"],
        parameter.get("schema", {}),
        parameter.get("required", False),
        MAX_DEPTH,
    )
    description = parameter.get("description") or property_.description
    return replace(property_, description=description, location=parameter["in"], properties=())


def _response(document: Mapping[str, Any], status: str, response: Mapping[str, Any]) -> ResponseDoc:
    response = _resolve(document, response)
    body = _json(response)
    properties = tuple(_properties(document, body.get("schema", {})))
    return ResponseDoc(
        status, response.get("description", ""), properties, _example(document, body)
    )


def _json(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON media type of a body; problem details are JSON too."""
    return next(
        (
            media
            for kind, media in body.get("content", {}).items()
            if kind.partition(";")[0].endswith("json")
        ),
        {},
    )


def _resolve(document: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """Follow `$ref`, and unwrap a choice between one thing and null."""
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    choices = schema.get("anyOf", schema.get("oneOf", ()))
    branches = [branch for branch in choices if branch.get("type") != "null"]
    if len(branches) == 1:
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        return {**_resolve(document, branches[0]), **rest}
    if len(schema.get("allOf", ())) == 1:
        return {
            **_resolve(document, schema["allOf"][0]),
            **{key: value for key, value in schema.items() if key != "allOf"},
        }
    resolved: Mapping[str, Any] = schema
    return resolved


def _properties(
    document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = MAX_DEPTH
) -> Iterator[Property]:
    schema = _resolve(document, schema)
    if schema.get("type") == "array":
        schema = _resolve(document, schema.get("items", {}))
    if depth <= 0:
        return
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        yield _property(document, name, inner, name in required, depth)


def _property(
    document: Mapping[str, Any], name: str, schema: Mapping[str, Any], required: bool, depth: int
) -> Property:
    schema = _resolve(document, schema)
    inner = _resolve(document, schema.get("items", {})) if schema.get("type") == "array" else schema
    values = inner.get("enum", [inner["const"]] if "const" in inner else ())
    options = tuple(str(value) for value in values)
    default = schema.get("default")
    return Property(
        name=name,
        kind=_type_name(document, schema),
        description=schema.get("description", ""),
        required=required,
        options=options,
        default="" if default in (None, "", [], {}) else json.dumps(default, ensure_ascii=False),
        limits=", ".join(
            f"{label} {_limit(schema[key])}" for key, label in LIMITS.items() if key in schema
        ),
        properties=tuple(_properties(document, schema, depth - 1)),
    )


def _type_name(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolve(document, schema)
    kind = schema.get("type", "")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "")
    if kind == "array":
        return f"list of {PLURALS.get(kind := _type_name(document, schema.get('items', {})), kind)}"
    if kind == "string":
        return FORMATS.get(schema.get("format", ""), "string")
    branches = schema.get("anyOf", schema.get("oneOf", ()))
    if branches:
        kinds = [
            _type_name(document, branch) for branch in branches if branch.get("type") != "null"
        ]
        return " or ".join(dict.fromkeys(kinds))
    return KINDS.get(kind, "any value")


def _example(document: Mapping[str, Any], media: Mapping[str, Any]) -> str:
    if not media:
        return ""
    example = media.get("example")
    if example is None and media.get("examples"):
        example = next(iter(media["examples"].values())).get("value")
    if example is None:
        example = _sample(document, media.get("schema", {}), MAX_DEPTH)
    return "" if example in (None, {}, []) else json.dumps(example, indent=2, ensure_ascii=False)


def _sample(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    """Return an example of a schema, made from the examples of its parts.

    An optional part without an example is omitted.
    """
    schema = _resolve(document, schema)
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [_sample(document, schema.get("items", {}), depth - 1)] if depth > 0 else []
    if "properties" in schema and depth <= 0:
        return {}
    if "properties" in schema:
        required = schema.get("required", ())
        parts = {
            name: _sample(document, part, depth - 1) for name, part in schema["properties"].items()
        }
        return {
            name: value
            for name, value in parts.items()
            if name in required or value not in (None, {}, [], "")
        }
    return SAMPLES.get(schema.get("type", ""))


def _curl(
    server: str,
    method: str,
    path: str,
    parameters: list[Mapping[str, Any]],
    example: str,
    form: Mapping[str, Any],
) -> str:
    command = [
        "curl",
        "-s",
        *([] if method == "get" or example or form else ["-X", method.upper()]),
    ]
    lines = [
        " ".join([*command, shlex.quote(server.rstrip("/") + path)]),
        '-H "Authorization: Bearer $SIGNPOST_KEY"',
    ]
    lines += [
        f'-H "{parameter["name"]}: …"'
        for parameter in parameters
        if parameter["in"] == "header" and parameter.get("required")
    ]
    if example:
        lines += [
            '-H "Content-Type: application/json"',
            f"-d {shlex.quote(json.dumps(json.loads(example), ensure_ascii=False))}",
        ]
    lines += [f"-F {name}=@signed.pdf" for name in form.get("schema", {}).get("required", ())]
    return " \\\n  ".join(lines)


def _limit(value: Any) -> Any:
    """Return a limit without a fraction that is zero: 1 for 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


LIMITS = {
    "minLength": "minimum length:",
    "maxLength": "maximum length:",
    "minimum": "minimum",
    "maximum": "maximum",
    "minItems": "minimum entries:",
    "maxItems": "maximum entries:",
    "pattern": "pattern:",
}
FORMATS = {"date-time": "time", "email": "email address", "uri": "URL", "uuid": "ID"}
KINDS = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "object": "object",
    "string": "string",
}
PLURALS = {
    "object": "objects",
    "string": "strings",
    "integer": "integers",
    "number": "numbers",
    "URL": "URLs",
}
SAMPLES: dict[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": True}
