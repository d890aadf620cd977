"""Replay stored callbacks: read them again and apply their events as if they arrived now.

Each fact is stored once and a status never goes back, so an event that was applied before changes
nothing. An event that was missed is applied: its key was missing, its message was not restored yet,
or an older version read it wrongly. Replays and workers may run at the same time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, literal_column, select

from hub.core.errors import NotFound, Refused
from hub.core.quotes import quoted
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, is_id, now
from hub.intake import process_callbacks
from hub.intake.callback_rows import COLUMNS, REMOVED, CallbackRow
from hub.messaging.state.message_batch import MessageBatch, platform_events, status_events
from hub.models import Attempt, Message, ProviderCallback, StatusEvent
from hub.shared import audit

BATCH = 200
MAX_PAUSE = 0.25  # seconds between batches: the workers and the web server get half of the time
MAX_REASONS = 20
EPOCH = datetime.fromtimestamp(0, UTC)  # the earliest time that an ID can contain
# the columns that identify a fact
FACT_KEY = ("message_id", "attempt", "source", "provider_status", "code")
# the fields of `Report` that are summed over its batches
COUNTS = (
    "read_count",
    "new_count",
    "known_count",
    "message_count",
    "event_count",
    "unverified_count",
    "deleted_count",
    "failed_count",
)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Selection:
    """The callbacks to replay; where several conditions are given, all must hold."""

    message: str = ""  # the provider's ID of a message, or the hub's
    callback_id: str = ""
    since: datetime | None = None
    # only callbacks with an error: not processed, or about an unknown message
    failed: bool = False


@dataclass
class Reason:
    """A reason why callbacks failed: how many, and one example."""

    count: int
    example: str


@dataclass
class Report:
    """The result of a replay.

    `new_count` and `known_count` count facts; the other fields count messages, platform events and
    callbacks.
    """

    read_count: int = 0
    new_count: int = 0
    known_count: int = 0
    message_count: int = 0
    event_count: int = 0
    unverified_count: int = 0  # verified by no connection: only their opt-outs and opt-ins count
    deleted_count: int = 0  # processed before, and their content has been deleted since
    failed_count: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)

    @property
    def missed(self) -> bool:
        """True if an event that was missed has been applied."""
        return bool(self.new_count or self.message_count or self.event_count)

    def add(self, other: Report) -> None:
        """Add the counts of one more batch."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for text, reason in other.reasons.items():
            self._count(text, reason)

    def count_failure(self, text: str, callback_id: str) -> None:
        """Count a callback that failed."""
        self.failed_count += 1
        self._count(text, Reason(1, callback_id))

    def _count(self, text: str, reason: Reason) -> None:
        if text not in self.reasons and len(self.reasons) >= MAX_REASONS:
            text = "Other reasons."
        self.reasons.setdefault(text, Reason(0, reason.example)).count += reason.count


def describe_report(report: Report) -> list[str]:
    """Return the result of a replay, one count a line, without zero counts after the fifth."""
    counts = [
        (report.read_count, "callbacks read"),
        (report.new_count, "status events added"),
        (report.message_count, "messages changed"),
        (report.event_count, "platform events sent"),
        (report.known_count, "status events already known"),
        (
            report.unverified_count,
            "not verified with any connection’s secret: only STOP and START count",
        ),
        (
            report.deleted_count,
            "not read: the content was deleted at the end of its retention period",
        ),
        (report.failed_count, "failed:"),
    ]
    lines = [
        f"{count:>12,} {label}"
        for position, (count, label) in enumerate(counts)
        if count or position < 5
    ]
    return lines + [
        f"{failures.count:>16,} {reason} Such as {failures.example}."
        for reason, failures in report.reasons.items()
    ]


@dataclass
class _CountingBatch(MessageBatch):
    """A batch that counts, before it writes, how many of its facts are new."""

    report: Report = field(default_factory=Report)

    def write(self) -> None:
        facts = {tuple(row[name] for name in FACT_KEY) for row in self._facts}
        stored_facts = select(*[status_events.c[name] for name in FACT_KEY]).where(
            status_events.c.message_id.in_({row["message_id"] for row in self._facts})
        )
        stored = {tuple(row) for row in db.session.execute(stored_facts)}
        causes = {item.cause for item in self._reported if item.to_endpoints}
        stored_causes = select(platform_events.c.cause).where(platform_events.c.cause.in_(causes))
        reported = set(db.session.scalars(stored_causes))
        self.report.new_count = len(facts - stored)
        self.report.event_count = len(causes - reported)
        self.report.known_count = len(self._facts) - self.report.new_count
        self.report.message_count = len(self.changed_rows())
        super().write()


def replay(selection: Selection, progress: Callable[[Report], None] | None = None) -> Report:
    """Replay callbacks, oldest first, one transaction per batch; call `progress` after each batch.

    Raises NotFound.
    """
    db.session.rollback()  # what this session has read may be older than the newest callback
    conditions = _conditions(selection)
    report = Report()
    after = ""
    while True:
        started = time.monotonic()
        part, after = _replay_batch(selection, conditions, after)
        report.add(part)
        if progress is not None:
            progress(report)
        if not after:
            return report
        time.sleep(min(time.monotonic() - started, MAX_PAUSE))


def parse_since(text: str) -> datetime:
    """Read a time: RFC 3339, or a span that ends now, such as `2h` or `3d`. Raises Refused."""
    if (span := re.fullmatch(r"([0-9]{1,5})([smhdw])", text.strip())) is not None:
        return max(now() - timedelta(**{UNITS[span[2]]: int(span[1])}), EPOCH)
    try:
        since = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refused(
            "bad_time",
            f"{quoted(text)} is not a time. Enter one such as 2026-11-21T09:30:00Z, or a period"
            " such as 2h or 3d.",
        ) from None
    if since.tzinfo is None:
        raise Refused(
            "bad_time",
            f"{quoted(text)} has no time zone. Enter the time in UTC with a Z at the end:"
            " 2026-11-21T09:30:00Z.",
        )
    if since > now():
        raise Refused("bad_time", f"{quoted(text)} is in the future. Enter a time in the past.")
    return EPOCH if since < EPOCH else since.astimezone(UTC)


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    # workers process what arrives from now on; otherwise the replay of a busy hub would never end
    conditions: list[ColumnElement[bool]] = [
        ProviderCallback.id < first_id_at("rcp", now() + timedelta(milliseconds=1))
    ]
    if selection.message:
        conditions.append(ProviderCallback.id.in_(_callbacks_about(selection.message)))
    if selection.callback_id:
        conditions.append(ProviderCallback.id == selection.callback_id)
    if selection.since is not None:
        conditions.append(ProviderCallback.id >= first_id_at("rcp", selection.since))
    if selection.failed:
        # written as its index is, because the database would not use the index otherwise
        conditions.append(ProviderCallback.error != literal_column("''"))
    return conditions


def _callbacks_about(message: str) -> list[str]:
    if is_id("msg", message):
        if db.session.get(Message, message) is None:
            raise NotFound("no_such_message", f"There is no message {message}.")
        return callbacks_of_message(message)
    callback_ids = list(
        db.session.scalars(select(ProviderCallback.id).where(ProviderCallback.subject == message))
    )
    if not callback_ids:
        raise NotFound(
            "nothing_kept",
            f"No callback about {quoted(message)} is stored. Enter the provider’s ID of a"
            " message, or the Signpost ID msg_….",
        )
    return callback_ids


def callbacks_of_message(message_id: str) -> list[str]:
    """Return the callbacks of a message, oldest first: those about an ID that the provider gave it,
    and those that reported a status of it.
    """
    subjects = select(Attempt.provider_id).where(
        Attempt.message_id == message_id, Attempt.provider_id.is_not(None)
    )
    reported = select(StatusEvent.callback_id).where(
        StatusEvent.message_id == message_id, StatusEvent.callback_id.is_not(None)
    )
    ids = {
        *db.session.scalars(
            select(ProviderCallback.id).where(ProviderCallback.subject.in_(subjects))
        ),
        *db.session.scalars(reported),
    }
    return sorted(filter(None, ids))


@transaction
def _replay_batch(
    selection: Selection, conditions: Sequence[ColumnElement[bool]], after: str
) -> tuple[Report, str]:
    """Replay the callbacks after `after`; return the report and the last ID, '' at the end."""
    query = select(*COLUMNS).where(*conditions).order_by(ProviderCallback.id).limit(BATCH)
    rows = db.session.execute(query.where(ProviderCallback.id > after) if after else query).all()
    batch = _lock_unprocessed([CallbackRow(*row) for row in rows])
    report = Report(
        read_count=len(batch),
        unverified_count=sum(callback.connection_id is None for callback in batch),
    )
    if batch and not after:
        _audit(selection)
    for changes in process_callbacks.apply_events(batch, _CountingBatch):
        if isinstance(changes, _CountingBatch):
            report.add(changes.report)
    for callback in batch:
        if callback.error == REMOVED and not callback.stored_error and callback.due_at is None:
            report.deleted_count += 1
        elif callback.error:
            report.count_failure(callback.error, callback.id)
    process_callbacks.write_results([callback for callback in batch if _has_new_result(callback)])
    return report, batch[-1].id if len(batch) == BATCH else ""


def _lock_unprocessed(batch: list[CallbackRow]) -> list[CallbackRow]:
    """Return callbacks; lock those not processed yet, because they will be written."""
    unprocessed = [
        callback.id for callback in batch if callback.stored_error or callback.due_at is not None
    ]
    if not unprocessed:
        return batch
    locked_rows = db.session.execute(
        select(*COLUMNS)
        .where(ProviderCallback.id.in_(unprocessed))
        .order_by(ProviderCallback.id)
        .with_for_update()
    )
    locked = {row[0]: CallbackRow(*row) for row in locked_rows}
    return [locked.get(callback.id, callback) for callback in batch]


def _has_new_result(callback: CallbackRow) -> bool:
    """Return whether to store a result: processed now, or failed for another reason.

    A processed callback stays so, and workers continue retrying those that are due.
    """
    if not callback.error:
        return bool(callback.stored_error) or callback.due_at is not None
    return (
        callback.due_at is None
        and callback.stored_error not in ("", callback.error)
        and callback.error != REMOVED
    )


def _audit(selection: Selection) -> None:
    """Record in the activity, in the first batch's transaction, which callbacks are replayed."""
    if is_id("msg", selection.message):
        audit.record("message.replayed", selection.message)
        return
    words = [
        f"about {selection.message}" if selection.message else "",
        f"since {selection.since:%Y-%m-%dT%H:%M:%SZ}" if selection.since else "",
        "that could not be processed" if selection.failed or selection.callback_id else "",
    ]
    audit.record("callback.replayed", selection.callback_id, " ".join(filter(None, words)))
