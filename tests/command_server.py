"""Run `hub` commands one after another, each in a process forked from one with all modules.

A command begins as in a new process: with its own environment, folder, input and output, and it
ends as a program does. Only the second in which Python and the modules are loaded is saved.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

from hub.lib import memory

# what commands import; hub.cli imports the rest when it needs it
MODULES = (
    "hub.app.factory",
    "hub.jobs.chores",
    "hub.jobs.cron",
    "hub.jobs.deliver",
    "hub.jobs.notify",
    "hub.jobs.settle",
    "hub.jobs.worker",
    "hub.run.up",
    "hub.run.web_server",
    "hub.shared.startup_checks",
    "flask_migrate",
)
MOST_SECONDS = 60


def serve() -> None:
    """Run the command of each line of the input, and print its exit code."""
    for name in MODULES:
        importlib.import_module(name)
    memory.keep_loaded_objects()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line))  # it exits
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: dict[str, Any]) -> None:
    signal.alarm(MOST_SECONDS)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    for number, (path, flags) in enumerate(
        (
            (request["stdin"], os.O_RDONLY),
            (request["stdout"], os.O_WRONLY | os.O_CREAT),
            (request["stderr"], os.O_WRONLY | os.O_CREAT),
        )
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["hub", *request["arguments"]]
    from hub.cli import main

    main()
    sys.exit(0)


if __name__ == "__main__":
    serve()
