"""A signing app's receiver of webhooks, and the steps that tests share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.endpoints import endpoints
from hub.endpoints.dispatcher import Dispatcher
from hub.endpoints.endpoints import EndpointSettings
from hub.endpoints.platform_events import NewEvent, store_events
from hub.lib.shutdown import ShutdownSignal
from hub.models import Source, WebhookDelivery


@dataclass(frozen=True)
class Received:
    """One request: its headers in lower case, and its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """A server that answers each request as `answer` says: a status, a body, headers."""

    port: int
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], tuple[int, bytes, dict[str, str]]] = lambda _: (200, b"", {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def types(self) -> list[str]:
        return [request.payload["type"] for request in self.requests]

    def answer_with(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer every request from now on in the same way."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda _: (status, body, named)


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """Run a receiver on a loopback port."""
    receiver = Receiver(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received = Received({name.lower(): text for name, text in self.headers.items()}, body)
            receiver.requests.append(received)
            status, answer, headers = receiver.answer(received)
            self.send_response(status)
            for name, text in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


# ── Steps ─────────────────────────────────────────────────────────────────────────────────────────
def source_named(slug: str) -> str:
    """Return the ID of a source, which is added if it is missing."""
    found = db.session.scalar(select(Source.id).where(Source.slug == slug))
    return found or add_source(slug)


@transaction
def add_source(slug: str) -> str:
    source = Source(slug=slug, name=slug.title())
    db.session.add(source)
    db.session.flush()
    return source.id


def add_endpoint(
    url: str,
    events: Sequence[str] = ("*",),
    *,
    source: str = "default",
    test: bool = True,
    **more: Any,
) -> tuple[str, str]:
    """Create an endpoint; return its ID and its secret."""
    source_id = source_named(source)
    return endpoints.create(source_id, EndpointSettings(url=url, events=events, **more), test=test)


@transaction
def report(
    event_type: str = "sms_delivered", *, source: str = "default", test: bool = True, **more: Any
) -> str:
    """Store a platform event as the hub does; return its ID."""
    cause = more.pop("cause", None) or f"{new_id('msg')}:{event_type.rpartition('_')[2]}"
    event = NewEvent(
        cause=cause, type=event_type, source_id=source_named(source), test=test, **more
    )
    store_events([event])
    return event.id


def notify(seconds: float = 60) -> int:
    """Send until nothing is due; return how many requests were made."""
    db.session.rollback()
    return Dispatcher(ShutdownSignal(seconds)).run(linger=0)


def deliveries(endpoint_id: str) -> list[WebhookDelivery]:
    """Return the deliveries of an endpoint, oldest first."""
    db.session.rollback()
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    return list(db.session.scalars(query.order_by(WebhookDelivery.event_id)))


def states(endpoint_id: str) -> list[str]:
    return [delivery.state for delivery in deliveries(endpoint_id)]


def next_due(endpoint_id: str) -> datetime | None:
    """Return when the next delivery of an endpoint is due."""
    due = [row.due_at for row in deliveries(endpoint_id) if row.due_at is not None]
    return min(due, default=None)
