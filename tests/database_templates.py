"""Fixtures of the databases with which tests begin, each of which is made once for a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from hub.db.engine import db
from tests import databases
from tests.databases import Template

Make = Callable[[str, Callable[[Flask, Path], Template], Template | None], Template]


@pytest.fixture(scope="session")
def make_template(
    tmp_path_factory: pytest.TempPathFactory,
    queue_url: str,
    postgres_url: str,
    secret_keys: dict[str, str],
) -> Make:
    """Return a function that makes a template in a folder of a name, from an earlier template."""

    def make(
        name: str, build: Callable[[Flask, Path], Template], earlier: Template | None
    ) -> Template:
        folder = tmp_path_factory.mktemp(name)
        if earlier is not None:
            earlier.copy_files(folder)
        with databases.template_app(folder, queue_url, postgres_url, secret_keys) as app:
            if earlier is not None and postgres_url:
                databases.restore(db.engine, earlier.schema)
            return build(app, folder)

    return make


@pytest.fixture(scope="session")
def migrated_database(make_template: Make) -> Template:
    """Migrate the database with which each test begins, once."""
    return make_template("migrated", databases.make_migrated, None)


@pytest.fixture(scope="session")
def demo_database(make_template: Make, migrated_database: Template) -> Template:
    """Prepare the demo once: the database with which tests of `hub_demo` begin."""
    return make_template("demo", databases.make_demo, migrated_database)


@pytest.fixture(scope="session")
def whole_demo_database(make_template: Make, demo_database: Template) -> Template:
    """Connect the demo's chats and email once: the database of tests of `chats_and_mail`."""
    return make_template("whole-demo", databases.make_whole_demo, demo_database)


@pytest.fixture
def template(request: pytest.FixtureRequest) -> Template:
    """Return the database with which this test begins."""
    name = "migrated_database"
    if "chats_and_mail" in request.fixturenames:
        name = "whole_demo_database"
    elif "demo_data" in request.fixturenames:
        name = "demo_database"
    found: Template = request.getfixturevalue(name)
    return found


@pytest.fixture
def demo_data() -> None:
    """Let the database begin with the demo's phone connections and its key."""


@pytest.fixture
def chats_and_mail(demo_data: None) -> None:
    """Let the database begin with the demo's connections to chats and email too."""
