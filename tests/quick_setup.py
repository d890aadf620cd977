"""Fixtures of the whole run that make what most tests repeat take less time."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Hashable, Iterator
from dataclasses import is_dataclass
from functools import cache
from itertools import count
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache, Undefined, UndefinedError
from jinja2.bccache import Bucket
from jinja2.utils import missing
from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule
from werkzeug.routing.matcher import State, StateMachineMatcher

from hub.accounts import passwords

_folder_numbers = count(1)


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder for this test, numbered in the order of the tests.

    pytest's own fixture lists the folders of all earlier tests to find the next number.
    """
    folder = tmp_path_factory.getbasetemp() / f"test-{next(_folder_numbers)}"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session", autouse=True)
def remembered_versions() -> Iterator[None]:
    """Read the version of each package once: redis-py parses its metadata for each connection."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", cache(importlib.metadata.version))
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_password_hashes() -> Iterator[None]:
    """Hash passwords with the least work: the parameters of production take 20 ms each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_url_rules() -> Iterator[None]:
    """Compile the URL rule of each route once for all applications of this process.

    Werkzeug compiles a pattern and two functions for each of 150 routes, which is nearly all of the
    time that an application takes to start. They depend on nothing but the values of the key.
    """
    compile_rule = Rule.compile
    rules: dict[Hashable, Rule] = {}

    def compile_once(rule: Rule) -> None:
        defaults = tuple(sorted((rule.defaults or {}).items()))
        converters = tuple(rule.map.converters.values())
        key = (rule.rule, rule.subdomain, rule.host, defaults, rule.merge_slashes, converters)
        if (same := rules.get(key)) is None:
            compile_rule(rule)
            rules[key] = rule
            return
        rule._parts = same._parts
        rule._trace = same._trace
        rule._converters = same._converters
        rule.arguments |= same.arguments
        rule._build = same._build.__func__.__get__(rule, None)  # type: ignore[attr-defined]
        build: Any = same._build_unknown
        rule._build_unknown = build.__func__.__get__(rule, None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", compile_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_routes(shared_url_rules: None) -> Iterator[None]:
    """Build the tree in which Werkzeug searches a route once for all applications with its rules.

    A rule of an earlier application equals that of a later one in everything that a match reads.
    """
    add_rule = StateMachineMatcher.add
    sort = StateMachineMatcher.update
    trees: dict[Hashable, tuple[State, list[Rule]]] = {}

    def keep_rule(matcher: StateMachineMatcher, rule: Rule) -> None:
        vars(matcher).setdefault("rules", []).append(rule)

    def use_tree(matcher: StateMachineMatcher) -> None:
        rules = vars(matcher).get("rules", [])
        key = tuple(map(_what_a_match_reads, rules))
        if key not in trees:
            matcher._root = State()
            for rule in rules:
                add_rule(matcher, rule)
            sort(matcher)
            trees[key] = (matcher._root, rules)
        matcher._root = trees[key][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StateMachineMatcher, "add", keep_rule)
        patch.setattr(StateMachineMatcher, "update", use_tree)
        yield


def _what_a_match_reads(rule: Rule) -> Hashable:
    """Return what differs between rules. The parts of equal rules are one list (see above)."""
    return (
        id(rule._parts),
        rule.endpoint,
        frozenset(rule.methods or ()),
        rule.provide_automatic_options,  # type: ignore[attr-defined]
        rule.strict_slashes,
        rule.websocket,
        rule.alias,
        rule.redirect_to,
        rule.map.redirect_defaults,
    )


@pytest.fixture(scope="session", autouse=True)
def shared_statements() -> Iterator[None]:
    """Compile each statement once for all engines of this process, which use the same settings.

    SQLAlchemy keeps compiled statements by engine and by its dialect, and each test has its own.
    """
    statements = LRUCache[Any, Any](5000)
    shared = property(lambda _: statements, lambda _, own: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_compiled_cache", shared, raising=False)
        patch.setattr(DefaultDialect, "__eq__", lambda one, other: type(one) is type(other))
        patch.setattr(DefaultDialect, "__hash__", lambda one: hash(type(one)))
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
