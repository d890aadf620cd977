"""A gunicorn worker with threads, whose poller collects each request before a thread sees it.

gunicorn's own gthread gives a connection to a thread as soon as it is there. The thread then waits
for the client, so that as many slow clients as there are threads stop the server. Here the poller
reads all connections under one deadline, and sends what slow readers leave. It leans on parts of
gunicorn that are not documented; tests/run/web_server/test_gunicorn.py checks that they are there.
"""

from __future__ import annotations

import errno
import io
import selectors
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from hub.core.config import LARGEST_BODY
from hub.run.web_server.connection import Connection, State
from hub.run.web_server.framing import Body, BodyTooLarge, TooLarge, body_of, parse_head
from hub.run.web_server.refusals import BROKEN, BUSY, FAULT, TOO_SLOW, Refusal, answer, refusal_of
from hub.run.web_server.waiting import Waiting

STOPPING_SECONDS = 1.0  # for a request that is under way on a kept-alive connection
RECEIVE = 64 * 1024
MOST_MEMORY = 128 * 1024 * 1024  # bytes of requests and answers that wait in this process
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
Act = Callable[[Connection], None]
GONE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR)


def _nothing() -> None:
    """Wake the poller."""


class BufferedThreadWorker(ThreadWorker):  # type: ignore[misc]
    """Give threads whole requests only; cut clients that take longer than 10 seconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = Waiting(float(self.cfg.keepalive))
        self.keepalived_conns = self._waiting.of(State.IDLE)  # gunicorn asks how many there are
        self._notify_at = 0.0
        self._most_memory = MOST_MEMORY
        self._answered: deque[Connection] = deque()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what this worker does not do. Raises ValueError."""
        if cfg.is_ssl or cfg.proxy_protocol != "off":
            raise ValueError(
                "BufferedThreadWorker serves plain HTTP behind a proxy that terminates TLS"
            )

    def init_process(self) -> None:
        """Prepare this process; then serve until it is asked to stop."""
        self.cfg.set("sendfile", False)  # it would write past the answer that the poller keeps
        super().init_process()

    # ── The loop ────────────────────────────────────────────────────────────────────────────────
    def run(self) -> None:
        """Serve until SIGTERM; then answer what has been received."""
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        while self.alive and self.is_parent_alive():
            self.set_accept_enabled(self.nr_conns < self.worker_connections or self._make_room())
            self._turn()
        self._stop()

    def _turn(self) -> None:
        self._finish_answered()
        now = time.monotonic()
        if now >= self._notify_at:
            self.notify()
            self._notify_at = now + 1
        events = self.poller.select(self._waiting.seconds_left(1.0))
        self._finish_answered()
        for key, _ in events:
            key.data(key.fileobj)
        self._end_overdue()

    def _stop(self) -> None:
        self._waiting.seconds[State.IDLE] = STOPPING_SECONDS
        for listener in self.sockets:
            while self.accept(listener):
                pass  # the system has connected these clients
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        silent = [conn for conn in self._waiting.of(State.READING) if conn.is_silent()]
        for conn in [*self._waiting.of(State.IDLE), *silent]:
            self._waiting.enter(conn, State.IDLE)
        # gunicorn kills what is still there after its own limit
        end = time.monotonic() + self.cfg.graceful_timeout - 0.5
        while self.nr_conns > 0 and time.monotonic() < end:
            self._turn()
        for conn in self._waiting.all():
            self._drop(conn)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    # ── Connections ─────────────────────────────────────────────────────────────────────────────
    def accept(self, listener: Any) -> bool:
        """Accept one connection; False when there is none, or no file descriptor for it."""
        try:
            sock, client = listener.accept()
        except OSError as problem:
            if problem.errno not in GONE and not self._make_room():
                self.set_accept_enabled(False)  # until the next turn, at most a second away
            return False
        sock.setblocking(False)
        self.nr_conns += 1
        server = listener.getsockname()
        conn = Connection(sock, client, server, self.cfg.limit_request_line)
        self._waiting.enter(conn, State.READING if self.alive else State.IDLE)
        self._watch(conn, selectors.EVENT_READ, self._receive)
        return True

    def _watch(self, conn: Connection, events: int, act: Act | None = None) -> None:
        if events == conn.watched and act == conn.act:
            return  # most often the poller waited for the next request all the time
        data = partial(self._act, conn, act)
        if events and conn.watched:
            self.poller.modify(conn.socket, events, data)
        elif events:
            self.poller.register(conn.socket, events, data)
        else:
            self.poller.unregister(conn.socket)
        conn.watched = events
        conn.act = act

    def _act(self, conn: Connection, act: Act | None, _: Any = None) -> None:
        if conn.state is State.CLOSED or act is None:
            return  # it made room for another in this turn
        try:
            act(conn)
        except Exception:
            self.log.exception("Closed a connection that failed.")
            self._close(conn)
        else:
            self._count(conn)

    def _count(self, conn: Connection) -> None:
        if conn.state is State.ANSWERING:
            return  # what was counted last is what the thread has
        self._waiting.count(conn)
        while self._waiting.held > self._most_memory and (largest := self._waiting.largest()):
            self._drop(largest)

    def _make_room(self) -> bool:
        """Close the connection that has the least to lose; False when all are being answered."""
        found = self._waiting.least_needed()
        if found is not None:
            self._drop(found)
        return found is not None

    def _drop(self, conn: Connection) -> None:
        if conn.state is State.READING:
            conn.send_at_once(answer(BUSY))
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        self._watch(conn, 0)
        self._waiting.enter(conn, State.CLOSED)
        self._waiting.count(conn)
        self.nr_conns -= 1
        conn.socket.close()

    def _close_gently(self, conn: Connection) -> None:
        """End the connection, but read on: else the system would take the answer back."""
        try:
            conn.socket.shutdown(1)
        except OSError:
            self._close(conn)
            return
        conn.received.clear()
        conn.begin_request()
        self._waiting.enter(conn, State.CLOSING)
        self._watch(conn, selectors.EVENT_READ, self._discard)

    def _discard(self, conn: Connection) -> None:
        if conn.receive(RECEIVE) == b"":
            self._close(conn)

    def _end_overdue(self) -> None:
        for conn in self._waiting.overdue():
            if conn.state is State.READING:
                self._refuse(conn, TOO_SLOW)
            else:
                self._close(conn)

    # ── Requests ────────────────────────────────────────────────────────────────────────────────
    def _receive(self, conn: Connection) -> None:
        if conn.state is State.ANSWERING:
            conn.waits_for_thread = True
            self._watch(conn, 0)  # the next request has to wait
            return
        data = conn.receive(RECEIVE)
        if data is None:
            return
        if not data:
            if conn.is_silent():
                self._close(conn)
            else:
                self._refuse(conn, BROKEN)  # it may have closed its own direction only
            return
        if conn.state is State.IDLE:
            self._waiting.enter(conn, State.READING)
        conn.received += data
        self._read_request(conn)

    def _read_request(self, conn: Connection) -> None:
        try:
            if conn.body is None:
                conn.body = self._read_head(conn)
            if conn.body is not None:
                self._read_body(conn, conn.body)
        except BodyTooLarge:
            conn.request.force_close()
            self._answer(conn, TooLarge())
        except ParseException as problem:
            self.log.info("Refused a request that is not valid HTTP: %s", type(problem).__name__)
            self._refuse(conn, refusal_of(problem))

    def _read_head(self, conn: Connection) -> Body | None:
        end = conn.head.end(conn.received)
        if not end:
            return None
        conn.requests += 1
        head = bytes(conn.received[:end])
        del conn.received[:end]
        conn.request = parse_head(head, self.cfg, conn.client, conn.requests)
        return body_of(conn.request)

    def _read_body(self, conn: Connection, body: Body) -> None:
        if not body.complete:
            conn.limit = conn.limit or self._body_limit(conn.request, body)
            body.feed(conn.received, conn.limit)
        if body.complete:
            self._answer(conn, io.BytesIO(body.content))
        elif conn.request._expected_100_continue:
            conn.request._expected_100_continue = False
            conn.send_at_once(CONTINUE)

    def _body_limit(self, request: Any, body: Body) -> int:
        """Return the most bytes that the application accepts in this body."""
        if body.length is not None and body.length <= LARGEST_BODY:
            return LARGEST_BODY  # so it is within every limit
        find = getattr(self.wsgi, "extensions", {}).get("hub.body_limit")
        limit = LARGEST_BODY if find is None else int(find(request.method, request.path))
        self._most_memory = max(self._most_memory, 3 * limit)  # else none of these could arrive
        return limit

    def _answer(self, conn: Connection, stream: Any) -> None:
        conn.request._expected_100_continue = False  # gunicorn would say it once more
        conn.request.body = stream
        self._waiting.count(conn)
        conn.body = None
        conn.waits_for_thread = False
        self._waiting.enter(conn, State.ANSWERING)
        self.tpool.submit(self._answer_in_thread, conn)

    def _refuse(self, conn: Connection, refusal: Refusal) -> None:
        conn.send_at_once(answer(refusal))
        self._close_gently(conn)

    # ── Answers ─────────────────────────────────────────────────────────────────────────────────
    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread; tell whether the connection may be used again."""
        try:
            keep_alive = bool(self.handle_request(conn.request, conn))
        except (OSError, StopIteration):
            conn.sock.close()  # the client has gone, or the answer broke off
            return False
        except Exception:
            # the address may hold a one-time link, so it is not logged
            self.log.exception("Signpost could not respond to a request.")
            conn.sock.sendall(answer(FAULT))
            keep_alive = False
        try:
            conn.sock.send_pending()
        except OSError:
            return False
        return keep_alive

    def _answer_in_thread(self, conn: Connection) -> None:
        conn.keep_alive = False
        try:
            conn.keep_alive = self.handle(conn)
        finally:
            self._answered.append(conn)
            # else there is nothing to do until the client's next request wakes the poller
            idle = conn.keep_alive and self.alive and not conn.received and not conn.sock.pending
            if conn.waits_for_thread or not idle:
                self.method_queue.defer(_nothing)

    def _finish_answered(self) -> None:
        while self._answered:
            conn = self._answered.popleft()
            conn.begin_request()
            self._act(conn, self._go_on)

    def _go_on(self, conn: Connection) -> None:
        if conn.sock.failed:
            self._close(conn)
        elif conn.sock.pending:
            conn.begin_sending()
            self._waiting.enter(conn, State.SENDING)
            self._watch(conn, selectors.EVENT_WRITE, self._send)
        elif conn.keep_alive:
            self._waiting.enter(conn, State.READING if conn.received else State.IDLE)
            self._watch(conn, selectors.EVENT_READ, self._receive)
            if conn.received:
                self._read_request(conn)
        else:
            self._close_gently(conn)

    def _send(self, conn: Connection) -> None:
        try:
            progress = conn.sock.send_pending()
        except OSError:
            progress = False
        if not conn.sock.pending or conn.sock.failed:
            self._go_on(conn)
        elif progress and time.monotonic() < conn.send_until:
            self._waiting.enter(conn, State.SENDING)  # with 10 more seconds
