"""Run everything in one terminal: the processes of `hub up`, their order, and the text at the
start.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hub.core.config import Config
from hub.core.errors import ConfigError, HubError
from hub.core.vocabulary import QUEUES
from hub.run import ports, processes, queue_server, supervisor
from hub.run.supervisor import Child
from hub.run.terminal import BOLD, CYAN, DIM, YELLOW, paint

if TYPE_CHECKING:
    from flask import Flask

# seconds in which processes of a killed hub end; after that, their addresses count as used
LEFTOVER_SECONDS = 5.0


@cache
def background_app() -> Flask:
    """Return the application of workers and cron. It is created once, and children inherit it."""
    import hub

    # these processes serve no requests, and the pages take 16 MB
    return hub.create_app(blueprints=False)


def worker(queue: str) -> Child:
    """Return the worker of one queue as a child process."""

    def work() -> None:
        from hub.jobs import worker

        worker.run_worker(queue, background_app())

    return Child(f"worker {queue}", work)


def cron() -> None:
    """Run periodic jobs every second until a signal asks to stop."""
    from hub.jobs import cron

    cron.run(background_app())


def children(config: Config) -> list[Child]:
    """Return the processes of a whole hub."""
    from hub import simulator
    from hub.run import web_server

    processes_to_run = []
    if config.embedded_queue:
        processes_to_run.append(
            Child(
                "queue",
                queue_server.command(config.data_dir),
                needed=True,
                quiet=config.log_level != "DEBUG",
                ready=lambda: queue_server.is_answering(config.data_dir),
            )
        )
    processes_to_run.append(
        Child(
            "web",
            lambda: web_server.serve(config, is_loaded=True),
            ready=lambda: ports.is_ready(config.bind, config.public_url),
        )
    )
    if config.demo:
        processes_to_run.append(
            Child(
                "simulator",
                lambda: simulator.serve(config),
                ready=lambda: ports.accepts_connections(config.simulator_bind),
            )
        )
    return [*processes_to_run, *(worker(queue) for queue in QUEUES), Child("cron", cron)]


def run(config: Config) -> int:
    """Start everything and keep it running until a signal asks to stop; return the exit code.

    Raises ConfigError if another program uses an address or the data folder.
    """
    with _lock_data_folder(config.data_dir) as was_killed:
        _check_addresses(config, LEFTOVER_SECONDS if was_killed else 0)
        warm_up(config)
        processes.run_in_child(lambda: _prepare(config))
        return supervisor.run(children(config), on_ready=lambda: _welcome(config))


@contextmanager
def _lock_data_folder(folder: Path) -> Iterator[bool]:
    """Lock the data folder; yield whether its last hub was killed."""
    # lockf, not flock: forked children do not inherit it, so it ends with this process
    with (folder / "up.lock").open("a+") as lock:
        lock.seek(0)
        holder = lock.read().strip()
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"Another Signpost process is using {folder} (process {holder or 'unknown'})."
                " Stop it, or set HUB_DATA_DIR to another folder for this one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield bool(holder)
        finally:
            lock.truncate(0)


def _check_addresses(config: Config, wait: float) -> None:
    """Raise ConfigError for an address or a folder in use, before anything is started."""
    ports.check_available(config.bind, "HUB_BIND", wait=wait)
    if config.demo:
        ports.check_available(config.simulator_bind, "HUB_SIMULATOR_BIND", wait=wait)
        ports.check_available(config.simulator_mail_bind, "HUB_SIMULATOR_MAIL_BIND", wait=wait)
    if config.embedded_queue:
        queue_server.prepare(config.data_dir, wait=wait)


def warm_up(config: Config) -> None:
    """Load the modules that the children need, so that they start fast and share memory."""
    from hub.jobs import chores, cron, deliver, notify, settle, worker  # noqa: F401
    from hub.run import web_server

    web_server.load_pages(config)


def _prepare(config: Config) -> str:
    """Migrate the database and create the initial data of the hub and its demo."""
    import hub
    from hub.connections import demo

    with hub.create_app(config, blueprints=False).app_context():
        migrate()
        if config.demo:
            demo.prepare()
            demo.connect_chats_and_mail()
            demo.add_endpoint()
    return ""


def migrate() -> None:
    """Migrate the database and create missing defaults. It needs an application context."""
    import flask_migrate
    from flask import current_app

    from hub.connections import refresh_destinations, setup
    from hub.db.engine import MIGRATIONS, db
    from hub.messaging.contacts import address_migration
    from hub.signing import defaults

    # set up here and not in create_app, because it takes 12 MB that other processes do not need
    flask_migrate.Migrate(current_app, db, directory=MIGRATIONS)
    flask_migrate.upgrade()
    setup.prepare()
    defaults.install()
    address_migration.migrate_addresses()
    refresh_destinations.refresh_destinations()


def create_migration_app() -> Flask:
    """Create the application for Flask-Migrate's own commands.

    Usage: flask --app hub.run.up:create_migration_app db migrate -m "…".
    """
    import flask_migrate

    import hub
    from hub.db.engine import MIGRATIONS, db

    app = hub.create_app()
    flask_migrate.Migrate(app, db, directory=MIGRATIONS)
    return app


def _welcome(config: Config) -> None:
    link = processes.run_in_child(lambda: _prepare_demo(config))
    print(welcome(config, link, sys.stdout), flush=True)


def _prepare_demo(config: Config) -> str:
    """Complete the demo; return the link for the first admin, or '' if there is a user."""
    import hub
    from hub.connections import setup

    with hub.create_app(config, blueprints=False).app_context():
        if config.demo:
            try:
                _send_sample_request()
            except HubError as error:  # the hub still runs
                print(f"The demo is not complete: {error}", file=sys.stderr)
        return setup.create_first_admin_link() or ""


def _send_sample_request() -> None:
    """Match the simulator's templates with the hub's and send the sample request, once."""
    from sqlalchemy import select

    from hub.connections import demo
    from hub.db.engine import db
    from hub.models import Source
    from hub.signing import accept, events

    demo.subscribe()
    if not demo.has_sample_request():
        demo.learn_templates()
        source_id = db.session.scalars(select(Source.id).where(Source.slug == "default")).one()
        accept.accept_event(
            events.EventIn.model_validate(demo.sample_event()), source_id, test=True
        )


def welcome(config: Config, first_admin_link: str, out: TextIO) -> str:
    """Return the text that lists the addresses and the first steps."""
    rows = [("Pages", config.public_url, "")]
    if first_admin_link:
        rows.append(("First admin", first_admin_link, "Works once and creates your account"))
    else:
        rows.append(("Sign in", f"{config.public_url}/sign-in", ""))
    if config.demo:
        rows.append(
            ("Phones", f"{config.simulator_url}/", "Shows the messages and posts of the demo")
        )
        rows.append(
            (
                "API key",
                relative_path(config.data_dir / "demo-key"),
                "File with the API key of the demo app",
            )
        )
    lines = ["", f"  {paint('Signpost is ready.', BOLD, out)}", ""]
    for name, text, note in rows:
        lines.append(f"  {paint(f'{name:<11}', DIM, out)}  {paint(text, CYAN, out)}")
        if note:
            lines.append(f"  {'':<11}  {paint(note, DIM, out)}")
    if config.demo:
        lines += [
            "",
            "  A sample request is on the phone. To send another, paste this in a second terminal:",
            "",
            curl_command(config),
        ]
    return "\n".join([*lines, "", f"  {paint('Ctrl-C stops everything.', YELLOW, out)}", ""])


def curl_command(config: Config) -> str:
    """Return a curl command that posts an event with the demo's key. Each call creates a new
    request.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    suffix = secrets.token_hex(3)
    event = {
        "type": "request.sent",
        "id": f"evt-{suffix}",
        "occurred_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "request": {
            "id": f"demo-{suffix}",
            "title": "Employment Agreement",
            "sender": {"name": "Acme HR"},
            "expires_at": f"{now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}",
        },
        "signers": [
            {
                "id": "eric",
                "name": "Eric Smith",
                "mobile_number": "+13175551234",
                "signing_url": f"https://sign.example/r/demo-{suffix}/eric",
            }
        ],
    }
    key = shlex.quote(relative_path(config.data_dir / "demo-key"))
    members = ",\n ".join(
        f"{json.dumps(name)}: {json.dumps(value)}" for name, value in event.items()
    )
    return (
        f"curl {config.public_url}/api/v1/events \\\n"
        f'  -H "Authorization: Bearer $(cat {key})" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{{{members}}}'"
    )


def relative_path(path: Path) -> str:
    """Return a path relative to the current folder, if it is inside."""
    current_folder = Path.cwd()
    return str(path.relative_to(current_folder) if path.is_relative_to(current_folder) else path)
