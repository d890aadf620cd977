"""Connections wait while the web server starts, and are not refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from flask import Flask

from tests import servers
from tests.conftest import wait_until

# a start-up module of Python that lets the pages load only when somebody has connected
SLOW_START = """
import sys, time
from pathlib import Path

class Wait:
    def find_spec(self, name, path=None, target=None):
        deadline = time.monotonic() + 20
        while name == "hub.admin" and not Path({connected!r}).exists():
            if time.monotonic() > deadline:
                raise ImportError("nobody could connect")
            time.sleep(0.01)

sys.meta_path.insert(0, Wait())
"""


def test_connections_wait_while_the_pages_are_loaded(
    hub_app: Flask, web_environ: dict[str, str], tmp_path: Path
) -> None:
    connected = tmp_path / "connected"
    (tmp_path / "sitecustomize.py").write_text(SLOW_START.format(connected=str(connected)))
    environ = {name: text for name, text in web_environ.items() if text}
    paths = os.pathsep.join([str(tmp_path), os.getcwd()])
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "web"],
        env={"PATH": os.environ["PATH"], **environ, "PYTHONPATH": paths},
    )
    try:
        connection = wait_until(lambda: _connect(web_environ))
        connected.touch()
        with connection:
            connection.sendall(servers.request_bytes(web_environ, "GET", "/healthz"))
            assert servers.read_response(connection).status == 200
    finally:
        process.terminate()
        process.wait(10)


def _connect(environ: dict[str, str]) -> socket.socket | None:
    try:
        return servers.connect(environ, 30)
    except OSError:
        return None
