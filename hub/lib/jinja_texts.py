"""Fill message texts in Jinja, which version 0.2.0 stored. New texts use `hub.lib.text_grammar`.

Only conditions and a few filters are accepted, because the sandbox of Jinja limits neither the
work nor the memory of a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hub.lib.text import Joined, clean_line, isolate

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_ALLOWED_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Const,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
)
_ALLOWED_FILTERS = {"capitalize", "d", "default", "lower", "title", "trim", "upper"}
MAX_LENGTH = 10_000  # characters


class NotAccepted(ValueError):
    """A text uses a construct that Signpost does not render."""


@lru_cache(maxsize=128)
def _compile(source: str) -> Template:
    """Compile a text. Raises NotAccepted, TemplateSyntaxError."""
    if len(source) > MAX_LENGTH:
        raise NotAccepted("The template has an error: it is too long.")
    _check(_environment.parse(source))
    return _environment.from_string(source)


def _check(node: nodes.Node) -> None:
    is_allowed = isinstance(node, _ALLOWED_NODES)
    if isinstance(node, nodes.Filter):
        is_allowed = node.name in _ALLOWED_FILTERS
    if not is_allowed:
        raise NotAccepted(f"The template has an error: {type(node).__name__} is not accepted.")
    for child in node.iter_child_nodes():
        _check(child)


def is_safe(source: str) -> bool:
    """Return whether a text has only constructs that are accepted."""
    try:
        _compile(source)
    except (ValueError, TemplateSyntaxError, RecursionError):
        return False
    return True


@lru_cache(maxsize=128)
def names_in(source: str) -> frozenset[str]:
    """Return the names that a text refers to, or none for an invalid text."""
    try:
        return frozenset(find_undeclared_variables(_environment.parse(source)))
    except TemplateSyntaxError:
        return frozenset()


def render(source: str, values: Mapping[str, Any], *, isolated: bool = False) -> str:
    """Fill a text with values, each as one line. Raises ValueError that never quotes a value.

    `isolated` prevents right-to-left values from reordering the text around them.
    """
    cleaned = {
        name: _clean_value(value, isolated) if isinstance(value, str) else value
        for name, value in values.items()
    }
    try:
        return _compile(source).render(cleaned).strip()
    except (TemplateSyntaxError, UndefinedError) as error:
        raise ValueError(
            f"The template has an error: {(error.message or type(error).__name__).rstrip('.')}."
        ) from None
    except NotAccepted:
        raise
    except Exception as error:  # the error's own message may quote a value
        raise ValueError(f"The template has an error: {type(error).__name__}.") from None


def _clean_value(value: str, isolated: bool) -> str:
    if isolated and isinstance(value, Joined):
        return value
    line = clean_line(value)
    return isolate(line) if isolated else line


def convert(source: str) -> str:
    """Return a text of 0.2.0 in the new grammar, as far as it only has values and conditions."""
    text = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: f"(({match[1]}))", source)
    return re.sub(
        r"\{%\s*if \w+\s*%\}((?:(?!\{%).)*)\{%\s*endif\s*%\}", r"[[\1]]", text, flags=re.DOTALL
    )
