"""The embedded queue server, started as a real process in its own folder."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from hub.core import data_dir
from hub.core.errors import ConfigError
from hub.run import queue_server


class QueueServer:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> redis.Redis:
        queue_server.prepare(self.folder)
        self.process = subprocess.Popen(
            queue_server.command(self.folder), stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not queue_server.is_answering(self.folder):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return redis.Redis(unix_socket_path=str(data_dir.socket_path(self.folder)))

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QueueServer]:
    server = QueueServer(data_dir.create(tmp_path / "data"))
    yield server
    server.kill()


def test_queue_server_listens_only_on_a_private_socket(server: QueueServer) -> None:
    with server.start() as client:
        path = data_dir.socket_path(server.folder)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "noeviction" in str(client.config_get("maxmemory-policy"))
    assert server.process is not None
    assert not psutil.Process(server.process.pid).net_connections("inet")


def test_queue_survives_a_kill(server: QueueServer) -> None:
    with server.start() as client:
        client.set("wake:deliver", "1")
    time.sleep(1.2)  # it writes to disk each second
    server.kill()
    with server.start() as client:  # over the socket that the killed one left
        assert client.get("wake:deliver") == b"1"


def test_second_hub_on_the_same_folder_is_refused(server: QueueServer) -> None:
    server.start().close()
    with pytest.raises(
        queue_server.QueueServerRuns, match="Another Signpost process is running in"
    ):
        queue_server.prepare(server.folder)
    assert queue_server.is_answering(server.folder), "the running one keeps its socket"


def test_stale_socket_is_removed(server: QueueServer) -> None:
    path = data_dir.socket_path(server.folder)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    queue_server.prepare(server.folder)
    assert not path.exists()


def test_folder_with_a_long_path_gets_its_socket_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = QueueServer(data_dir.create(tmp_path / ("long" * 30) / "data"))
    try:
        with server.start() as client:
            assert client.ping()
        assert stat.S_IMODE(data_dir.socket_path(server.folder).parent.stat().st_mode) == 0o700
    finally:
        server.kill()


def test_socket_folder_that_others_may_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = data_dir.create(tmp_path / ("long" * 30) / "data")
    data_dir.socket_path(folder).parent.mkdir()
    os.chmod(data_dir.socket_path(folder).parent, 0o755)  # noqa: S103 - what is refused
    with pytest.raises(ConfigError, match="Other users can access"):
        queue_server.prepare(folder)


def test_missing_server_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "mips")
    with pytest.raises(ConfigError, match="HUB_REDIS_URL"):
        queue_server.find_binary()
