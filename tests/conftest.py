"""Fixtures of all tests: applications, their databases, a queue server, users, the simulator."""

from __future__ import annotations

import base64
import os
import random
import re
import secrets
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import make_url
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

import hub
from hub.core import config
from hub.core.config import Config
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.run import queue_server
from hub.shared import audit
from tests import databases, effort, groups
from tests.database_templates import chats_and_mail as chats_and_mail
from tests.database_templates import demo_data as demo_data
from tests.database_templates import demo_database as demo_database
from tests.database_templates import make_template as make_template
from tests.database_templates import migrated_database as migrated_database
from tests.database_templates import template as template
from tests.database_templates import whole_demo_database as whole_demo_database
from tests.database_use import database_by_fixture as database_by_fixture
from tests.databases import Template
from tests.databases import close as close
from tests.postgres_connections import shared_connections
from tests.quick_setup import cheap_password_hashes as cheap_password_hashes
from tests.quick_setup import remembered_versions as remembered_versions
from tests.quick_setup import shared_routes as shared_routes
from tests.quick_setup import shared_statements as shared_statements
from tests.quick_setup import shared_templates as shared_templates
from tests.quick_setup import shared_url_rules as shared_url_rules
from tests.quick_setup import tmp_path as tmp_path

PASSWORD = "four words nobody knows"
POSTGRES = os.environ.get("HUB_TEST_DATABASE_URL", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip long tests in a short run, and begin with the largest groups.

    On PostgreSQL, tests without a database are left out: they would do what they do with SQLite.
    """
    if POSTGRES:
        items[:] = [item for item in items if groups.can_use_database(item)]
    if not effort.LONG:
        items[:] = [item for item in items if item.get_closest_marker("long") is None]
    items[:] = groups.largest_groups_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> groups.GroupScheduling:
    """Let tests of processes and clocks, and those that share a server, run in one process."""
    return groups.GroupScheduling(config, log)


# ── Servers, once for all tests ───────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def queue_url() -> Iterator[str]:
    """Run a real queue server and return its address."""
    # its own short path: a socket's path may have a hundred bytes only
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        folder = Path(name)
        queue_server.prepare(folder)
        server = subprocess.Popen(queue_server.command(folder), stdout=subprocess.DEVNULL)
        url = f"unix://{folder / 'queue.sock'}"
        with redis.Redis.from_url(url) as client:
            _wait_until_serving(client.ping)
        yield url
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="session")
def queue_client(queue_url: str) -> Iterator[redis.Redis]:
    """Return a client of the queue server that keeps its connection."""
    with redis.Redis.from_url(queue_url) as client:
        yield client


@pytest.fixture(scope="session")
def secret_keys() -> dict[str, str]:
    """Return the keys of all applications of this run, which share databases."""
    return {
        "HUB_SECRET_KEY": secrets.token_urlsafe(48),
        "HUB_ENCRYPTION_KEYS": "k1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


@contextmanager
def database() -> Iterator[str]:
    """Create a database on the server of HUB_TEST_DATABASE_URL, or return '' without one."""
    if not POSTGRES:
        yield ""
        return
    name = f"hub_{secrets.token_hex(6)}"
    server = make_url(POSTGRES)
    where = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Create a database for this run, or return '' without a server."""
    with database() as url, shared_connections() if url else nullcontext():
        yield url


@pytest.fixture(scope="session")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run a whole hub, which the tests of a group share."""
    from tests.live_hub import live_hub  # it imports this module

    with live_hub(tmp_path_factory.mktemp("shared")) as running:
        yield running


# ── One application for each test ─────────────────────────────────────────────────────────────────
@pytest.fixture
def settings() -> dict[str, str]:
    """Return settings that differ from the usual environment, for a module or class to override."""
    return {}


@pytest.fixture
def environ(
    tmp_path: Path,
    queue_url: str,
    queue_client: redis.Redis,
    postgres_url: str,
    template: Template,
    secret_keys: dict[str, str],
    settings: dict[str, str],
) -> dict[str, str]:
    """Return the environment of this test's application, also for separate processes."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    template.copy_files(folder)
    queue_client.flushall()
    return {
        "HUB_DATA_DIR": str(folder),
        "HUB_DATABASE_URL": postgres_url,
        "HUB_REDIS_URL": queue_url,
        "HUB_BIND": f"127.0.0.1:{free_port()}",
        "HUB_SIMULATOR_BIND": f"127.0.0.1:{free_port()}",
        "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{free_port()}",
        "HUB_DEMO": "1",
        **secret_keys,
        **settings,
    }


@pytest.fixture
def app(environ: dict[str, str], postgres_url: str, template: Template) -> Iterator[Flask]:
    """Create an application with the shipped routes and texts, and without users."""
    audit.act_as(audit.SYSTEM)  # the last test may have used another
    app = make_app(environ)
    with app.app_context():
        if postgres_url:
            databases.restore(db.engine, template.schema)
    yield app
    with app.app_context():
        close(app)


@pytest.fixture
def in_app(app: Flask) -> Iterator[Flask]:
    """Return the application with its context pushed, for tests of use cases."""
    with app.app_context():
        yield app


class Client(FlaskClient):
    """A test client that sends the host name of the hub, as the allowed hosts require."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        if args and isinstance(args[0], str):
            kwargs.setdefault("base_url", config_of(self.application).public_url)
        return super().open(*args, **kwargs)


def make_app(environ: dict[str, str]) -> Flask:
    """Create an application from an environment."""
    app = hub.create_app(config.load(environ))
    app.testing = True
    app.test_client_class = Client
    return app


def config_of(app: Flask) -> Config:
    """Return an application's settings."""
    found: Config = app.extensions["hub.config"]
    return found


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a test client without a signed-in user."""
    return app.test_client()


# ── People ────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Browser:
    """A browser that keeps cookies and sends the CSRF token, as the forms of pages do."""

    app: Flask
    email: str = ""
    user_id: str = ""
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.get(path, **kwargs)

    def post(self, path: str, data: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token(), **(data or {})}, **kwargs)

    def token(self) -> str:
        """Return the CSRF token of the session, which Flask-WTF makes for a page with a form."""
        with self.client.session_transaction(base_url=config_of(self.app).public_url) as session:
            own: str = session.setdefault("csrf_token", secrets.token_hex(20))
        serializer = URLSafeTimedSerializer(config_of(self.app).secret_key, salt="wtf-csrf-token")
        token: str = serializer.dumps(own)
        return token

    def sign_in(self, password: str = PASSWORD) -> TestResponse:
        return self.post("/sign-in", {"email": self.email, "password": password})


def tags_on_one_line(html: str) -> str:
    """Return a page with one space between the attributes of each tag, whatever its layout."""
    return re.sub(r"<[^>]*>", lambda tag: re.sub(r"\s+", " ", tag[0]), html)


def token_in(page: TestResponse) -> str:
    """Return the CSRF token of a page with a form."""
    match = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert match, f"no form on this page: {page.status}"
    return match[1]


@pytest.fixture
def browser_for(app: Flask) -> Callable[..., Browser]:
    """Return a function that adds a user and returns their browser, signed in by default."""

    def add(role: Role = Role.ADMIN, *, name: str = "", signed_in: bool = True) -> Browser:
        from hub.accounts import users

        name = name or f"Some {role.title}"
        email = f"{name.lower().replace(' ', '.')}@acme.example"
        with app.app_context():
            user_id = users.create_user(email, name, PASSWORD, role)
        browser = Browser(app, email, user_id)
        if signed_in:
            assert browser.sign_in().status_code == 303
        return browser

    return add


@pytest.fixture
def admin(browser_for: Callable[..., Browser]) -> Browser:
    """Return an admin's browser."""
    return browser_for(Role.ADMIN, name="Dana Whitfield")


@pytest.fixture
def anonymous(app: Flask) -> Browser:
    """Return a browser without a signed-in user."""
    return Browser(app)


# ── The provider's stand-in ───────────────────────────────────────────────────────────────────────
@pytest.fixture
def simulator(app: Flask) -> Iterator[Any]:
    """Run the simulator at the address of this test's connections."""
    from hub.simulator import create_simulator

    settings = config_of(app)
    stand_in = create_simulator(settings)
    with serving(stand_in, settings.simulator_bind.port):
        yield stand_in
    stand_in.extensions["simulator"].stop()


@contextmanager
def serving(app: Any, port: int) -> Iterator[None]:
    """Serve an application on a loopback port."""
    earlier = set(threading.enumerate())
    try:
        server = make_server("127.0.0.1", port, app, threaded=True)
    except SystemExit as error:  # pytest would not undo the fixtures of the test
        raise OSError(f"port {port} is in use") from error
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
        _join_request_threads(earlier, seconds=2)


def _join_request_threads(earlier: set[threading.Thread], seconds: float) -> None:
    """Wait for requests that are still running: each may have a connection to the database."""
    deadline = time.monotonic() + seconds
    for thread in set(threading.enumerate()) - earlier:
        if "process_request_thread" in thread.name and thread.is_alive():
            thread.join(max(deadline - time.monotonic(), 0))


def free_port() -> int:
    """Return a port that is not in use, and that this process has not returned for a while."""
    for _ in PORTS:
        port = next(_next_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


# Outgoing connections get ports above these, so that none takes a port between its choice and its
# use. Each process of both runs, on SQLite and on PostgreSQL, has ports that no other one chooses.
PORTS = range(10_000, 32_000)
PROCESSES = 16
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw7").removeprefix("gw"))
_own_ports = PORTS[(2 * _worker + bool(POSTGRES)) % PROCESSES :: PROCESSES]
_first = random.SystemRandom().randrange(len(_own_ports))
_next_ports = cycle([*_own_ports[_first:], *_own_ports[:_first]])


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the value of a condition as soon as it is true, and fail the test after a while."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds"
        time.sleep(0.02)
    return found


def _wait_until_serving(answers: Callable[[], Any]) -> None:
    for _ in range(250):
        try:
            answers()
            return
        except redis.RedisError:
            time.sleep(0.02)
    answers()
