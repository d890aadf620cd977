"""A gunicorn worker whose poller receives each complete request before a thread handles it.

In gunicorn's gthread, a thread waits for each client, so that a few slow clients stop the server.
Here the poller reads all connections with one deadline each, and sends responses to slow clients.
It uses undocumented parts of gunicorn. tests/run/web_server/test_gunicorn.py checks them.
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

from hub.core.config import MAX_BODY_SIZE
from hub.run.web_server.connection import Connection, State
from hub.run.web_server.framing import Body, BodyTooLarge, TooLarge, create_body_reader, parse_head
from hub.run.web_server.refusals import (
    BROKEN,
    BUSY,
    FAULT,
    TOO_SLOW,
    Refusal,
    build_response,
    refusal_for_error,
)
from hub.run.web_server.waiting import WaitingConnections

STOPPING_SECONDS = 1.0  # for a request that arrives on an idle connection
RECEIVE = 64 * 1024
MAX_MEMORY = 128 * 1024 * 1024  # bytes of waiting requests and responses in this process
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
Handler = Callable[[Connection], None]
IGNORED_ACCEPT_ERRORS = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR)


def _wake_poller() -> None:
    """Wake the poller without doing anything."""


class BufferedThreadWorker(ThreadWorker):  # type: ignore[misc]
    """A worker whose threads receive only complete requests. Slow clients are closed after 10
    seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = WaitingConnections(float(self.cfg.keepalive))
        self.keepalived_conns = self._waiting.in_state(State.IDLE)  # gunicorn reads their number
        self._notify_at = 0.0
        self._max_memory = MAX_MEMORY
        self._answered: deque[Connection] = deque()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Raise ValueError for settings that this worker does not support."""
        if cfg.is_ssl or cfg.proxy_protocol != "off":
            raise ValueError(
                "BufferedThreadWorker serves plain HTTP behind a proxy that terminates TLS"
            )

    def init_process(self) -> None:
        """Prepare this process, then serve until it is asked to stop."""
        self.cfg.set("sendfile", False)  # it would bypass the buffered response
        super().init_process()

    # ── The loop ────────────────────────────────────────────────────────────────────────────────
    def run(self) -> None:
        """Serve until SIGTERM, then respond to the requests that were received."""
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        while self.alive and self.is_parent_alive():
            self.set_accept_enabled(
                self.nr_conns < self.worker_connections or self._close_least_needed()
            )
            self._run_once()
        self._finish()

    def _run_once(self) -> None:
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

    def _finish(self) -> None:
        self._waiting.seconds[State.IDLE] = STOPPING_SECONDS
        for listener in self.sockets:
            while self.accept(listener):
                pass  # the system has already accepted these clients
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        silent = [conn for conn in self._waiting.in_state(State.READING) if conn.is_silent()]
        for conn in [*self._waiting.in_state(State.IDLE), *silent]:
            self._waiting.enter(conn, State.IDLE)
        # gunicorn kills the worker after its own limit
        end = time.monotonic() + self.cfg.graceful_timeout - 0.5
        while self.nr_conns > 0 and time.monotonic() < end:
            self._run_once()
        for conn in self._waiting.all():
            self._drop(conn)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    # ── Connections ─────────────────────────────────────────────────────────────────────────────
    def accept(self, listener: Any) -> bool:
        """Accept one connection; return False if there is none, or no file descriptor for it."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno not in IGNORED_ACCEPT_ERRORS and not self._close_least_needed():
                self.set_accept_enabled(False)  # until the next turn, within a second
            return False
        sock.setblocking(False)
        self.nr_conns += 1
        server = listener.getsockname()
        conn = Connection(sock, client, server, self.cfg.limit_request_line)
        self._waiting.enter(conn, State.READING if self.alive else State.IDLE)
        self._watch(conn, selectors.EVENT_READ, self._receive)
        return True

    def _watch(self, conn: Connection, events: int, handler: Handler | None = None) -> None:
        if events == conn.watched and handler == conn.handler:
            return  # usually the poller already waits for the next request
        callback = partial(self._handle_events, conn, handler)
        if events and conn.watched:
            self.poller.modify(conn.socket, events, callback)
        elif events:
            self.poller.register(conn.socket, events, callback)
        else:
            self.poller.unregister(conn.socket)
        conn.watched = events
        conn.handler = handler

    def _handle_events(self, conn: Connection, handler: Handler | None, _: Any = None) -> None:
        if conn.state is State.CLOSED or handler is None:
            return  # it was closed for another connection in this turn
        try:
            handler(conn)
        except Exception:
            self.log.exception("Closed a connection that failed.")
            self._close(conn)
        else:
            self._update_memory(conn)

    def _update_memory(self, conn: Connection) -> None:
        if conn.state is State.ANSWERING:
            return  # the thread has what was measured last
        self._waiting.update_memory(conn)
        while self._waiting.memory > self._max_memory and (largest := self._waiting.largest()):
            self._drop(largest)

    def _close_least_needed(self) -> bool:
        """Close the least needed connection; return False if all are being handled."""
        candidate = self._waiting.first_to_close()
        if candidate is not None:
            self._drop(candidate)
        return candidate is not None

    def _drop(self, conn: Connection) -> None:
        if conn.state is State.READING:
            conn.send_at_once(build_response(BUSY))
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        self._watch(conn, 0)
        self._waiting.enter(conn, State.CLOSED)
        self._waiting.update_memory(conn)
        self.nr_conns -= 1
        conn.socket.close()

    def _close_after_answer(self, conn: Connection) -> None:
        """Stop sending but keep reading, because otherwise the system could discard the
        response.
        """
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
            self._watch(conn, 0)  # the next request waits for the thread
            return
        data = conn.receive(RECEIVE)
        if data is None:
            return
        if not data:
            if conn.is_silent():
                self._close(conn)
            else:
                self._refuse(conn, BROKEN)  # the client may have closed only its sending side
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
        except ParseException as error:
            self.log.info("Refused a request that is not valid HTTP: %s", type(error).__name__)
            self._refuse(conn, refusal_for_error(error))

    def _read_head(self, conn: Connection) -> Body | None:
        end = conn.head.end(conn.received)
        if not end:
            return None
        conn.requests += 1
        head = bytes(conn.received[:end])
        del conn.received[:end]
        conn.request = parse_head(head, self.cfg, conn.client, conn.requests)
        return create_body_reader(conn.request)

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
        """Return the maximum size of this body in bytes."""
        if body.length is not None and body.length <= MAX_BODY_SIZE:
            return MAX_BODY_SIZE  # below every limit
        find_limit = getattr(self.wsgi, "extensions", {}).get("hub.body_limit")
        limit = (
            MAX_BODY_SIZE if find_limit is None else int(find_limit(request.method, request.path))
        )
        self._max_memory = max(
            self._max_memory, 3 * limit
        )  # otherwise no such body could be received
        return limit

    def _answer(self, conn: Connection, stream: Any) -> None:
        conn.request._expected_100_continue = False  # otherwise gunicorn would send it again
        conn.request.body = stream
        self._waiting.update_memory(conn)
        conn.body = None
        conn.waits_for_thread = False
        self._waiting.enter(conn, State.ANSWERING)
        self.tpool.submit(self._answer_in_thread, conn)

    def _refuse(self, conn: Connection, refusal: Refusal) -> None:
        conn.send_at_once(build_response(refusal))
        self._close_after_answer(conn)

    # ── Responses ─────────────────────────────────────────────────────────────────────────────────
    def handle(self, conn: Connection) -> bool:
        """Handle a request in a thread; return whether the connection may be used again."""
        try:
            keep_alive = bool(self.handle_request(conn.request, conn))
        except (OSError, StopIteration):
            conn.sock.close()  # the client disconnected, or the response is incomplete
            return False
        except Exception:
            # the URL may contain a one-time link, so it is not logged
            self.log.exception("Signpost could not respond to a request.")
            conn.sock.sendall(build_response(FAULT))
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
            # otherwise the client's next request wakes the poller
            idle = conn.keep_alive and self.alive and not conn.received and not conn.sock.pending
            if conn.waits_for_thread or not idle:
                self.method_queue.defer(_wake_poller)

    def _finish_answered(self) -> None:
        while self._answered:
            conn = self._answered.popleft()
            conn.begin_request()
            self._handle_events(conn, self._continue)

    def _continue(self, conn: Connection) -> None:
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
            self._close_after_answer(conn)

    def _send(self, conn: Connection) -> None:
        try:
            progress = conn.sock.send_pending()
        except OSError:
            progress = False
        if not conn.sock.pending or conn.sock.failed:
            self._continue(conn)
        elif progress and time.monotonic() < conn.send_until:
            self._waiting.enter(conn, State.SENDING)  # restarts its 10 seconds
