"""Run the web server in separate processes, with the demo's connections in its database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from hub.connections import demo
from hub.run import up
from hub.shared import audit
from tests import servers
from tests.conftest import close, config_of, database, free_port, make_app
from tests.databases import Template


@pytest.fixture(scope="module")
def web_environ(
    tmp_path_factory: pytest.TempPathFactory,
    queue_url: str,
    migrated_database: Template,
    secret_keys: dict[str, str],
) -> Iterator[dict[str, str]]:
    """Return the environment of a hub that all tests of a module share."""
    folder = tmp_path_factory.mktemp("web") / "data"
    folder.mkdir(mode=0o700)
    with database() as url:
        if not url:
            migrated_database.copy_files(folder)
        yield {
            "HUB_DATA_DIR": str(folder),
            "HUB_DATABASE_URL": url,
            "HUB_REDIS_URL": queue_url,
            "HUB_BIND": f"127.0.0.1:{free_port()}",
            "HUB_SIMULATOR_BIND": f"127.0.0.1:{free_port()}",
            "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{free_port()}",
            "HUB_DEMO": "1",
            **secret_keys,
        }


@pytest.fixture(scope="module")
def hub_app(web_environ: dict[str, str]) -> Iterator[Flask]:
    """Return an application on the same database, with its context pushed."""
    audit.act_as(audit.SYSTEM)
    app = make_app(web_environ)
    with app.app_context():
        up.migrate()
        demo.prepare()
        yield app
        close(app)


@pytest.fixture(scope="module")
def web(
    hub_app: Flask, web_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Run `hub web` and return an environment with its address."""
    with servers.running_server("hub web", web_environ, tmp_path_factory.mktemp("log")):
        yield web_environ


@pytest.fixture(scope="module")
def key(hub_app: Flask) -> str:
    """Return the demo's API key."""
    return (config_of(hub_app).data_dir / "demo-key").read_text().strip()
