"""Store which handlers exist, so that events are stored for them.

The worker of the queue `notify` loads all files when it starts. A file that cannot be loaded
changes nothing: its handlers keep receiving events, which wait until the file is corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import exists, select

from hub.core.errors import DecryptionError
from hub.core.vocabulary import EndpointState
from hub.db.engine import db
from hub.db.locks import hold_lock
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints.catalog import handler_event_kinds
from hub.endpoints.handler_subscriptions import forget_subscriptions
from hub.handlers.calls import read_limits
from hub.handlers.child_process import Failure, HandlerProcess, Limits
from hub.handlers.masking import mask_message
from hub.handlers.sources import HandlerSource, find_sources
from hub.models import Setting, WebhookEndpoint
from hub.models.webhook_endpoint import HANDLER, REMOVED
from hub.shared import audit

BY_ADMIN = "admin"  # the reason why a handler is disabled, and the mark of one in its settings
LOADED = "handlers_loaded"  # the setting that stores what could not be loaded
LOADS_AT_ONCE = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FoundHandler:
    """A handler that a file or package declares."""

    name: str
    source: str
    patterns: tuple[str, ...]
    summary: str
    problem: str


@dataclass(frozen=True)
class LoadedSource:
    """A file or package with its handlers, or why it could not be loaded."""

    source: HandlerSource
    handlers: tuple[FoundHandler, ...] = ()
    failure: Failure | None = None


def load_all() -> list[LoadedSource]:
    """Load every file and package, each in a separate process. Nothing is stored."""
    sources = find_sources()
    if not sources:
        return []
    limits = read_limits()
    types = tuple(handler_event_kinds())
    with ThreadPoolExecutor(LOADS_AT_ONCE) as pool:
        return list(pool.map(lambda source: load(source, limits, types), sources))


def load(source: HandlerSource, limits: Limits, types: Sequence[str]) -> LoadedSource:
    """Load a file or package in a process that ends afterwards."""
    process = HandlerProcess(source, limits)
    try:
        response = process.load(types)
    finally:
        process.stop()
    if response.failure is not None:
        return LoadedSource(source, failure=response.failure)
    found = (
        FoundHandler(
            str(row["name"]),
            source.name,
            tuple(map(str, row["patterns"])),
            str(row["summary"])[:200],
            str(row["problem"]),
        )
        for row in response.data["handlers"]
    )
    return LoadedSource(source, tuple(found))


def register() -> int:
    """Load all files, and store which handlers exist now; return how many."""
    loaded = load_all()
    if not loaded and not _is_anything_stored():
        return 0
    with hold_lock("handlers", 10):
        count = _store(loaded)
    forget_subscriptions()
    for item in loaded:
        if item.failure is not None:
            log.error("handlers.not_loaded", source=item.source.name, problem=item.failure.problem)
    return count


def _is_anything_stored() -> bool:
    """Return whether there were handlers, or problems of them, when a worker started before."""
    has_handlers = db.session.scalar(select(exists().where(WebhookEndpoint.kind == HANDLER)))
    return bool(has_handlers) or db.session.get(Setting, LOADED) is not None


@transaction
def _store(loaded: Sequence[LoadedSource]) -> int:
    rows = {row.description: row for row in db.session.scalars(_handlers())}
    found: dict[str, FoundHandler] = {}
    for item in loaded:
        for handler in item.handlers:
            found.setdefault(handler.name, handler)
    not_loaded = {item.source.name for item in loaded if item.failure is not None}
    for name, handler in found.items():
        if name in rows or not handler.problem:
            _update(rows.get(name), handler)
    for name, row in rows.items():
        if name not in found and details_of(row).get("source") not in not_loaded:
            _mark_removed(row)
    _store_problems(loaded, found)
    return len(found)


def details_of(row: WebhookEndpoint) -> dict[str, str]:
    """Return the source, summary and problem of a handler; {} if they cannot be decrypted."""
    try:
        return dict(row.settings or {})
    except DecryptionError:
        return {}


def _handlers() -> Any:
    return select(WebhookEndpoint).where(
        WebhookEndpoint.kind == HANDLER, WebhookEndpoint.deleted_at.is_(None)
    )


def _update(row: WebhookEndpoint | None, handler: FoundHandler) -> None:
    """Store a new handler, or the changes of one.

    A handler that was removed runs again, unless an admin had disabled it.
    """
    settings = {"source": handler.source, "summary": handler.summary, "problem": handler.problem}
    is_new = row is None
    if row is None:
        row = WebhookEndpoint(
            kind=HANDLER,
            test=False,
            description=handler.name,
            patterns="",
            with_addresses=True,
            with_texts=True,
        )
        db.session.add(row)
    if row.state_reason == REMOVED:
        stays_off = BY_ADMIN in details_of(row)
        row.state = (EndpointState.DISABLED if stays_off else EndpointState.ENABLED).value
        row.state_reason = BY_ADMIN if stays_off else ""
        row.state_at = now()
    if not handler.problem:
        row.patterns = " ".join(sorted(set(handler.patterns)))
    if is_new or details_of(row) != settings:
        db.session.flush()
        row.settings = settings
        row.version = (row.version or 0) + 1
    if is_new:
        db.session.flush()
        audit.record("handler.found", row.id, row.description, events=row.patterns)


def _mark_removed(row: WebhookEndpoint) -> None:
    """Stop storing events for a handler without code. Those that wait stay."""
    if row.state_reason != REMOVED:
        if row.state != EndpointState.ENABLED:  # it stays disabled when its code is back
            row.settings = {**details_of(row), BY_ADMIN: "disabled"}
        row.state = EndpointState.DISABLED.value
        row.state_reason = REMOVED
        row.state_at = now()
        audit.record("handler.removed", row.id, row.description)


def _store_problems(loaded: Sequence[LoadedSource], found: dict[str, FoundHandler]) -> None:
    """Store what the page shows: files that were not loaded, and functions with a problem."""
    problems = [
        {
            "name": item.source.name,
            "problem": item.failure.problem,
            "message": mask_message(item.failure.message),
            "lines": list(item.failure.lines),
        }
        for item in loaded
        if item.failure is not None
    ]
    problems += [
        {"name": handler.name, "problem": handler.problem, "message": "", "lines": []}
        for handler in found.values()
        if handler.problem
    ]
    row = db.session.get(Setting, LOADED)
    if row is None:
        row = Setting(name=LOADED)
        db.session.add(row)
    row.value = {"problems": problems, "sources": [item.source.name for item in loaded]}
    row.changed_at = now()


def load_problems() -> list[dict[str, Any]]:
    """Return the files that could not be loaded, and the functions with a problem."""
    row = db.session.get(Setting, LOADED)
    return list(row.value["problems"]) if row is not None else []
