"""Run `hub` commands: as separate processes, or in this process, which takes a second less."""

from __future__ import annotations

import os
import subprocess
import sys
from contextvars import copy_context
from pathlib import Path

from click.testing import CliRunner

from hub.cli import cli
from hub.core.errors import HubError

OWN_SETTINGS = ("HUB_", "TWILIO_")


def run_command(
    folder: Path, *arguments: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on the test's own data folder, in a separate process."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)
    }
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *arguments],
        input=stdin,
        env={**inherited, "HUB_DATA_DIR": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def run_in_process(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the settings of `environ` only, and report it as a process would.

    `tests/test_cli.py` runs commands as processes.
    """
    settings: dict[str, str | None] = {
        name: None for name in os.environ if name.startswith(OWN_SETTINGS)
    }
    settings.update({name: value for name, value in environ.items() if value})
    # the user that the command acts as ends with it
    result = copy_context().run(
        CliRunner(env=settings).invoke, cli, list(arguments), prog_name="hub"
    )
    stderr = result.stderr
    if isinstance(result.exception, HubError):
        stderr += f"{result.exception}\n"
    elif result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, stderr)
