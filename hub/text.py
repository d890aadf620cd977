"""Text of messages: rendering templates, counting SMS segments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import gsm0338
from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_codec = gsm0338.Codec()


@lru_cache(maxsize=512)
def _compile(source: str) -> Template:
    return _environment.from_string(source)


@lru_cache(maxsize=512)
def names_in(source: str) -> frozenset[str]:
    """Return the names that a template refers to; none for one that does not work."""
    try:
        return frozenset(find_undeclared_variables(_environment.parse(source)))
    except TemplateSyntaxError:
        return frozenset()


def render(source: str, values: Mapping[str, Any]) -> str:
    """Fill a template. Raises ValueError that names what is wrong, never the values."""
    try:
        return _compile(source).render(values).strip()
    except (TemplateSyntaxError, UndefinedError) as problem:
        raise ValueError(f"The template does not work: {(problem.message or type(problem).__name__).rstrip('.')}.") from None
    except Exception as problem:  # whatever a template may do, and its words may quote a value
        raise ValueError(f"The template does not work: {type(problem).__name__}.") from None


def segments(text: str) -> int:
    """Count the SMS segments of a text, as carriers bill them.

    GSM 03.38: 160 septets, or 153 in each of several; a character of the extension table takes two, kept together.
    Anything else is UCS-2: 70 UTF-16 units, or 67 in each of several; a surrogate pair is kept together.
    """
    if not text:
        return 0
    try:
        sizes, alone, many = [len(_codec.encode(char)[0]) for char in text], 160, 153
    except UnicodeEncodeError:
        sizes, alone, many = [len(char.encode("utf-16-le")) // 2 for char in text], 70, 67
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        if used + size > many:
            count, used = count + 1, 0
        used += size
    return count
