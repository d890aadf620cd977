"""Fixtures of the whole run that make what most tests repeat take less time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import is_dataclass
from types import CodeType
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache, Undefined, UndefinedError
from jinja2.bccache import Bucket
from jinja2.utils import missing
from werkzeug.routing import Rule

from hub.accounts import passwords


@pytest.fixture(scope="session", autouse=True)
def cheap_password_hashes() -> Iterator[None]:
    """Hash passwords with the least work: the parameters of production take 20 ms each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_url_builders() -> Iterator[None]:
    """Compile the URL builder of each route once for all applications of this process.

    Werkzeug compiles two functions for each of a hundred routes, which is 95% of the time that an
    application takes to start. A function depends on nothing but the arguments of the key.
    """
    compile_builder = Rule._compile_builder
    builders: dict[Hashable, Callable[..., tuple[str, str]]] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        defaults = tuple(sorted((rule.defaults or {}).items()))
        key = (rule.rule, tuple(rule._trace), defaults, append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


class SharedTemplates(BytecodeCache):
    """The compiled templates of all applications of this process."""

    def __init__(self) -> None:
        self.compiled: dict[Hashable, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.compiled.get(self._key(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self.compiled[self._key(bucket)] = bucket.code

    @staticmethod
    def _key(bucket: Bucket) -> Hashable:
        environment = bucket.environment
        return (
            bucket.key,
            bucket.checksum,
            environment.trim_blocks,
            frozenset(environment.extensions),
        )


class CheckedUndefined(Undefined):
    """An undefined value that may be no field of a dataclass: its name is a mistake."""

    def __init__(self, hint: str | None = None, obj: Any = missing, **more: Any) -> None:
        super().__init__(hint, obj, **more)
        if is_dataclass(obj):
            raise UndefinedError(self._undefined_message)


@pytest.fixture(scope="session", autouse=True)
def shared_templates() -> Iterator[None]:
    """Compile each template once for all applications of this process: a page takes 70 ms less.

    A field that a dataclass does not have is an error here; in production it is blank.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Flask.jinja_options, "bytecode_cache", SharedTemplates())
        patch.setitem(Flask.jinja_options, "undefined", CheckedUndefined)
        yield
