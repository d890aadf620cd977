"""A whole hub as `hub up` runs it, and its signing app."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import NullPool, create_engine, text
from twilio.request_validator import RequestValidator
from urllib3 import encode_multipart_formdata

from hub.core.data_dir import SimulatorCredentials, simulator_credentials
from hub.run.processes import is_alive
from tests.conftest import database, free_port, wait_until

READY = "Ctrl-C stops everything"


@dataclass
class Hub:
    """A running demo: its printed addresses, its API and its simulator."""

    folder: Path
    database_url: str = ""
    bind: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    simulator_bind: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    # never with the last four digits of a test number, by which tests find their rows
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(3_001_000))
    simulator_mail_bind: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    environ: dict[str, str] = field(default_factory=dict)  # of its processes
    http_allow: str = ""  # addresses of this machine that webhooks may be sent to
    handlers: str = ""  # the file of HUB_HANDLERS
    process: subprocess.Popen[bytes] | None = None  # once it is started

    @property
    def url(self) -> str:
        return f"http://{self.bind}"

    @property
    def simulator_url(self) -> str:
        return f"http://{self.simulator_bind}"

    @property
    def printed(self) -> str:
        return (self.folder / "printed").read_text()

    @property
    def first_admin_link(self) -> str:
        match = re.search(r"First admin +(http://\S+)", self.printed)
        assert match, self.printed
        return match[1]

    @property
    def key(self) -> str:
        return (self.folder / "data" / "demo-key").read_text().strip()

    @property
    def credentials(self) -> SimulatorCredentials:
        return simulator_credentials(self.folder / "data")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the hub, and wait until it is ready."""
        kept_environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HUB_", "TWILIO_"))
        }
        environ = {
            **kept_environ,
            "PYTHONPATH": os.getcwd(),
            "HUB_DEMO": "1",
            "HUB_DATA_DIR": str(self.folder / "data"),
            "HUB_DATABASE_URL": self.database_url,
            "HUB_BIND": self.bind,
            "HUB_SIMULATOR_BIND": self.simulator_bind,
            "HUB_SIMULATOR_MAIL_BIND": self.simulator_mail_bind,
            "HUB_HTTP_ALLOW": self.http_allow,
            "HUB_HANDLERS": self.handlers,
        }
        if self.database_url:  # then keys are not made in the data folder
            key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            environ |= {
                "HUB_SECRET_KEY": secrets.token_urlsafe(48),
                "HUB_ENCRYPTION_KEYS": f"k1:{key}",
            }
        self.environ = environ
        with (self.folder / "printed").open("wb") as out:
            process = self.process = subprocess.Popen(
                [sys.executable, "-m", "hub.cli", "up"],
                cwd=self.folder,
                env=environ,
                stdout=out,
                stderr=out,
            )
        try:
            self._wait_until_ready(process)
        except BaseException:
            process.terminate()  # it stops its children
            raise
        return process

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while READY not in self.printed:
            assert process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        """Return all processes of the hub, the first one too."""
        assert self.process is not None
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    # ── As a signing app ──────────────────────────────────────────────────────────────────────────
    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the API with the demo's key. Raises HTTPError for a refusal."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            json.dumps(body).encode() if body is not None else None,
            headers,
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def event(self, kind: str, request: dict[str, Any], **fields: Any) -> Any:
        """Post an event about a request; return its messages, and its team posts separately."""
        return self.post_event(
            {"type": kind, "id": f"evt-{secrets.token_hex(4)}", "request": request, **fields}
        )

    def post_event(self, event: dict[str, Any]) -> Any:
        """Post an event as it is; return its messages, and its team posts separately."""
        return split_posts(self.call("POST", "/events", event))

    def request(
        self, *signers: dict[str, Any], title: str = "Employment Agreement", sender: str = "Acme HR"
    ) -> tuple[str, Any]:
        """Send a document for signature; return its external ID and the API's response."""
        request_id = f"agr-{secrets.token_hex(4)}"
        signers = tuple(
            {"signing_url": f"https://sign.example/r/{request_id}/{signer['id']}", **signer}
            for signer in signers
        )
        answer = self.event(
            "request.sent",
            {"id": request_id, "title": title, "sender": {"name": sender}},
            signers=list(signers),
        )
        return request_id, answer

    def message(self, to: str, text: str = "Hello", **over: str) -> str:
        """Send a direct message and return its ID."""
        return str(
            self.call(
                "POST", "/messages", {"to": to, "text": text, **(over or {"channel": "sms"})}
            )["id"]
        )

    def read_message(self, message_id: str) -> dict[str, Any]:
        """Return a message as the API shows it."""
        return dict(self.call("GET", f"/messages/{message_id}"))

    def wait_for_status(
        self, message_id: str, *statuses: str, within: float = 20
    ) -> dict[str, Any]:
        """Wait until a message has one of the statuses, delivered by default, and return it."""

        expected = statuses or ("delivered",)
        deadline = time.monotonic() + within
        while (message := self.read_message(message_id))["status"] not in expected:
            assert time.monotonic() < deadline, (
                f"not {expected} within {within:g} seconds:"
                f" {json.dumps(message, indent=1)}\n{self.printed[-2000:]}"
            )
            time.sleep(0.05)
        return message

    def upload(self, content: bytes, name: str, kind: str) -> Any:
        """Upload a file to attach to messages. Raises HTTPError for a refusal."""
        form, its_type = encode_multipart_formdata({"file": (name, content, kind)})
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": its_type}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/api/v1/media", form, headers), timeout=30
        ) as answer:
            return json.load(answer)

    def has_inbound(self, sid: str) -> bool:
        """Return whether the hub stored an inbound message with this provider ID."""
        engine = create_engine(
            self.database_url or f"sqlite:///{self.folder / 'data' / 'hub.db'}", poolclass=NullPool
        )
        with engine.connect() as connection:
            return bool(
                connection.execute(
                    text("SELECT 1 FROM inbound_messages WHERE provider_id = :sid"), {"sid": sid}
                ).all()
            )

    # ── As the provider ───────────────────────────────────────────────────────────────────────────
    def number(self) -> str:
        """Return a phone number without any messages."""
        return f"+1317{next(self.numbers)}"

    def use_phone(self, number: str, action: str, **body: Any) -> Any:
        """Send a `reply` from a phone or open its `window`; `-` is a person without a number."""
        path = f"{self.simulator_url}/simulator/phones/{number.replace('+', '%2B')}/{action}"
        request = urllib.request.Request(
            path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def receive_text(
        self, number: str, text: str = "Hello", channel: str = "whatsapp", **fields: Any
    ) -> None:
        """Send a text from a phone and wait until the hub has stored it."""
        answer = self.use_phone(number, "reply", channel=channel, text=text, **fields)
        assert answer["answer"] == "200", answer
        wait_until(lambda: self.has_inbound(answer["sid"]), 10)

    def accepted_messages(self, address: str) -> list[dict[str, Any]]:
        """Return the messages that the provider accepted for an address, oldest first."""
        account = self.credentials
        token = base64.b64encode(f"{account.account_sid}:{account.auth_token}".encode()).decode()
        messages = f"{self.simulator_url}/2010-04-01/Accounts/{account.account_sid}/Messages.json"
        request = urllib.request.Request(
            f"{messages}?PageSize=500&To={urllib.parse.quote(address, safe='')}",
            headers={"Authorization": f"Basic {token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return list(reversed(json.load(answer)["messages"]))

    def phone_url(self, number: str) -> str:
        return f"{self.simulator_url}/?phone=%2B{number[1:]}"

    def call_back(self, sid: str, status: str) -> None:
        """Report the status of a message, signed with the account's token."""
        form = {
            "AccountSid": self.credentials.account_sid,
            "MessageSid": sid,
            "MessageStatus": status,
        }
        url = f"{self.url}/api/rpc/webhooks/twilio/sms"
        headers = {
            "X-Twilio-Signature": (
                RequestValidator(self.credentials.auth_token).compute_signature(url, form)
            )
        }
        urllib.request.urlopen(
            urllib.request.Request(url, urllib.parse.urlencode(form).encode(), headers), timeout=10
        ).close()

    def set_faults(self, **faults: int) -> None:
        body = json.dumps(faults).encode()
        request = urllib.request.Request(
            f"{self.simulator_url}/simulator/faults", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()


def split_posts(answer: dict[str, Any]) -> dict[str, Any]:
    """Separate the team posts of the demo from the messages to signers."""
    messages = answer["messages"]
    return {
        **answer,
        "messages": [message for message in messages if message["signer"]],
        "posts": [message for message in messages if not message["signer"]],
    }


@contextmanager
def live_hub(folder: Path, **fields: str) -> Iterator[Hub]:
    """Run a hub in a folder, on PostgreSQL if the tests use it, and stop it as Ctrl-C does.

    It fails if the hub does not end in order, or leaves a process. More fields are those of Hub.
    """
    with database() as url:
        hub = Hub(folder, url, **fields)  # type: ignore[arg-type]
        process = hub.start()
        try:
            yield hub
        finally:
            family = hub.family() if process.poll() is None else []
            process.send_signal(signal.SIGINT)
            remaining = _wait_for_end(process, family)
        assert process.returncode == 0, hub.printed[-2000:]
        assert not remaining, f"still running after Ctrl-C: {remaining}"


def _wait_for_end(
    process: subprocess.Popen[bytes], family: list[psutil.Process]
) -> list[psutil.Process]:
    """Wait for the processes of a hub, and return those that had to be killed."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    _, alive = psutil.wait_procs([one for one in family if one.pid != process.pid], timeout=1)
    remaining = [one for one in alive if is_alive(one)]
    for one in remaining:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            one.kill()
    if process.poll() is None:
        process.kill()
        process.wait()
    return remaining
