"""Define the command line.

Each command imports its modules when it runs, so that `hub --help` is fast.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.core import __version__
from hub.core.errors import ConfigError, HubError, Refused
from hub.core.vocabulary import QUEUES, Role, Scope
from hub.lib import memory
from hub.run.command_application import open_application
from hub.run.evidence_commands import evidence
from hub.run.handler_commands import handlers
from hub.run.integration_commands import new_integration, try_integration
from hub.run.search_commands import search
from hub.run.text_commands import texts

if TYPE_CHECKING:
    from hub.core.config import Config
    from hub.intake.replay import Report

# an admin fixes these errors outside the program; any other OSError is an error in the program
NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="Signpost %(version)s")
def cli() -> None:
    """Signpost, the messaging hub for signing apps."""


@cli.command(short_help="Run everything in this terminal.")
def up() -> None:
    """Run everything in this terminal: web server, workers, cron, and a queue server unless
    HUB_REDIS_URL is set.

    With HUB_DEMO=1, this also runs the simulator, which replaces the providers.
    """
    from hub.run import up

    sys.exit(up.run(_config()))


@cli.command()
def web() -> None:
    """Serve the pages, the API and the webhooks."""
    config = _config(serves=True)
    from hub.run import web_server

    web_server.serve(config)


@cli.command(short_help="Process queues.")
@click.argument("queues", nargs=-1, type=click.Choice(QUEUES))
def worker(queues: tuple[str, ...]) -> None:
    """Process queues: all of them, or only those named. Each queue gets its own process."""
    _config(serves=True)
    from hub.run import supervisor, up

    if len(queues) != 1:
        # the workers inherit the application and share its memory; a single worker loads it itself
        up.background_app()
        memory.keep_loaded_objects()
    sys.exit(supervisor.run([up.worker(queue) for queue in queues or QUEUES]))


@cli.command()
def cron() -> None:
    """Run scheduled jobs. You can run any number of cron processes."""
    _config(serves=True)
    from hub.run import up

    up.cron()


@cli.command(short_help="Run the simulator of the providers.")
def simulator() -> None:
    """Run the simulator, which replaces the providers and shows their messages."""
    config = _config()
    from hub.simulator import serve

    serve(config)


@cli.command()
def migrate() -> None:
    """Upgrade the database to this version. Run it once, before you start the new version."""
    config = _config()
    import hub
    from hub.run import up

    with hub.create_app(config, blueprints=False).app_context():
        up.migrate()


@cli.group()
def admin() -> None:
    """Manage users."""


@admin.command("create")
@click.option("--email", prompt="Email", help="Email address for signing in.")
@click.option("--name", prompt="Name", help="Name that other users see.")
@click.option(
    "--role",
    type=click.Choice([role.name.lower() for role in Role]),
    default="admin",
    show_default=True,
    help="Role of the user.",
)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the password from this file.",
)
def create_admin(email: str, name: str, role: str, password_file: Path | None) -> None:
    """Create a user. Enter the password at the prompt, pipe it in, or use --password-file."""
    with open_application() as config:
        from hub.accounts import users

        password = _password(password_file)
        users.create_user(email=email, name=name, password=password, role=Role[role.upper()])
    click.echo(f"{name} can sign in at {config.public_url} as {email}.")


@cli.group("api-key")
def api_key() -> None:
    """Manage API keys of signing apps."""


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    type=click.Choice([scope.value for scope in Scope]),
    help=f"Scope of the key, repeatable. Default: all of {', '.join(Scope)}.",
)
@click.option(
    "--expires",
    metavar="WHEN",
    help="When the key expires: 90d, 2027-01-31 (its end in UTC) or 2027-01-31T09:30:00Z.",
)
@click.option(
    "--per-minute",
    metavar="COUNT",
    type=click.IntRange(min=1),
    help="Limit of requests per minute. Default: HUB_API_PER_MINUTE.",
)
@click.option(
    "--test/--live",
    "test",
    default=None,
    help="Use test or live connections. Default: test in a demo, otherwise live.",
)
@click.option(
    "--source",
    metavar="SLUG",
    help="Source (signing app or brand) of the key. Default: the default source.",
)
def create_api_key(
    name: str,
    scopes: tuple[str, ...],
    expires: str | None,
    per_minute: int | None,
    test: bool | None,
    source: str | None,
) -> None:
    """Create a key, and print nothing but the key. It is shown only once."""
    with open_application() as config:
        from hub.accounts import api_keys

        expires_at = None if expires is None else api_keys.parse_expiry(expires)
        grant = api_keys.KeyPermissions(scopes or tuple(Scope), expires_at, per_minute)
        if test is None:  # HUB_DEMO may be set in another terminal only
            test = config.demo or (config.data_dir / "demo-key").exists()
        click.echo(api_keys.create_key(name, test=test, source=source, grant=grant))


@cli.group(short_help="Manage sources (signing apps and brands).")
def source() -> None:
    """Manage sources: the signing apps and brands that post events."""


@source.command("list", short_help="List the sources.")
def list_sources() -> None:
    """List the sources with slug, number of API keys, scope of opt-outs and name."""
    with open_application():
        from hub.accounts import sources

        keys = sources.count_keys()
        for row in sources.list_sources():
            scope = "every source" if row.applies_to_all else "own messages"
            noun = "key " if keys[row.id] == 1 else "keys"
            details = f"{keys[row.id]:>3} {noun}  opt-outs: {scope:<12}"
            click.echo(f"{row.slug:<24} {details}  {row.name}")


@source.command("create", short_help="Add a source.")
@click.argument("name")
@click.option(
    "--slug",
    metavar="SLUG",
    default="",
    help="Slug of the source, such as acme-leases. Default: derived from the name.",
)
def create_source(name: str, slug: str) -> None:
    """Add a source and print its slug for `hub api-key create --source`."""
    with open_application():
        from hub.accounts import sources

        click.echo(sources.create_source(name, slug))


@source.command("rename")
@click.argument("slug")
@click.argument("name")
def rename_source(slug: str, name: str) -> None:
    """Rename a source. Its slug does not change."""
    with open_application():
        from hub.accounts import sources

        sources.rename_source(slug, name)


@source.command("opt-outs", short_help="Choose where the opt-outs of a source apply.")
@click.argument("slug")
@click.option(
    "--every-source/--own-messages",
    "on",
    required=True,
    help="Apply them to every source, or only to this source's messages.",
)
def set_source_opt_outs(slug: str, on: bool) -> None:
    """Choose whether a source's opt-outs and consents apply to every source."""
    with open_application():
        from hub.accounts import sources

        sources.set_opt_out_scope(slug, enabled=on)


@cli.command()
@click.option(
    "--message",
    metavar="ID",
    help="Replay the callbacks of one message, by its ID in Signpost or at the provider.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Replay callbacks since a time, 2026-11-21T09:30:00Z, or within a period: 2h, 3d.",
)
@click.option(
    "--failed",
    is_flag=True,
    help="Replay callbacks that could not be processed or matched no message.",
)
def replay(message: str | None, since: str | None, failed: bool) -> None:
    """Apply stored callbacks again.

    Nothing changes if nothing was missed.

    If you give several options, a callback must match all of them. The exit
    status is 1 if some could not be processed.
    """
    if not (message or since or failed):
        reason = "Choose which callbacks to replay: use --message ID, --since TIME or --failed."
        raise click.UsageError(reason)
    with open_application():
        from hub.intake import replay

        selection = replay.Selection(
            message=message or "", since=replay.parse_since(since) if since else None, failed=failed
        )
        report = replay.replay(selection, _show_progress if sys.stderr.isatty() else None)
    click.echo("\n".join(replay.describe_report(report)))
    sys.exit(1 if report.failed_count else 0)


@cli.command("inbound-mail", short_help="Store a received email.")
@click.argument("connection")
def inbound_mail(connection: str) -> None:
    """Store an email from standard input that was received for a connection.

    Mail servers pipe received emails to this command: reports of failed deliveries, and replies.
    CONNECTION is the connection's name in its web address. The exit status is 75 if the email
    could not be stored, so that the mail server tries again, and 65 if it is too large.
    """
    config = _config(migrated=True)
    import hub
    from hub.intake import inbound_mail

    with hub.create_app(config, blueprints=False).app_context():
        try:
            inbound_mail.store(connection, sys.stdin.buffer.read(inbound_mail.MAX_SIZE + 1))
        except HubError as error:
            click.echo(str(error), err=True)
            is_final = isinstance(error, Refused) and error.code == inbound_mail.TOO_LARGE
            sys.exit(os.EX_DATAERR if is_final else os.EX_TEMPFAIL)


cli.add_command(new_integration)
cli.add_command(try_integration)
cli.add_command(search)
cli.add_command(evidence)
cli.add_command(texts)
cli.add_command(handlers)


def _show_progress(report: Report) -> None:
    click.echo(f"\r{report.read_count:,} read ", nl=False, err=True)


def _config(*, serves: bool = False, migrated: bool = False) -> Config:
    """Read and check the settings. `serves` and `migrated`: see `startup_checks.load_config`."""
    from hub.shared import startup_checks

    return startup_checks.load_config(wait=serves, migrated=migrated)


def _password(file: Path | None) -> str:
    if file:
        password = file.read_text().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt(
            "Password", hide_input=True, confirmation_prompt="Repeat the password"
        )
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("No password was entered. Type one, pipe one in, or use --password-file.")
    return password


def main() -> None:
    """Run the command line. An expected error is a sentence on stderr and the exit status 1."""
    os.umask(0o077)  # only the owner can read the database, keys and logs
    memory.collect_less_often()
    try:
        cli(prog_name="hub")
    except HubError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        click.echo(
            f"Cannot write {error.filename or 'a file'}: {error.strerror}. Free some disk"
            " space, or check the permissions.",
            err=True,
        )
        sys.exit(1)
    except UnicodeEncodeError:
        # such an argument may name a file, but no database and no provider accepts it
        number = next((at for at, text in enumerate(sys.argv) if not _is_utf8(text)), None)
        if number is None:
            raise
        click.echo(f"Argument {number} is not valid UTF-8. Enter it in UTF-8.", err=True)
        sys.exit(1)


def _is_utf8(argument: str) -> bool:
    return argument.encode(errors="replace") == argument.encode(errors="surrogateescape")


if __name__ == "__main__":
    main()
