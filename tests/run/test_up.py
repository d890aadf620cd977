"""`hub up` as a new user runs it: the whole hub in one process tree."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hub.core.config import load
from hub.run import up
from tests.conftest import free_port


class Demo:
    """A demo in a folder. `start()` may be called again after `interrupt()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = folder / "printed"
        self.bind = f"127.0.0.1:{free_port()}"
        self.simulator = f"127.0.0.1:{free_port()}"
        kept_environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HUB_", "TWILIO_"))
        }
        self.environ = {
            **kept_environ,
            "HUB_DEMO": "1",
            "HUB_BIND": self.bind,
            "HUB_SIMULATOR_BIND": self.simulator,
            "HUB_SIMULATOR_MAIL_BIND": f"127.0.0.1:{free_port()}",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, **environ: str) -> subprocess.Popen[bytes]:
        with self.printed.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "hub.cli", "up"],
                cwd=self.folder,
                env={**self.environ, **environ},
                stdout=out,
                stderr=out,
            )

    def start(self) -> None:
        """Start the demo and wait until it reports that it is ready."""
        began = time.monotonic()
        self.process = self.spawn()
        while "Ctrl-C stops everything" not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() - began < 90, self.text
            time.sleep(0.05)

    def start_refused(self, **environ: str) -> str:
        """Start the demo where it must be refused, and return its output."""
        process = self.spawn(**environ)
        assert process.wait(60) == 1, self.text
        assert "Traceback" not in self.text
        return self.text

    @property
    def text(self) -> str:
        return self.printed.read_text()

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    stop_at_once(demo)


@pytest.fixture(scope="module")
def running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run a demo that tests share, which do not stop it."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    demo.start()
    yield demo
    stop_at_once(demo)


def stop_at_once(demo: Demo) -> None:
    if demo.process and demo.process.poll() is None:
        demo.process.send_signal(signal.SIGINT)
        demo.process.send_signal(signal.SIGINT)  # twice means: now
        demo.process.wait(60)


def still_running(processes: list[psutil.Process], seconds: float = 0) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [
        process
        for process in alive
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def test_demo_starts_prints_its_addresses_and_stops_completely(demo: Demo) -> None:
    demo.start()
    family = demo.children()
    assert len(family) > 5
    assert f"http://{demo.bind}" in demo.text
    assert f"http://{demo.simulator}" in demo.text
    assert re.search(rf"First admin +http://{re.escape(demo.bind)}/\S+", demo.text)
    key = demo.folder / "data" / "demo-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().startswith("sp_test_")
    demo.interrupt()
    assert not still_running(family)

    demo.start()
    family = demo.children()
    assert demo.process is not None
    demo.process.kill()
    demo.process.wait()
    assert not still_running(family, 30), "not even a killed one leaves a process"

    demo.start()  # immediately, although the killed hub could not clean up
    demo.interrupt()


@pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("bash"), reason="needs curl and bash"
)
def test_printed_command_can_be_pasted(running_demo: Demo) -> None:
    command = running_demo.text[
        running_demo.text.index("curl ") : running_demo.text.index("Ctrl-C")
    ].strip()
    pasted = subprocess.run(
        ["bash", "-c", command], cwd=running_demo.folder, capture_output=True, text=True, check=True
    )
    answer = json.loads(pasted.stdout)
    recipients = [message["to"] for message in answer["messages"] if message["channel"] != "chat"]
    assert recipients == ["+13175551234"], pasted.stdout
    key = (running_demo.folder / "data" / "demo-key").read_text().strip()
    request = urllib.request.Request(
        f"http://{running_demo.bind}/api/v1/messages/{answer['messages'][0]['id']}",
        headers={"Authorization": f"Bearer {key}"},
    )
    deadline = time.monotonic() + 60
    status = ""
    while status != "delivered" and time.monotonic() < deadline:
        with urllib.request.urlopen(request) as response:
            status = json.load(response)["status"]
        time.sleep(0.1)
    assert status == "delivered"


def test_second_hub_on_the_same_folder_is_refused(running_demo: Demo) -> None:
    second = Demo(running_demo.folder)
    second.printed = running_demo.folder / "second"
    assert "Another Signpost process is using" in second.start_refused()
    assert running_demo.process is not None
    assert running_demo.process.poll() is None, "the first is not disturbed"


def test_used_port_is_reported_before_anything_starts(demo: Demo) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        assert f"Another program uses 127.0.0.1:{port}" in demo.start_refused(
            HUB_BIND=f"127.0.0.1:{port}"
        )
        assert "set HUB_SIMULATOR_BIND=" in demo.start_refused(
            HUB_SIMULATOR_BIND=f"127.0.0.1:{port}"
        )
    assert not (demo.folder / "data" / "hub.db").exists()


def test_invalid_settings_are_listed_before_anything_starts(demo: Demo) -> None:
    output = demo.start_refused(HUB_WEB_THREADS="many", HUB_LOG_LEVEL="loud")
    assert "HUB_WEB_THREADS: use a whole number" in output
    assert "HUB_LOG_LEVEL: use DEBUG" in output


def test_printed_command_is_one_request_with_the_key_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load({"HUB_DATA_DIR": str(tmp_path / "my data"), "HUB_DEMO": "1"})
    first = up.curl_command(config)
    second = up.curl_command(config)
    assert first != second, "each run sends a separate request"
    assert "$(cat 'my data/demo-key')" in first
    assert "!" not in first, "an interactive shell would replace it"
    arguments = shlex.split(first.replace("\\\n", " ").replace("$(cat 'my data/demo-key')", "KEY"))
    assert arguments[:2] == ["curl", "http://127.0.0.1:8000/api/v1/events"]
    event = json.loads(arguments[arguments.index("-d") + 1])
    assert event["type"] == "request.sent"
    assert event["signers"][0]["mobile_number"] == "+13175551234"
