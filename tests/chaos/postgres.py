"""A separate PostgreSQL server that can be stopped and started: durable, unlike that of tests."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.postgres import load_program
from tests.chaos.managed_hub import FaultUnavailable


class Postgres:
    """A running server with its `url`."""

    def __init__(self, bin: Path, folder: Path) -> None:
        self.folder = folder
        self._server, self.url = load_program().start(bin, folder)

    def stop(self, how: signal.Signals) -> None:
        """Stop the server: SIGINT ends transactions in order, SIGQUIT stops it like a crash."""
        self._server.send_signal(how)
        self._server.wait(20)

    def start(self) -> None:
        """Start the server again with its data."""
        with (self.folder / "log").open("ab") as out:
            self._server = subprocess.Popen(
                self._server.args,
                cwd=self.folder,
                env=load_program().environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=load_program().end_with_parent,
                **load_program().unprivileged(),
            )

    def close(self) -> None:
        if self._server.poll() is None:
            load_program().stop(self._server)


@contextmanager
def server() -> Iterator[Postgres]:
    """Run a server in a folder for an unprivileged user. Raises FaultUnavailable without one."""
    bin = load_program().find()
    if bin is None:
        raise FaultUnavailable(
            "PostgreSQL's programs were not found (Debian: apt-get install postgresql)"
        )
    folder = Path(tempfile.mkdtemp(prefix="hub-chaos-postgres-"))
    running = None
    try:
        running = Postgres(bin, folder)
        yield running
    finally:
        if running:
            running.close()
        shutil.rmtree(folder, ignore_errors=True)
