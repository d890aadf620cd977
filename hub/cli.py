"""The command line.

What a command needs is loaded when it runs, so that `hub --help` is there at once.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.core import __version__
from hub.core.errors import ConfigError, HubError
from hub.core.vocabulary import QUEUES, Role, Scope

if TYPE_CHECKING:
    from hub.core.config import Config
    from hub.intake.replay import Report

# an admin fixes these outside of the program; any other OSError is a fault in the program
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="Signpost %(version)s")
def cli() -> None:
    """Signpost, the messaging hub of signing apps."""


@cli.command()
def up() -> None:
    """Run everything in this terminal: web server, workers, cron, and a queue server unless
    HUB_REDIS_URL is set.

    With HUB_DEMO=1 also the simulator, which stands in for the providers.
    """
    from hub.run import up

    sys.exit(up.run(_config()))


@cli.command()
def web() -> None:
    """Serve the pages, the API and the webhooks."""
    from hub.run import web_server

    web_server.serve(_config(serves=True))


@cli.command()
@click.argument("queues", nargs=-1, type=click.Choice(QUEUES))
def worker(queues: tuple[str, ...]) -> None:
    """Work off queues: all of them, or those named. Each gets a process of its own."""
    _config(serves=True)
    from hub.run import supervisor, up

    if len(queues) != 1:
        # the workers inherit it, and share its memory; one alone has nobody to share it with
        up.background_app()
    sys.exit(supervisor.run([up.worker(queue) for queue in queues or QUEUES]))


@cli.command()
def cron() -> None:
    """Start what is due at a time. Any number of these may run."""
    _config(serves=True)
    from hub.run import up

    up.cron()


@cli.command()
def simulator() -> None:
    """Stand in for the providers over HTTP, with a phone to look at."""
    config = _config()
    from hub.simulator import serve

    serve(config)


@cli.command()
def migrate() -> None:
    """Bring the database to the newest tables. Run it once, before the new version starts."""
    config = _config()
    import hub
    from hub.run import up

    with hub.create_app(config).app_context():
        up.migrate()


@cli.group()
def admin() -> None:
    """People who sign in."""


@admin.command("create")
@click.option("--email", prompt="E-mail", help="What they sign in with.")
@click.option("--name", prompt="Name", help="What others see.")
@click.option(
    "--role",
    type=click.Choice([role.name.lower() for role in Role]),
    default="admin",
    show_default=True,
    help="What they may do.",
)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the password from it.",
)
def create_admin(email: str, name: str, role: str, password_file: Path | None) -> None:
    """Create a user. The password is asked for, or read from a file, or from what is piped in."""
    config = _config(migrated=True)
    password = _password(password_file)
    import hub
    from hub.accounts import users

    with hub.create_app(config).app_context():
        users.create_user(email=email, name=name, password=password, role=Role[role.upper()])
    click.echo(f"{name} can sign in at {config.public_url} as {email}.")


@cli.group("api-key")
def api_key() -> None:
    """Keys that signing apps post with."""


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    type=click.Choice([scope.value for scope in Scope]),
    help=f"What it may do; may be given several times. Default: all. One of {', '.join(Scope)}.",
)
@click.option(
    "--expires",
    metavar="WHEN",
    help="Until when it works: 90d, 2027-01-31 (through that day, UTC) or 2027-01-31T09:30:00Z.",
)
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    help="The most requests a minute. Default: HUB_API_PER_MINUTE.",
)
@click.option(
    "--test/--live",
    "test",
    default=None,
    help="Test connections only, or live ones. Default: test in a demo, else live.",
)
@click.option(
    "--source", help="The signing app or brand it belongs to. Default: the default source."
)
def create_api_key(
    name: str,
    scopes: tuple[str, ...],
    expires: str | None,
    per_minute: int | None,
    test: bool | None,
    source: str | None,
) -> None:
    """Create a key and print it, alone: it is shown this once."""
    config = _config(migrated=True)
    import hub
    from hub.accounts import api_keys

    until = None if expires is None else api_keys.expiry(expires)
    grant = api_keys.Grant(scopes or tuple(Scope), until, per_minute)

    if test is None:  # another terminal than the demo's does not have its HUB_DEMO
        test = config.demo or (config.data_dir / "demo-key").exists()
    with hub.create_app(config).app_context():
        click.echo(api_keys.create(name, test=test, source=source, grant=grant))


@cli.group()
def source() -> None:
    """Signing apps and brands that post to the hub."""


@source.command("list")
def list_sources() -> None:
    """List the sources: slug, API keys, to which messages opt-outs apply, name."""
    with _application():
        from hub.accounts import sources

        keys = sources.count_keys()
        for one in sources.all_sources():
            applies = "every source" if one.applies_to_all else "own messages"
            noun = "key " if keys[one.id] == 1 else "keys"
            known = f"{keys[one.id]:>3} {noun}  opt-outs: {applies:<12}"
            click.echo(f"{one.slug:<24} {known}  {one.name}")


@source.command("create")
@click.argument("name")
@click.option(
    "--slug",
    default="",
    help="Its name in commands, such as acme-leases. Default: made from the name.",
)
def create_source(name: str, slug: str) -> None:
    """Add a source and print its slug, which `hub api-key create --source` takes."""
    with _application():
        from hub.accounts import sources

        click.echo(sources.create(name, slug))


@source.command("rename")
@click.argument("slug")
@click.argument("name")
def rename_source(slug: str, name: str) -> None:
    """Give a source another name. Its slug stays."""
    with _application():
        from hub.accounts import sources

        sources.rename(slug, name)


@source.command("opt-outs")
@click.argument("slug")
@click.option(
    "--every-source/--own-messages",
    "on",
    required=True,
    help="Which messages the opt-outs and consents that its keys record apply to.",
)
def set_source_opt_outs(slug: str, on: bool) -> None:
    """Choose whether a source's opt-outs and consents apply to every source."""
    with _application():
        from hub.accounts import sources

        sources.apply_to_all(slug, on=on)


@cli.command()
@click.option(
    "--message",
    metavar="ID",
    help="About one message: the provider's id, such as SM…, or ours, msg_….",
)
@click.option(
    "--since",
    metavar="TIME",
    help="That came since a time, 2026-11-21T09:30:00Z, or within a span: 2h, 3d.",
)
@click.option(
    "--failed",
    is_flag=True,
    help="That could not be settled, or are about a message that was not known.",
)
def replay(message: str | None, since: str | None, failed: bool) -> None:
    """Apply kept callbacks once more.

    Nothing changes when nothing was missed.

    Where several conditions are given, all must hold. Ends with 1 when some callbacks could not be
    applied.
    """
    if not (message or since or failed):
        raise click.UsageError("Say which callbacks: --message ID, --since TIME or --failed.")
    config = _config(migrated=True)
    import hub
    from hub.intake import replay
    from hub.shared import audit

    selection = replay.Selection(
        message=message or "", since=replay.newer_than(since) if since else None, failed=failed
    )
    with hub.create_app(config).app_context():
        audit.act_as(audit.Actor("Command line"))
        report = replay.replay(selection, _show_progress if sys.stderr.isatty() else None)
    click.echo("\n".join(_told(report)))
    sys.exit(1 if report.failed else 0)


@cli.command("new-integration")
@click.argument("name")
@click.option(
    "--package",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a package of its own there.",
)
@click.option(
    "--kind",
    type=click.Choice(["team", "webhook-url", "people", "sms"]),
    default="team",
    show_default=True,
    help="Posts in a team's channel, an incoming webhook, chats with people, or text messages.",
)
def new_integration(name: str, folder: Path | None, kind: str) -> None:
    """Create an integration that works: a module and its test, in this checkout.

    NAME is the name of the module, in lowercase letters, digits and underscores. It is stored and
    cannot change. No file is overwritten.
    """
    from hub.run import scaffold

    begun = scaffold.create(name, folder, kind)
    click.echo("\n".join(os.path.relpath(path) for path in begun.files))
    click.echo(f"\nReplace the sample values in {name}.py. Made-up addresses end in .example.")
    click.echo(f"Next: {f'{folder}/README.md' if folder else 'hub/integrations/README.md'}")


def _show_progress(report: Report) -> None:
    click.echo(f"\r{report.read:,} read ", nl=False, err=True)


def _told(report: Report) -> list[str]:
    """Print what a replay did, a count a line; zero counts after the third are left out."""
    lines = [
        (report.read, "receipts read"),
        (
            report.new,
            f"facts new; messages changed: {report.messages:,}, events told: {report.events:,}",
        ),
        (report.known, "facts known already"),
        (report.unproven, "verified by no connection’s secret: only STOP and START count"),
        (report.removed, "not read: the body was removed when its time of keeping ended"),
        (report.failed, "failed:"),
    ]
    told = [
        f"{count:>12,} {what}" for place, (count, what) in enumerate(lines) if count or place < 3
    ]
    return told + [
        f"{reason.count:>16,} {why} Such as {reason.example}."
        for why, reason in report.reasons.items()
    ]


def _config(*, serves: bool = False, migrated: bool = False) -> Config:
    """Read the settings and check what they name; `serves` and `migrated` as in startup.load."""
    from hub.shared import startup_checks

    return startup_checks.load_config(wait=serves, migrated=migrated)


@contextmanager
def _application() -> Iterator[None]:
    """Give a command the application, and its name to the activity."""
    config = _config(migrated=True)
    import hub
    from hub.shared import audit

    with hub.create_app(config).app_context():
        audit.act_as(audit.Actor("Command line"))
        yield


def _password(file: Path | None) -> str:
    if file:
        password = file.read_text().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Once more")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError(
            "No password came. Type one, pipe one in, or name a file with --password-file."
        )
    return password


def main() -> None:
    """Run the command line; an error of ours is a sentence on stderr and exit code 1."""
    os.umask(0o077)  # the database, keys and logs are for their owner alone
    try:
        cli(prog_name="hub")
    except HubError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        click.echo(
            f"{error.filename or 'A file'} cannot be written: {error.strerror}. Free some space, or"
            " give access to it.",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
