"""Define the commands for authors of integrations.

Each command imports its modules when it runs, so that `hub --help` is fast.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from hub.core.errors import ConfigError

KINDS = click.Choice(("team", "webhook-url", "people", "sms"))  # of new integrations


@click.command("new-integration", short_help="Create a new integration.")
@click.argument("name")
@click.option(
    "--package",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Create a separate package in this folder.",
)
@click.option("--kind", type=KINDS, default="team", show_default=True, help="Kind of integration.")
@click.option("--title", default="", help="The product's name, if it is not the capitalized NAME.")
@click.option(
    "--own-server", is_flag=True, help="Admins may run the server. For team and webhook-url."
)
def new_integration(name: str, folder: Path | None, **choices: Any) -> None:
    """Create an integration that works: a module, its error codes and its test, in this checkout.

    NAME is the name of the module, in lowercase letters, digits and underscores. It is stored and
    cannot change. No file is overwritten.
    """
    from hub.run import scaffold

    created = scaffold.create(name, folder, scaffold.Choice(**choices))
    click.echo("\n".join(os.path.relpath(path) for path in created.files))
    click.echo(f"\nReplace the sample values in {name}.py. Made-up addresses end in .example.")
    click.echo(f"Next: {f'{folder}/README.md' if folder else 'hub/integrations/README.md'}")


@click.command("try-integration", short_help="Test an integration from the terminal.")
@click.argument("name")
@click.option(
    "--setting", "-s", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting, repeatable."
)
@click.option(
    "--settings-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read settings from a JSON file, which keeps secrets out of the shell's history.",
)
@click.option("--to", default="", help="Recipient. Default: the destination in the settings.")
@click.option("--text", default="", help="Text of the message.")
@click.option("--no-send", is_flag=True, help="Test the connection only.")
@click.option("--no-check", is_flag=True, help="Send the message without testing the connection.")
def try_integration(
    name: str,
    pairs: tuple[str, ...],
    settings_file: Path | None,
    to: str,
    text: str,
    no_send: bool,
    no_check: bool,
) -> None:
    """Check settings, test the connection and send one message, without a connection in Signpost.

    The message reaches its recipient. Secrets are hidden in the output.
    """
    from hub.run.try_integration import TEXT, Trial
    from hub.run.try_integration import try_integration as run
    from hub.shared import startup_checks

    settings = _read_settings(pairs, settings_file)
    trial = Trial(settings, to, text or TEXT, sends=not no_send, checks=not no_check)
    succeeded = run(startup_checks.load_config(), name, trial, click.echo)
    sys.exit(0 if succeeded else 1)


def _read_settings(pairs: tuple[str, ...], file: Path | None) -> dict[str, Any]:
    """Return the settings in a JSON file and in NAME=VALUE pairs. Raises ConfigError."""
    settings: dict[str, Any] = {}
    if file is not None:
        try:
            settings = dict(json.loads(file.read_text()))
        except (ValueError, TypeError):
            raise ConfigError(f"{file} does not contain a JSON object.") from None
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"Write --setting {pair} as NAME=VALUE.")
        settings[name] = value
    return settings
