"""A stand-in for a mail server: it answers each command of a session a fixed time later.

`python -m benchmarks.mail_server PORT MILLISECONDS` runs it in a separate process, without
encryption or sign-in. The command `xcounts` returns what it has received.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import sys
import time
from dataclasses import asdict, dataclass, field

from benchmarks.provider import Counts, Provider
from benchmarks.running import Crew, Started, accepts_connections, find_free_port, python_command

COUNTS = "xcounts"


# ── Counts for the run ────────────────────────────────────────────────────────────────────────────
class MailServer(Provider):
    """A running mail server."""

    def __init__(self, crew: Crew, milliseconds: float) -> None:
        self.port = find_free_port()
        self.crew = crew
        command = python_command("benchmarks.mail_server", str(self.port), str(milliseconds))
        self.started: Started = crew.start("mail-server", command)
        crew.wait_for(
            lambda: accepts_connections(self.port), "the mail server answering", of=self.started
        )

    def counts(self, *, reset: bool = False) -> Counts:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as session:
            _, text = session.docmd(COUNTS, "reset" if reset else "")
        return Counts(**json.loads(text))


# ── The server ────────────────────────────────────────────────────────────────────────────────────
@dataclass
class State:
    """The state that all sessions share: its fields are those of Counts."""

    seconds: float
    received: int = 0
    flying: int = 0
    most_flying: int = 0
    connections: int = 0
    started: float = field(default_factory=time.monotonic)

    def counts(self, *, reset: bool) -> Counts:
        found = Counts(
            time.monotonic(),
            self.received,
            self.received,
            self.flying,
            self.most_flying,
            self.connections,
        )
        if reset:
            self.most_flying = self.flying
        return found


async def serve_session(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: State
) -> None:
    """Answer the commands of one session until it ends."""
    writer.write(b"220 bench.example\r\n")
    while line := (await reader.readline()).decode("latin-1").strip():
        command, _, rest = line.lower().partition(" ")
        if command == COUNTS:
            counts = json.dumps(asdict(state.counts(reset=rest == "reset")))
            writer.write(f"250 {counts}\r\n".encode())
            continue
        if command in ("ehlo", "helo"):
            state.connections += 1
        if command == "mail":
            state.flying += 1
            state.most_flying = max(state.most_flying, state.flying)
        if command == "rset":  # of a test of the connection
            state.flying -= 1
        await asyncio.sleep(state.seconds)
        if command == "quit":
            writer.write(b"221 ok\r\n")
            break
        writer.write(b"354 go\r\n" if command == "data" else b"250 ok\r\n")
        if command == "data":
            await reader.readuntil(b"\r\n.\r\n")
            await asyncio.sleep(state.seconds)
            state.received += 1
            state.flying -= 1
            writer.write(b"250 accepted\r\n")
    writer.close()


async def main(port: int, milliseconds: float) -> None:
    state = State(milliseconds / 1000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve_session(reader, writer, state)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=2**20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
