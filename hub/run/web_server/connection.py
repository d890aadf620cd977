"""One client's connection: received and pending bytes, its state and its deadlines."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from hub.run.web_server.framing import Body, HeadReader

SEND_SECONDS = 10.0  # without any progress
MIN_BYTES_PER_SECOND = 16 * 1024  # that a client must read, in addition to SEND_SECONDS
FLUSH_BYTES = 64 * 1024  # of an incomplete response
MAX_PENDING = 32 * 1024 * 1024  # bytes that wait for a slow client without blocking a thread
MAX_WAIT = 30.0  # seconds that a thread waits for a slow client of a larger response


class State(Enum):
    """The states of a connection, each with the event that it waits for."""

    READING = auto()  # the rest of a request
    ANSWERING = auto()  # a thread
    SENDING = auto()  # a client that reads the response slowly
    IDLE = auto()  # the next request, which has not begun
    CLOSING = auto()  # the client closes the connection, after the last response
    CLOSED = auto()


class ResponseSocket:
    """The socket that gunicorn writes a response to. It sends what the client is ready to read, and
    buffers the rest.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.pending = bytearray()
        self.failed = False

    def sendall(self, data: bytes) -> None:
        """Add to the response. Raises OSError if the client disconnected or does not read."""
        self.pending += data
        if len(self.pending) >= FLUSH_BYTES:
            self.send_pending()
        if len(self.pending) > MAX_PENDING:
            self._wait_for_client()

    def send(self, data: bytes) -> int:
        """Buffer data to send."""
        self.sendall(data)
        return len(data)

    def send_pending(self) -> bool:
        """Send what the client reads now; return whether it read any. Raises OSError."""
        try:
            sent = self._socket.send(self.pending)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.failed = True
            raise
        del self.pending[:sent]
        return sent > 0

    def close(self) -> None:
        """Mark the response as failed; the connection cannot be used again."""
        self.failed = True

    def shutdown(self, how: int) -> None:
        """Refuse, because only the poller closes connections."""
        raise OSError("only the poller closes connections")

    def _wait_for_client(self) -> None:
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        started_at = last_progress = time.monotonic()
        while len(self.pending) > MAX_PENDING // 2:
            poller.poll(1000)
            now = time.monotonic()
            last_progress = now if self.send_pending() else last_progress
            if now > min(last_progress + SEND_SECONDS, started_at + MAX_WAIT):
                self.failed = True
                raise TimeoutError("the client does not read the response")


class Connection:
    """A client's connection. Only the poller uses it. A thread writes the response."""

    def __init__(self, sock: socket.socket, client: Any, server: Any, longest_line: int) -> None:
        self.socket = sock
        self.client = client
        self.server = server
        self.sock = ResponseSocket(sock)  # the name that gunicorn uses
        self.received = bytearray()
        self.state = State.CLOSED
        self.deadline = 0.0
        self.memory = 0  # bytes, when last measured
        self.requests = 0
        self.watched = 0  # events that the poller waits for
        self.handler: Callable[[Connection], None] | None = None  # handler of these events
        self.send_until = 0.0
        self.keep_alive = False
        self.waits_for_thread = False
        self._longest_line = longest_line
        self.begin_request()

    def begin_request(self) -> None:
        """Reset the state for the next request."""
        self.head = HeadReader(self._longest_line)
        self.request: Any = None
        self.body: Body | None = None
        self.limit = 0  # bytes of the body

    def memory_used(self) -> int:
        """Return the memory that the connection uses, in bytes."""
        content = len(self.body.content) if self.body else 0
        return len(self.received) + content + len(self.sock.pending)

    def is_silent(self) -> bool:
        """Return whether nothing of a request has arrived."""
        return self.request is None and not self.received

    def begin_sending(self) -> None:
        """Set the deadline for a client that reads the response slowly."""
        seconds = SEND_SECONDS + len(self.sock.pending) / MIN_BYTES_PER_SECOND
        self.send_until = time.monotonic() + seconds

    def send_at_once(self, data: bytes) -> None:
        """Send a short response without waiting."""
        try:
            self.socket.send(data)
        except OSError:
            pass  # the client closed the connection, or still has an earlier response to read

    def receive(self, size: int) -> bytes | None:
        """Return received bytes, b"" at the end, or None if there are none yet."""
        try:
            return self.socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""
