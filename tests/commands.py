"""Run `hub` commands: as programs, in forked processes, or in this process.

Starting a program takes a second longer than the two others.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from contextvars import copy_context
from functools import cache
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


def run_forked(
    folder: Path, *arguments: str, stdin: str = "", cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on the test's own data folder, in a process that has loaded the modules."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)
    }
    with tempfile.TemporaryDirectory() as name:
        files = {stream: Path(name, stream) for stream in ("stdin", "stdout", "stderr")}
        files["stdin"].write_text(stdin)
        request = {
            "arguments": arguments,
            "environ": {**inherited, "HUB_DATA_DIR": str(folder), **environ},
            "folder": str(cwd or Path.cwd()),
            **{stream: str(path) for stream, path in files.items()},
        }
        server = _command_server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        output = [files[stream].read_text() for stream in ("stdout", "stderr")]
    return subprocess.CompletedProcess(arguments, code, *output)


@cache
def _command_server() -> subprocess.Popen[str]:
    """Start the process that forks commands. It ends with this process."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.command_server"],
        env={
            name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)  # closes its input, and waits for its end
    return server


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
