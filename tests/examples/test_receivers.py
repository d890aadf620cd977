"""The example receivers accept genuine webhooks only, with reference libraries where they exist."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints import deliveries as delivery_cases
from hub.endpoints import endpoints, signatures, signing_secrets
from hub.models import WebhookSecret
from tests.conftest import free_port, wait_until
from tests.endpoints.receivers import add_endpoint, notify, report, states
from tests.hub_fixtures import hub_demo as hub_demo
from tests.npm_packages import install_packages

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PORT = free_port()
# one process installs the packages
pytestmark = [pytest.mark.usefixtures("hub_demo"), pytest.mark.xdist_group("examples")]
Command = list[str]


@pytest.fixture
def settings() -> dict[str, str]:
    """Allow requests to the receiver of this test."""
    return {"HUB_HTTP_ALLOW": f"127.0.0.1:{PORT}"}


@pytest.fixture(params=["python", "javascript", "php"])
def command(request: pytest.FixtureRequest) -> Command:
    """Return the command that starts one of the receivers; skip one that cannot run here."""
    folder = EXAMPLES / "receiver" / request.param
    if request.param == "python":
        return [sys.executable, str(folder / "receiver.py")]
    if request.param == "javascript":
        return ["node", str(install_packages(folder, request) / "receiver.mjs")]
    if shutil.which("php") is None:
        pytest.skip("PHP is not installed")
    return ["php", "-S", f"127.0.0.1:{PORT}", str(folder / "receiver.php")]


@contextmanager
def running(command: Command, *secrets: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a receiver that knows these secrets."""
    environment = {**os.environ, "SIGNPOST_WEBHOOK_SECRETS": " ".join(secrets), "PORT": str(PORT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(listens, 20)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def listens() -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
        return True
    return False


@transaction
def end_overlap(endpoint_id: str) -> None:
    """Let the former secrets of an endpoint end now."""
    for secret in signing_secrets.active_secrets(endpoint_id)[1:]:
        db.session.get_one(WebhookSecret, secret.id).expires_at = now() - timedelta(seconds=1)
    endpoints.find(endpoint_id).version += 1


def test_receiver_accepts_webhooks_through_a_rotation(command: Command) -> None:
    url = f"http://127.0.0.1:{PORT}/hooks"
    endpoint_id, old = add_endpoint(url, with_texts=True)
    text = {"inbound": "inb_1", "text": "Ünïcode 文書 👍", "kind": "text"}
    with running(command, old):
        report("sms_received", payload=text)
        notify()
        new = signing_secrets.rotate_secret(endpoint_id, timedelta(hours=24))
        report("sms_received", payload=text)
        notify()
        assert states(endpoint_id) == ["delivered"] * 2
    with running(command, old, new):
        report()
        notify()
    with running(command, new):
        report()
        notify()
        end_overlap(endpoint_id)
        report()
        notify()
    assert states(endpoint_id) == ["delivered"] * 5


def test_receiver_refuses_another_secret_and_an_ended_one(command: Command) -> None:
    endpoint_id, old = add_endpoint(f"http://127.0.0.1:{PORT}/hooks")
    signing_secrets.rotate_secret(endpoint_id, timedelta(0))
    with running(command, old):
        event_id = report()
        notify()
    assert states(endpoint_id) == ["pending"]
    [attempt] = delivery_cases.attempts_of(delivery_cases.find(endpoint_id, event_id))
    assert attempt.http_status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-signature": "x"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,abc", "webhook-timestamp": "nan"},
        {"webhook-signature": "v1,abc", "webhook-timestamp": "9" * 400},
    ],
)
def test_receiver_refuses_damaged_headers(command: Command, headers: dict[str, str]) -> None:
    now_text = str(int(now().timestamp()))
    sent = {"webhook-id": "pev_1", "webhook-timestamp": now_text, **headers}
    with running(command, signatures.new_secret()):
        connection = HTTPConnection("127.0.0.1", PORT, timeout=10)
        coded = {name: value.encode("latin-1") for name, value in sent.items()}
        connection.request("POST", "/hooks", b"{}", coded)
        assert connection.getresponse().status == 401
        connection.close()


def test_receivers_are_documented() -> None:
    text = (EXAMPLES / "receiver" / "README.md").read_text()
    found: Callable[[str], bool] = text.__contains__
    assert all(found(path.parent.name) for path in EXAMPLES.glob("receiver/*/receiver.*"))
