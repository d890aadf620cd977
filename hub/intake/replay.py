"""Replay: kept callbacks are read again, and what they tell is applied as if it came now.

Facts are kept once and statuses only rise, so what was applied before changes nothing; what was
missed, because a key was not there, a message not yet restored or an older version read it wrongly,
is made up for. Any number of replays and workers may run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, literal_column, select

from hub.core.errors import NotFound, Refused
from hub.db import store
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import list_param, transaction
from hub.db.types import id_at, is_id, now
from hub.intake import process_callbacks
from hub.intake.process_callbacks import COLUMNS, REMOVED, CallbackRow
from hub.messaging.state.message_batch import MessageBatch, platform_events, status_events
from hub.models import Attempt, Message, ProviderCallback, StatusEvent
from hub.shared import audit

BATCH = 200
LONGEST_REST = 0.25  # seconds between batches: half of the time belongs to the workers and the door
MOST_REASONS = 20
EPOCH = datetime.fromtimestamp(0, UTC)  # the earliest that an id can say
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FACTS = Statement(
    select(
        *(
            status_events.c[name]
            for name in ("message_id", "attempt", "source", "provider_status", "code")
        )
    ).where(status_events.c.message_id.in_(list_param("ids")))
)
_CAUSES = Statement(
    select(platform_events.c.cause).where(platform_events.c.cause.in_(list_param("causes")))
)


@dataclass(frozen=True)
class Selection:
    """The callbacks to replay; where several conditions are given, all must hold."""

    message: str = ""  # the provider's id of a message, or ours
    callback_id: str = ""
    since: datetime | None = None
    # only those that keep an error: not settled, or about a message that is not known
    failed: bool = False


@dataclass
class Reason:
    """A reason why callbacks failed: how many, and one example."""

    count: int
    example: str


@dataclass
class Report:
    """The result of a replay.

    `new` and `known` count facts; the others messages, platform events and callbacks.
    """

    read: int = 0
    new: int = 0
    known: int = 0
    messages: int = 0
    events: int = 0
    unproven: int = 0  # verified by no connection: only an opt-out or opt-in in them counts
    removed: int = 0  # whose body is no longer kept, though all was well with it
    failed: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)

    @property
    def missed(self) -> bool:
        """True when something had been missed, and is made up for."""
        return bool(self.new or self.messages or self.events)

    def add(self, other: Report) -> None:
        """Take in what one more batch did."""
        for name in ("read", "new", "known", "messages", "events", "unproven", "removed", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for why, reason in other.reasons.items():
            self._count(why, reason)

    def blame(self, why: str, callback_id: str) -> None:
        """Count a callback that failed."""
        self.failed += 1
        self._count(why, Reason(1, callback_id))

    def _count(self, why: str, reason: Reason) -> None:
        if why not in self.reasons and len(self.reasons) >= MOST_REASONS:
            why = "Other reasons."
        self.reasons.setdefault(why, Reason(0, reason.example)).count += reason.count


@dataclass
class _Counting(MessageBatch):
    """A ledger that looks, before it writes, at how much of it is news."""

    report: Report = field(default_factory=Report)

    def write(self) -> None:
        facts = {
            (one["message_id"], one["attempt"], one["source"], one["provider_status"], one["code"])
            for one in self._facts
        }
        there = (
            {tuple(row) for row in store.read(_FACTS, ids=list({fact[0] for fact in facts}))}
            if facts
            else set()
        )
        causes = {f"{row.id}:{status.value}" for row, status, _ in self._told}
        told = {row[0] for row in store.read(_CAUSES, causes=list(causes))} if causes else set()
        self.report.new = len(facts - there)
        self.report.events = len(causes - told)
        self.report.known = len(self._facts) - self.report.new
        self.report.messages = len(self.changed())
        super().write()


def replay(selection: Selection, progress: Callable[[Report], None] | None = None) -> Report:
    """Replay callbacks, oldest first, a batch in a transaction; `progress` hears of each.

    Raises NotFound.
    """
    db.session.rollback()  # what this session has read so far may be older than the newest callback
    conditions = _conditions(selection)
    report = Report()
    after = ""
    while True:
        began = time.monotonic()
        part, after = _batch(selection, conditions, after)
        report.add(part)
        if progress is not None:
            progress(report)
        if not after:
            return report
        time.sleep(min(time.monotonic() - began, LONGEST_REST))


def newer_than(text: str) -> datetime:
    """Read a time: RFC 3339, or a span that ends now, such as `2h` or `3d`. Raises Refused."""
    if (span := re.fullmatch(r"([0-9]{1,5})([smhdw])", text.strip())) is not None:
        return max(now() - timedelta(**{UNITS[span[2]]: int(span[1])}), EPOCH)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refused(
            "bad_time",
            f"{text!r} is not a time. Enter one such as 2026-11-21T09:30:00Z, or a period"
            " such as 2h or 3d.",
        ) from None
    if moment.tzinfo is None:
        raise Refused(
            "bad_time",
            f"{text!r} has no time zone. Enter the time in UTC with a Z at the end:"
            " 2026-11-21T09:30:00Z.",
        )
    if moment > now():
        raise Refused("bad_time", f"{text!r} is in the future. Enter a time in the past.")
    return EPOCH if moment < EPOCH else moment.astimezone(UTC)


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    # what comes in from here on is settled by the workers; else a busy hub's replay would never end
    conditions: list[ColumnElement[bool]] = [
        ProviderCallback.id < id_at("rcp", now() + timedelta(milliseconds=1))
    ]
    if selection.message:
        conditions.append(ProviderCallback.id.in_(_about(selection.message)))
    if selection.callback_id:
        conditions.append(ProviderCallback.id == selection.callback_id)
    if selection.since is not None:
        conditions.append(ProviderCallback.id >= id_at("rcp", selection.since))
    if selection.failed:
        # said as its index says it, else that is not used
        conditions.append(ProviderCallback.error != literal_column("''"))
    return conditions


def _about(message: str) -> list[str]:
    if is_id("msg", message):
        if db.session.get(Message, message) is None:
            raise NotFound("no_such_message", f"There is no message {message}.")
        return of_message(message)
    found = list(
        db.session.scalars(select(ProviderCallback.id).where(ProviderCallback.subject == message))
    )
    if not found:
        raise NotFound(
            "nothing_kept",
            f"No callback about {message!r} is stored. Enter the provider’s ID of a"
            " message, or the Signpost ID msg_….",
        )
    return found


def of_message(message_id: str) -> list[str]:
    """Return the callbacks of a message of ours: those about an id that the provider gave it, and
    those that reported it. By age.
    """
    subjects = select(Attempt.provider_id).where(
        Attempt.message_id == message_id, Attempt.provider_id.is_not(None)
    )
    told = select(StatusEvent.callback_id).where(
        StatusEvent.message_id == message_id, StatusEvent.callback_id.is_not(None)
    )
    ids = {
        *db.session.scalars(
            select(ProviderCallback.id).where(ProviderCallback.subject.in_(subjects))
        ),
        *db.session.scalars(told),
    }
    return sorted(one for one in ids if one is not None)


@transaction
def _batch(
    selection: Selection, conditions: Sequence[ColumnElement[bool]], after: str
) -> tuple[Report, str]:
    """Replay the callbacks after one; return the report and the last callback, '' at the end."""
    wanted = select(*COLUMNS).where(*conditions).order_by(ProviderCallback.id).limit(BATCH)
    rows = db.session.execute(wanted.where(ProviderCallback.id > after) if after else wanted).all()
    held = _locked([CallbackRow(*row) for row in rows])
    report = Report(read=len(held), unproven=sum(one.connection_id is None for one in held))
    if held and not after:
        _note(selection)
    for ledger in process_callbacks.apply_events(held, _Counting):
        if isinstance(ledger, _Counting):
            report.add(ledger.report)
    for one in held:
        if one.error == REMOVED and not one.before and one.due_at is None:
            report.removed += 1
        elif one.error:
            report.blame(one.error, one.id)
    process_callbacks.write_results([one for one in held if _ended_otherwise(one)])
    return report, held[-1].id if len(held) == BATCH else ""


def _locked(held: list[CallbackRow]) -> list[CallbackRow]:
    """Return callbacks; those not settled are locked, because they are going to be written."""
    unsettled = [one.id for one in held if one.before or one.due_at is not None]
    if not unsettled:
        return held
    found = db.session.execute(
        select(*COLUMNS)
        .where(ProviderCallback.id.in_(unsettled))
        .order_by(ProviderCallback.id)
        .with_for_update()
    )
    fresh = {row[0]: CallbackRow(*row) for row in found}
    return [fresh.get(one.id, one) for one in held]


def _ended_otherwise(one: CallbackRow) -> bool:
    """Tell whether a callback is to be written: it is settled now, or fails for another reason.

    What was settled stays so, and what is still tried is left to the workers.
    """
    if not one.error:
        return bool(one.before) or one.due_at is not None
    return one.due_at is None and one.before not in ("", one.error) and one.error != REMOVED


def _note(selection: Selection) -> None:
    """Write down, in the first batch's transaction, who replays what."""
    if is_id("msg", selection.message):
        audit.record("message.replayed", selection.message)
        return
    words = [
        f"about {selection.message}" if selection.message else "",
        f"since {selection.since:%Y-%m-%dT%H:%M:%SZ}" if selection.since else "",
        "that could not be processed" if selection.failed or selection.callback_id else "",
    ]
    audit.record("callback.replayed", selection.callback_id, " ".join(filter(None, words)))
