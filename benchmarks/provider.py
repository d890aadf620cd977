"""A stand-in for Twilio that costs next to nothing: it takes a message at once and answers a fixed
time later.

`python -m benchmarks.provider PORT MILLISECONDS [--keep]` runs it in a separate process, over
plain HTTP with kept-alive connections. It speaks enough for Twilio's SDK to send, to test a
connection and to ask for what was sent. With `--keep` it remembers who was called when.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from benchmarks.running import Crew, Started, accepts_connections, find_free_port, python_command

SENDER = "+13175550100"
_PLACE = "@" * 32
_MESSAGE = json.dumps(
    {
        "account_sid": "AC" + "0" * 32,
        "api_version": "2010-04-01",
        "body": "A document waits for your signature.",
        "date_created": "Sat, 21 Nov 2026 09:30:00 +0000",
        "date_sent": None,
        "date_updated": "Sat, 21 Nov 2026 09:30:00 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": SENDER,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": f"SM{_PLACE}",
        "status": "queued",
        "subresource_uris": {
            "media": f"/2010-04-01/Accounts/AC{'0' * 32}/Messages/SM{_PLACE}/Media.json"
        },
        "to": "+13175550199",
        "uri": f"/2010-04-01/Accounts/AC{'0' * 32}/Messages/SM{_PLACE}.json",
    }
).encode()
_TAKEN = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTwilio-Request-Id: RQ"
    + _PLACE.encode()
    + b"\r\nContent-Length: %d\r\n\r\n" % len(_MESSAGE)
    + _MESSAGE
)


# ── Counts for the run ────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Counts:
    """Counts of the provider until `at` on the machine's monotonic clock."""

    at: float
    received: int
    answered: int
    flying: int
    most_flying: int  # since the last reset
    connections: int


class Provider:
    """A running provider."""

    def __init__(self, crew: Crew, milliseconds: float = 100, *, keep: bool = False) -> None:
        self.port = find_free_port()
        self.crew = crew
        arguments = [str(self.port), str(milliseconds), *(["--keep"] if keep else [])]
        self.started: Started = crew.start(
            "provider", python_command("benchmarks.provider", *arguments)
        )
        crew.wait_for(
            lambda: accepts_connections(self.port), "the provider answering", of=self.started
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counts(self, *, reset: bool = False) -> Counts:
        return Counts(**self._get("/bench/counts" + ("?reset" if reset else "")))

    def calls(self) -> dict[str, float]:
        """Return when each recipient's message was received first, by the monotonic clock."""
        calls: dict[str, float] = self._get("/bench/calls")
        return calls

    def wait_until(self, answered: int, of: Started, seconds: float = 60) -> None:
        """Wait until so many messages were answered in all, or raise with the last words of the
        process that sends them.
        """
        self.crew.wait_for(
            lambda: self.counts().answered >= answered,
            f"{answered} messages at the provider",
            of=of,
            seconds=seconds,
        )

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)


# ── The server ────────────────────────────────────────────────────────────────────────────────────
class State:
    """The state that all connections share."""

    def __init__(self, seconds: float, keep: bool) -> None:
        self.seconds = seconds
        self.keep = keep
        self.received = self.answered = self.flying = self.most_flying = self.connections = 0
        self.kept: list[tuple[float, bytes]] = []

    def counts(self, reset: bool) -> dict[str, Any]:
        counts = {
            "at": time.monotonic(),
            "received": self.received,
            "answered": self.answered,
            "flying": self.flying,
            "most_flying": self.most_flying,
            "connections": self.connections,
        }
        if reset:
            self.most_flying = self.flying
        return counts

    def calls(self) -> dict[str, float]:
        first: dict[str, float] = {}
        for moment, body in self.kept:
            first.setdefault(parse_qs(body.decode())["To"][0], moment)
        return first


class Line(asyncio.Protocol):
    """One persistent connection; a client has one request on it at a time."""

    def __init__(self, state: State, loop: asyncio.AbstractEventLoop) -> None:
        self.state = state
        self.loop = loop
        self.pending = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.state.connections += 1

    def connection_lost(self, problem: Exception | None) -> None:
        self.state.connections -= 1
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end]
            start = head.lower().find(b"\r\ncontent-length:")
            length = int(head[start + 17 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.pending) < end + 4 + length:
                return
            body = self.pending[end + 4 : end + 4 + length]
            self.pending = self.pending[end + 4 + length :]
            self.receive_request(head, body)

    def receive_request(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST ") and b"/Messages.json" in head[:120]:
            state = self.state
            state.received += 1
            state.flying += 1
            state.most_flying = max(state.most_flying, state.flying)
            if state.keep:
                state.kept.append((time.monotonic(), body))
            self.loop.call_later(state.seconds, self.accept_message, state.received)
        else:
            self.send_json(*self.answer_query(*head.split(b"\r\n", 1)[0].decode().split(" ")[:2]))

    def accept_message(self, number: int) -> None:
        self.state.flying -= 1
        if self.transport is not None:
            self.state.answered += 1
            self.transport.write(
                _TAKEN.replace(_PLACE.encode(), b"%032x" % ((_RUN << 64) | number))
            )

    def answer_query(self, method: str, target: str) -> tuple[int, Any]:
        """Answer what is not a message: the run's questions, and what a connection's test asks."""
        path, _, query = target.partition("?")
        if path == "/bench/counts":
            return 200, self.state.counts("reset" in query)
        if path == "/bench/calls":
            return 200, self.state.calls()
        if path.endswith("/IncomingPhoneNumbers.json"):
            number = parse_qs(query).get("PhoneNumber", [SENDER])[0]
            owned = {
                "sid": "PN" + "0" * 32,
                "phone_number": number,
                "capabilities": {"sms": True, "mms": True, "voice": True},
            }
            return 200, {
                "incoming_phone_numbers": [owned],
                "next_page_uri": None,
                "page": 0,
                "page_size": 20,
            }
        if path.endswith("/Messages.json"):
            return 200, {"messages": [], "next_page_uri": None, "page": 0, "page_size": 50}
        if "/Messages/" in path:
            sid = path.rpartition("/")[2].removesuffix(".json")
            return 200, {**json.loads(_MESSAGE), "sid": sid, "status": "delivered"}
        if path.startswith("/2010-04-01/Accounts/") and path.count("/") == 3:
            sid = path.rpartition("/")[2].removesuffix(".json")
            return 200, {
                "sid": sid,
                "friendly_name": "Benchmark",
                "status": "active",
                "type": "Full",
            }
        return 404, {"code": 20404, "message": f"{method} {path} is not here", "status": 404}

    def send_json(self, status: int, content: Any) -> None:
        text = json.dumps(content).encode()
        head = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            status,
            len(text),
        )
        if self.transport is not None:
            self.transport.write(head + text)


_RUN = time.time_ns()  # SIDs differ from those of the run before


async def serve(port: int, seconds: float, keep: bool) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    state = State(seconds, keep)
    server = await loop.create_server(lambda: Line(state, loop), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, "--keep" in sys.argv))
