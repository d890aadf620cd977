"""Everything in one terminal: what `hub up` starts, in which order, and what it says when all is ready."""

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
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hub import ports, queue_server, supervisor
from hub.config import Config
from hub.errors import ConfigError, HubError
from hub.supervisor import Child
from hub.terminal import BOLD, CYAN, DIM, YELLOW, paint

if TYPE_CHECKING:
    from flask import Flask

QUEUES = ("deliver", "settle", "chores")
# processes of a hub that was killed end within this time; only then is what they hold taken for another program's
LEFTOVERS_END_WITHIN = 5.0


def command(*words: str) -> list[str]:
    """Return the command line of another `hub` command."""
    return [sys.executable, "-m", "hub.cli", *words]


def worker(queue: str) -> Child:
    return Child(f"worker {queue}", command("worker", queue))


def children(config: Config) -> list[Child]:
    """Return what a whole hub consists of."""
    found = []
    if config.embedded_queue:
        found.append(Child("queue", queue_server.command(config.data_dir), needed=True, quiet=config.log_level != "DEBUG",
                           ready=lambda: queue_server.answers(config.data_dir)))  # fmt: skip
    found.append(Child("web", command("web"), ready=lambda: ports.answers_ready(config.bind, config.public_url)))
    if config.demo:
        found.append(Child("simulator", command("simulator"), ready=lambda: ports.accepts(config.simulator_bind)))
    return [*found, *(worker(queue) for queue in QUEUES), Child("cron", command("cron"))]


def run(config: Config) -> int:
    """Start everything and keep it running until a signal asks to stop; return the exit code.

    Raises ConfigError when another program has an address or the data folder.
    """
    with _alone(config.data_dir) as leftovers:
        _check(config, LEFTOVERS_END_WITHIN if leftovers else 0)
        app = _prepare(config)
        return supervisor.run(children(config), on_ready=lambda: _welcome(app, config))


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the data folder for this process; tell whether the last one to hold it was killed."""
    with (folder / "up.lock").open("a+") as lock:
        lock.seek(0)
        holder = lock.read().strip()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"Another hub runs on {folder} (process {holder or 'unknown'}). Stop that one, "
                              "or give this one a folder of its own with HUB_DATA_DIR.") from None  # fmt: skip
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


def _prepare(config: Config) -> Flask:
    """Migrate and create what the hub, or its demo, starts with."""
    import hub
    from hub.accounts import demo

    app = hub.create_app(config)
    with app.app_context():
        migrate()
        if config.demo:
            demo.prepare()
    return app


def migrate() -> None:
    """Bring the database to the newest tables and create the defaults that are missing; needs an application context."""
    import flask_migrate

    from hub.accounts import setup
    from hub.extensions import migrate

    flask_migrate.upgrade(directory=migrate.directory)
    setup.prepare()


def _welcome(app: Flask, config: Config) -> None:
    from hub.accounts import demo, setup

    with app.app_context():
        if config.demo:
            try:
                demo.send_sample()
            except HubError as problem:  # a hub that runs is worth more than its sample
                print(f"The sample request was not sent: {problem}", file=sys.stderr)
        link = setup.first_admin_link()
    print(welcome(config, link, sys.stdout), flush=True)


def welcome(config: Config, first_admin_link: str | None, out: TextIO) -> str:
    """Say what runs where, and what to do first."""
    rows = [("Signpost", config.public_url)]
    if first_admin_link:
        rows.append(("First admin", first_admin_link))
    else:
        rows.append(("Sign in", f"{config.public_url}/sign-in"))
    if config.demo:
        rows.append(("The phones", f"{config.simulator_url}/"))
        rows.append(("API key", nearby(config.data_dir / "demo-key")))
    width = max(len(name) for name, _ in rows)
    lines = ["", *(f"  {paint(f'{name:<{width}}', BOLD, out)}  {paint(text, CYAN, out)}" for name, text in rows)]
    if first_admin_link:
        lines.append(f"  {'':<{width}}  {paint('Open the first admin link once, it makes your account.', DIM, out)}")
    if config.demo:
        lines += ["", "  Send a signing request to a phone:", "", curl(config)]
    return "\n".join([*lines, "", f"  {paint('Ctrl-C stops everything.', YELLOW, out)}", ""])


def curl(config: Config) -> str:
    """Return a command to paste that posts an event with the demo's key; a new request each time it is printed."""
    now, number = datetime.now(UTC).replace(microsecond=0), secrets.token_hex(3)
    event = {
        "type": "request.sent", "id": f"evt-{number}", "occurred_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "request": {"id": f"demo-{number}", "title": "Employment Agreement", "sender": {"name": "Acme HR"},
                    "expires_at": f"{now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"},
        "signers": [{"id": "eric", "name": "Eric Smith", "mobile_number": "+13175551234",
                     "signing_url": f"https://sign.example/r/demo-{number}/eric"}],
    }  # fmt: skip
    key = shlex.quote(nearby(config.data_dir / "demo-key"))
    members = ",\n ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in event.items())
    return (
        f"curl {config.public_url}/api/v1/events \\\n"
        f'  -H "Authorization: Bearer $(cat {key})" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{{{members}}}'"
    )


def nearby(path: Path) -> str:
    """Return the path as seen from the current folder, where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
