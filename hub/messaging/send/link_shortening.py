"""Let a service shorten the links in messages that wait to be sent.

The text of such a message contains a short link of Signpost from the beginning. It waits at most
WAIT for the service, so a service that fails delays a message and never keeps it back. The
service's link leads to that of Signpost: the service never sees the link to sign, and opens
are counted and links end as usual.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from flask import current_app
from sqlalchemy import select

from hub import integrations
from hub.core.config import Config
from hub.core.errors import DecryptionError, NotFound
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.db.types import now
from hub.integrations.link_shorteners import SHORTENERS, LinkShortener, ShorteningFailed
from hub.lib import short_codes
from hub.lib.crypto import blind_index
from hub.lib.provider_http import host_port
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import short_links
from hub.messaging.compose.content import hash_content
from hub.messaging.compose.outbox import record_fact
from hub.models import Link, Message, MessageBody, Setting
from hub.shared.index_key import index_key
from hub.shared.integration_instances import instances

log = structlog.get_logger(__name__)

BUDGET = 2.0  # seconds for the requests of a batch
BATCH = 5  # Bitly accepts five connections from one address
PAUSE = timedelta(minutes=1)  # in which a service that failed is not called
NOT_SHORTENED = "link not shortened"  # the name of the fact about a service that failed
SETTING = "link_shortener."  # the beginning of the names of settings
FAILED = "link_shortener_failed."  # the same of the settings that store when a service failed


@dataclass
class Job:
    """A link to shorten, and the result: the short URL, or why there is none."""

    link_id: str
    message_id: str
    shortener: str
    url: str
    short_url: str = ""
    failure: str = "The service did not respond within 2 seconds."


# ── Services ──────────────────────────────────────────────────────────────────────────────────────
def read_settings(name: str) -> dict[str, str] | None:
    """Return the settings of a service, or None if it has none that can be read."""
    row = db.session.get(Setting, f"{SETTING}{name}")
    try:
        return None if row is None else dict(row.value)
    except DecryptionError:
        return None


def create_shortener(name: str, settings: Mapping[str, str]) -> LinkShortener:
    """Return a service with its settings. A demo calls the simulator."""
    config: Config = current_app.extensions["hub.config"]
    shortener_class = SHORTENERS[name]
    url = config.api_urls.get(shortener_class.api_name, "")
    if config.demo and not url:
        url = f"{config.simulator_url}/{name}"
    allow = config.http_allow | ({host_port(url)} if url else frozenset())
    return shortener_class(settings, instances().http_client(frozenset(allow)), url)


# ── The chore ─────────────────────────────────────────────────────────────────────────────────────
def is_due() -> bool:
    """Return whether a link waits for a service. Reads only."""
    return db.session.scalar(select(Link.id).where(Link.shortener != "").limit(1)) is not None


def shorten_links(stopping: ShutdownSignal) -> int:
    """Shorten the links that wait, a few at a time; return how many were handled."""
    handled = 0
    end = time.monotonic() + 3 * BUDGET  # other chores wait meanwhile
    while not stopping.is_due and time.monotonic() < end:
        jobs = _read_jobs()
        db.session.rollback()
        if not jobs:
            break
        failed = _call_services(jobs)
        for job in jobs:
            _store(job)
        if failed:
            _store_failures(failed)
        handled += len(jobs)
    return handled


def _read_jobs() -> list[Job]:
    query = (
        select(Link, MessageBody)
        .outerjoin(MessageBody, MessageBody.owner_id == Link.message_id)
        .where(Link.shortener != "")
    )
    rows = db.session.execute(query.order_by(Link.id).limit(BATCH)).all()
    return [
        Job(link.id, link.message_id or "", link.shortener, _url_in(body, link.digest))
        for link, body in rows
    ]


def _url_in(body: MessageBody | None, digest: bytes) -> str:
    """Return the short link with a digest in a text, or '' if the text is gone or damaged."""
    try:
        text = "" if body is None else str(body.content["text"])
    except DecryptionError:
        return ""
    for url, code in short_links.find_links(text):
        if short_codes.digest_of(code) == digest:
            return url
    return ""


def _call_services(jobs: Sequence[Job]) -> set[str]:
    """Let the services shorten the links, all at once and within the budget.

    Returns the services that failed.
    """
    threads = []
    called: list[Job] = []
    for name in {job.shortener for job in jobs}:
        settings = read_settings(name) if name in SHORTENERS else None
        is_paused = settings is not None and _failed_lately(name)
        db.session.rollback()
        if settings is None:
            _fail(jobs, name, "The service is not set up.")
        elif is_paused:
            _fail(jobs, name, "The service failed within the last minute.")
        else:
            shortener = create_shortener(name, settings)
            own = [job for job in jobs if job.shortener == name and job.url]
            called += own
            threads += [
                threading.Thread(target=_shorten, args=(shortener, job), daemon=True) for job in own
            ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + BUDGET
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))
    return {job.shortener for job in called if not job.short_url}


def _fail(jobs: Sequence[Job], name: str, reason: str) -> None:
    for job in jobs:
        if job.shortener == name:
            job.failure = reason


def _shorten(shortener: LinkShortener, job: Job) -> None:
    """Shorten one link, in a thread that uses no database."""
    try:
        job.short_url = shortener.shorten(job.url)
    except ShorteningFailed as error:
        job.failure = str(error)
        log.warning("short_link.service_failed", service=shortener.name, code=error.code)


def _failed_lately(name: str) -> bool:
    """Return whether a service failed within the last minute. Each job is a new process."""
    row = db.session.get(Setting, f"{FAILED}{name}")
    return row is not None and abs(now() - row.changed_at) < PAUSE


@transaction
def _store_failures(names: Collection[str]) -> None:
    for name in names:
        key = f"{FAILED}{name}"
        row = db.session.get(Setting, key) or Setting(name=key)
        row.value = {}
        row.changed_at = now()
        db.session.add(row)


@transaction
def forget_failure(name: str) -> None:
    """Call a service again, because its settings have changed."""
    row = db.session.get(Setting, f"{FAILED}{name}")
    if row is not None:
        db.session.delete(row)


# ── Results ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def _store(job: Job) -> None:
    """Put the short URL into the text of its message, which is then sent at once."""
    query = select(Message).where(Message.id == job.message_id).with_for_update()
    message = db.session.scalar(query)
    link = db.session.get(Link, job.link_id)
    if link is None or message is None:
        return
    link.shortener = ""
    if message.status != Status.QUEUED or message.tries:
        return
    if not (job.short_url and _replace_url(message, job)):
        record_fact(message, NOT_SHORTENED, reason=job.failure)
    if message.due_at is not None and message.due_at <= link.created_at + short_links.WAIT:
        message.due_at = now()
        wake("deliver")


def _replace_url(message: Message, job: Job) -> bool:
    """Replace the link in a text, unless the text would become too long."""
    body = db.session.get(MessageBody, message.id)
    if body is None:
        return False
    content = dict(body.content)
    text = content["text"].replace(job.url, job.short_url)
    try:
        integration_class = integrations.get(message.connection.integration)
    except NotFound:
        return False
    if integration_class.length_of(text) > integration_class.max_length:
        job.failure = "The text would be too long."
        return False
    body.content = content = {**content, "text": text}
    for column, value in hash_content(content).items():
        setattr(message, column, value)
    message.body_hmac = blind_index(index_key(), "body", content["subject"], text)
    return True
