"""Everything in one terminal: what `hub up` starts, in which order, and what it says when all is
ready.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import sys
import threading
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

# processes of a hub that was killed end within this time; only then is what they hold taken for
# another program's
LEFTOVERS_END_WITHIN = 5.0


@cache
def background_app() -> Flask:
    """Return the application of workers and cron, made once; their children inherit it."""
    import hub

    return hub.create_app(blueprints=False)  # nobody calls here, and the pages weigh 16 MB


def worker(queue: str) -> Child:
    """Return the worker of one queue."""

    def work() -> None:
        from hub.jobs import worker

        worker.work(queue, background_app())

    return Child(f"worker {queue}", work)


def cron() -> None:
    """Wake the workers of whatever is due, every second, until a signal asks to stop."""
    from hub.jobs import cron

    cron.run(background_app())


def children(config: Config) -> list[Child]:
    """Return what a whole hub consists of."""
    from hub import simulator
    from hub.run import web_server

    found = []
    if config.embedded_queue:
        found.append(
            Child(
                "queue",
                queue_server.command(config.data_dir),
                needed=True,
                quiet=config.log_level != "DEBUG",
                ready=lambda: queue_server.answers(config.data_dir),
            )
        )
    found.append(
        Child(
            "web",
            lambda: web_server.serve(config),
            ready=lambda: ports.answers_ready(config.bind, config.public_url),
        )
    )
    if config.demo:
        found.append(
            Child(
                "simulator",
                lambda: simulator.serve(config),
                ready=lambda: ports.accepts(config.simulator_bind),
            )
        )
    return [*found, *(worker(queue) for queue in QUEUES), Child("cron", cron)]


def run(config: Config) -> int:
    """Start everything and keep it running until a signal asks to stop; return the exit code.

    Raises ConfigError when another program has an address or the data folder.
    """
    with _alone(config.data_dir) as leftovers:
        _check(config, LEFTOVERS_END_WITHIN if leftovers else 0)
        warm_up(config)
        processes.answer_of(lambda: _prepare(config))
        return supervisor.run(children(config), on_ready=lambda: _welcome(config))


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the data folder for this process; tell whether the last one to hold it was killed."""
    # lockf, not flock: children that are forked do not inherit it, so it never outlives us
    with (folder / "up.lock").open("a+") as lock:
        lock.seek(0)
        holder = lock.read().strip()
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"Another hub uses {folder} (process {holder or 'unknown'}). Stop that"
                " hub, or set HUB_DATA_DIR to another folder for this one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield bool(holder)
        finally:
            lock.truncate(0)


def _check(config: Config, wait: float) -> None:
    """Refuse what is bound to fail, before anything has started."""
    ports.claim(config.bind, "HUB_BIND", wait=wait)
    if config.demo:
        ports.claim(config.simulator_bind, "HUB_SIMULATOR_BIND", wait=wait)
    if config.embedded_queue:
        queue_server.prepare(config.data_dir, wait=wait)


def warm_up(config: Config) -> None:
    """Load all that the children need before they are forked: they then start in a moment and share
    the memory.

    Nothing connects: an open database would be of no use to a child, and SQLite forbids to carry
    one over.
    """
    import hub
    from hub.jobs import chores, cron, deliver, settle, worker  # noqa: F401
    from hub.run import web_server  # noqa: F401 - loaded, for the children

    hub.create_app(config)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(1)  # the limiter's timers; a fork should not meet them halfway


def _prepare(config: Config) -> str:
    """Migrate and create what the hub, or its demo, starts with."""
    import hub
    from hub.connections import demo

    with hub.create_app(config).app_context():
        migrate()
        if config.demo:
            demo.prepare()
            demo.connect_chats()
    return ""


def migrate() -> None:
    """Bring the database to the newest tables and create the defaults that are missing; needs an
    application context.
    """
    import flask_migrate
    from flask import current_app

    from hub.connections import setup
    from hub.db.engine import MIGRATIONS, db
    from hub.messaging.contacts import address_migration
    from hub.signing import defaults

    # joined here and not in create_app: the other processes need none of it, and it weighs 12 MB
    flask_migrate.Migrate(current_app, db, directory=MIGRATIONS)
    flask_migrate.upgrade()
    setup.prepare()
    defaults.install()
    address_migration.migrate_addresses()


def migrating() -> Flask:
    """Make the application for Flask-Migrate's own commands: flask --app hub.run.up:migrating db
    migrate -m "…".
    """
    import flask_migrate

    import hub
    from hub.db.engine import MIGRATIONS, db

    app = hub.create_app()
    flask_migrate.Migrate(app, db, directory=MIGRATIONS)
    return app


def _welcome(config: Config) -> None:
    link = processes.answer_of(lambda: _first_steps(config))
    print(welcome(config, link, sys.stdout), flush=True)


def _first_steps(config: Config) -> str:
    """Bring the demo's templates and sample request; return the link for the first admin while
    there is no user.
    """
    import hub
    from hub.connections import setup

    with hub.create_app(config).app_context():
        if config.demo:
            try:
                _begin_demo()
            except HubError as problem:  # a hub that runs is worth more than its sample
                print(f"The demo is not complete: {problem}", file=sys.stderr)
        return setup.first_admin_link() or ""


def _begin_demo() -> None:
    """Let the simulator's templates say what ours say, and send the sample request: once, so that
    what was changed since stays.
    """
    from sqlalchemy import select

    from hub.connections import demo
    from hub.db.engine import db
    from hub.models import Source
    from hub.signing import accept, events

    demo.subscribe()
    if not demo.sample_was_sent():
        demo.learn_templates()
        source_id = db.session.scalars(select(Source.id).where(Source.slug == "default")).one()
        accept.accept_event(
            events.EventIn.model_validate(demo.sample_event()), source_id, test=True
        )


def welcome(config: Config, first_admin_link: str, out: TextIO) -> str:
    """Say what runs where, and what to do first."""
    rows = [("Pages", config.public_url, "")]
    if first_admin_link:
        rows.append(("First admin", first_admin_link, "works once and creates your account"))
    else:
        rows.append(("Sign in", f"{config.public_url}/sign-in", ""))
    if config.demo:
        rows.append(
            ("Phones", f"{config.simulator_url}/", "shows the messages and posts of the demo")
        )
        rows.append(
            (
                "API key",
                nearby_addresses(config.data_dir / "demo-key"),
                "of the demo's signing app",
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
    """Return a command to paste that posts an event with the demo's key; a new request each time it
    is printed.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    number = secrets.token_hex(3)
    event = {
        "type": "request.sent",
        "id": f"evt-{number}",
        "occurred_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "request": {
            "id": f"demo-{number}",
            "title": "Employment Agreement",
            "sender": {"name": "Acme HR"},
            "expires_at": f"{now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}",
        },
        "signers": [
            {
                "id": "eric",
                "name": "Eric Smith",
                "mobile_number": "+13175551234",
                "signing_url": f"https://sign.example/r/demo-{number}/eric",
            }
        ],
    }
    key = shlex.quote(nearby_addresses(config.data_dir / "demo-key"))
    members = ",\n ".join(
        f"{json.dumps(name)}: {json.dumps(value)}" for name, value in event.items()
    )
    return (
        f"curl {config.public_url}/api/v1/events \\\n"
        f'  -H "Authorization: Bearer $(cat {key})" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{{{members}}}'"
    )


def nearby_addresses(path: Path) -> str:
    """Return the path as seen from the current folder, where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
