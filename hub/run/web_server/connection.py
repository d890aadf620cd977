"""One client's connection: what has arrived, what is to be sent, and how long that may take."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from hub.run.web_server.framing import Body, HeadReader

SEND_SECONDS = 10.0  # without any progress
SLOWEST = 16 * 1024  # bytes a second that a client has to read, on top of that
SEND_AT = 64 * 1024  # bytes of an answer that are sent before it is complete
MOST_PENDING = 32 * 1024 * 1024  # bytes that wait for a slow reader without a thread
LONGEST_WAIT = 30.0  # seconds that a thread waits for a slow reader of more


class State(Enum):
    """The states of a connection, each with what it waits for."""

    READING = auto()  # the rest of a request
    ANSWERING = auto()  # a thread
    SENDING = auto()  # a reader of the answer that is slower than we
    IDLE = auto()  # the next request, which has not begun
    CLOSING = auto()  # the other side, which has been answered for the last time
    CLOSED = auto()


class Answer:
    """The socket that gunicorn writes an answer to. It sends what it can, and keeps the rest."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.pending = bytearray()
        self.failed = False

    def sendall(self, data: bytes) -> None:
        """Add to the answer. Raises OSError when the client has gone, or does not read."""
        self.pending += data
        if len(self.pending) >= SEND_AT:
            self.send_pending()
        if len(self.pending) > MOST_PENDING:
            self._wait()

    def send(self, data: bytes) -> int:
        """Add to the answer, all of it."""
        self.sendall(data)
        return len(data)

    def send_pending(self) -> bool:
        """Send what the client takes now; tell whether it took any. Raises OSError."""
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
        """Note that an answer broke off: the connection cannot be used again."""
        self.failed = True

    def shutdown(self, how: int) -> None:
        """Refuse to end the connection here: the poller does."""
        raise OSError("the poller ends connections")

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        begin = progress = time.monotonic()
        while len(self.pending) > MOST_PENDING // 2:
            poller.poll(1000)
            now = time.monotonic()
            progress = now if self.send_pending() else progress
            if now > min(progress + SEND_SECONDS, begin + LONGEST_WAIT):
                self.failed = True
                raise TimeoutError("the client does not read the answer")


class Connection:
    """A client's connection. Only the poller uses it. A thread writes the answer."""

    def __init__(self, sock: socket.socket, client: Any, server: Any, longest_line: int) -> None:
        self.socket = sock
        self.client = client
        self.server = server
        self.sock = Answer(sock)  # gunicorn's name for what it writes to
        self.received = bytearray()
        self.state = State.CLOSED
        self.deadline = 0.0
        self.held = 0  # bytes, as last counted
        self.requests = 0
        self.watched = 0  # the events that the poller waits for
        self.act: Callable[[Connection], None] | None = None  # what it does about them
        self.send_until = 0.0
        self.keep_alive = False
        self.waits_for_thread = False
        self._longest_line = longest_line
        self.begin_request()

    def begin_request(self) -> None:
        """Forget the last request, and be ready for the next."""
        self.head = HeadReader(self._longest_line)
        self.request: Any = None
        self.body: Body | None = None
        self.limit = 0  # bytes of the body

    def size(self) -> int:
        """Return how many bytes of memory the connection's data takes."""
        content = len(self.body.content) if self.body else 0
        return len(self.received) + content + len(self.sock.pending)

    def is_silent(self) -> bool:
        """Tell whether nothing of a request has arrived."""
        return self.request is None and not self.received

    def begin_sending(self) -> None:
        """Set the time by which even a slow client has to have read the answer."""
        seconds = SEND_SECONDS + len(self.sock.pending) / SLOWEST
        self.send_until = time.monotonic() + seconds

    def send_at_once(self, data: bytes) -> None:
        """Send a short answer if the client takes it now."""
        try:
            self.socket.send(data)
        except OSError:
            pass  # a client that does not read it has gone, or has not read the last answer either

    def receive(self, size: int) -> bytes | None:
        """Return what has arrived, b"" at the end, or None when there is nothing yet."""
        try:
            return self.socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""
