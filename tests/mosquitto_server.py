"""An MQTT broker for tests: Mosquitto, with and without TLS, for one user."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos import certificates
from tests.conftest import free_port

USER = "signpost"
PASSWORD = "correct horse"
BIN = Path(__file__).resolve().parent.parent / "bin"


@dataclass
class MosquittoServer:
    """A broker on loopback ports, which keeps what its subscriber received."""

    folder: Path
    port: int
    tls_port: int
    ca_file: Path
    password: str = PASSWORD
    received: list[MQTTMessage] = field(default_factory=list)
    _process: Any = None
    _subscriber: Any = None

    @property
    def allowed(self) -> str:
        return f"127.0.0.1:{self.port},localhost:{self.tls_port}"

    def settings(self, *, tls: bool = False, **more: Any) -> dict[str, Any]:
        """Return the settings of the form."""
        return {
            "host": "localhost" if tls else "127.0.0.1",
            "port": self.tls_port if tls else self.port,
            "encryption": "tls" if tls else "none",
            "user": USER,
            "password": self.password,
            **more,
        }

    def start(self) -> None:
        """Start the broker, and subscribe to everything."""
        self._process = subprocess.Popen(
            [find_mosquitto(), "-c", self.folder / "mosquitto.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        self._subscribe()

    def change_password(self, password: str) -> None:
        """Change the password of the user, and disconnect it, as a restart does."""
        self.stop()
        write_password(self.folder / "passwords", password)
        self.password = password
        self.start()

    def stop(self) -> None:
        """Stop the broker; what was received stays."""
        self._subscriber.disconnect()  # first, as its loop then ends at once
        self._subscriber.loop_stop()
        self._process.terminate()
        self._process.wait(10)

    def wait_for(self, count: int, seconds: float = 10) -> list[MQTTMessage]:
        """Return what was received, as soon as there are so many messages."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return list(self.received)

    def _subscribe(self) -> None:
        subscribed = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.username_pw_set(USER, self.password)
        client.on_connect = lambda *_: client.subscribe("signpost/#", qos=1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = lambda *event: self.received.append(event[2])
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert subscribed.wait(10)
        self._subscriber = client


def find_mosquitto() -> str:
    """Return the program: MOSQUITTO if `make test` sets it, otherwise from bin/mosquitto."""
    path = os.environ.get("MOSQUITTO")
    if path is None:
        result = subprocess.run([BIN / "mosquitto"], capture_output=True, text=True, check=False)
        path = result.stdout.strip()
    if not path and os.environ.get("CI") == "true":
        pytest.fail("No Mosquitto was found for the tests of MQTT.", pytrace=False)
    if not path:
        pytest.skip("No Mosquitto was found for the tests of MQTT.")
    return path


@contextmanager
def mosquitto_server(folder: Path, *, largest: int = 0) -> Iterator[MosquittoServer]:
    """Run a broker that asks for a user and a password.

    `largest`: the largest packet in bytes that it accepts; by default any.
    """
    authority, trusted, _ = certificates.write(folder)
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    write_password(passwords, PASSWORD)
    rights = folder / "rights"
    rights.write_text(f"user {USER}\ntopic readwrite signpost/default/#\n")
    rights.chmod(0o600)
    server = MosquittoServer(folder, free_port(), free_port(), authority)
    # as root, it would become another user, who may not read the folder
    user = pwd.getpwuid(os.getuid()).pw_name
    (folder / "mosquitto.conf").write_text(
        f"user {user}\n"
        f"per_listener_settings false\nallow_anonymous false\npassword_file {passwords}\n"
        f"acl_file {rights}\n"
        f"listener {server.port} 127.0.0.1\n"
        f"listener {server.tls_port} 127.0.0.1\n"
        f"certfile {trusted}\nkeyfile {trusted}\n"
        + (f"max_packet_size {largest}\n" if largest else "")
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def write_password(file: Path, password: str) -> None:
    """Write the password of the user into a file of passwords."""
    tool = find_tool(Path(find_mosquitto()))
    subprocess.run([tool, "-b", file, USER, password], check=True, capture_output=True)


def find_tool(program: Path) -> str:
    """Return the program that makes files of passwords."""
    for folder in (program.parent, Path("/usr/bin"), Path("/usr/local/bin")):
        if (folder / "mosquitto_passwd").is_file():
            return str(folder / "mosquitto_passwd")
    return "mosquitto_passwd"
