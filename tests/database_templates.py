"""Fixtures of the databases with which tests begin, each of which is made once for a run."""

from __future__ import annotations

import pytest

from hub.db.engine import db
from tests import databases
from tests.databases import Template


@pytest.fixture(scope="session")
def migrated_database(
    tmp_path_factory: pytest.TempPathFactory,
    queue_url: str,
    postgres_url: str,
    secret_keys: dict[str, str],
) -> Template:
    """Migrate the database with which each test begins, once."""
    folder = tmp_path_factory.mktemp("migrated")
    with databases.template_app(folder, queue_url, postgres_url, secret_keys) as app:
        return databases.make_migrated(app, folder)


@pytest.fixture(scope="session")
def demo_database(
    tmp_path_factory: pytest.TempPathFactory,
    queue_url: str,
    postgres_url: str,
    secret_keys: dict[str, str],
    migrated_database: Template,
) -> Template:
    """Prepare the demo once: the database with which tests of `hub_demo` begin."""
    folder = tmp_path_factory.mktemp("demo")
    migrated_database.copy_files(folder)
    with databases.template_app(folder, queue_url, postgres_url, secret_keys) as app:
        if postgres_url:
            databases.restore(db.engine, migrated_database.schema)
        return databases.make_demo(app, folder)


@pytest.fixture(scope="session")
def whole_demo_database(
    tmp_path_factory: pytest.TempPathFactory,
    queue_url: str,
    postgres_url: str,
    secret_keys: dict[str, str],
    demo_database: Template,
) -> Template:
    """Connect the demo's chats and email once: the database of tests of `chats_and_mail`."""
    folder = tmp_path_factory.mktemp("whole-demo")
    demo_database.copy_files(folder)
    with databases.template_app(folder, queue_url, postgres_url, secret_keys) as app:
        if postgres_url:
            databases.restore(db.engine, demo_database.schema)
        return databases.make_whole_demo(app, folder)


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
