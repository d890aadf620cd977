"""Templates that a provider keeps, and what fills them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.lib.text import one_line


@dataclass(frozen=True)
class FilledTemplate:
    """A provider's approved template, by its provider ID, with the values of its variables.

    `letterhead` has variables that are known only when the message is sent, each with the name of
    its value: only for integrations with `uses_letterhead`, which fill them in `send`.
    """

    id: str
    variables: Mapping[str, str] = field(default_factory=dict)
    letterhead: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cleaned = {name: one_line(value) for name, value in self.variables.items()}
        object.__setattr__(self, "variables", cleaned)


@dataclass(frozen=True)
class TemplateInfo:
    """One of a provider's templates.

    `state` is the provider's name of the state: only an `approved` template may be sent.
    """

    id: str
    name: str
    locale: str
    state: str
    category: str = ""
    kind: str = ""
    reason: str = ""  # why it was rejected
    text: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)  # with a sample of each
