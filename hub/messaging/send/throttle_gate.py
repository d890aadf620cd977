"""Limit claims by the throttles of senders.

Throttles are read and locked before any message, changed in memory, and written once. A sender
without a limit has no row until its provider limits it or cannot be reached. The row is deleted
once the sender has recovered, so that workers do not wait for each other unnecessarily.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, func, select, update

from hub.core.errors import (
    FileMissing,
    FileRefused,
    OutcomeUnknown,
    Scope,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import list_param, read, read_to_change, transaction, write
from hub.db.types import now
from hub.lib import times
from hub.messaging.send import circuit_breaker, rate_limit, senders
from hub.messaging.send.calls import Outcome
from hub.messaging.send.outcomes import FAULT, TOO_LATE
from hub.messaging.send.rate_limit import RateState
from hub.messaging.send.recipient_pacing import RecipientPacing
from hub.messaging.send.senders import Sender
from hub.messaging.state.database_clock import CLOCK
from hub.messaging.state.message_batch import messages
from hub.models import Connection, Throttle
from hub.shared import audit

log = structlog.get_logger(__name__)

SENDER_WIDE_SCOPES = (Scope.SENDER, Scope.ACCOUNT)  # scopes whose limits are stored in a throttle
SENDER_LIMIT_THRESHOLD = 3  # limited recipients at once mean that the whole sender is limited
MAX_COUNTED_CALLS = 1000  # running calls
MAX_PAUSE = timedelta(days=2)  # every pause of a sender is shorter


@dataclass
class ThrottleGate:
    """The number of messages that one connection may claim in this transaction."""

    now: datetime
    sender: Sender | None = None
    state: RateState | None = None
    _rate: float = field(init=False, default=0.0)
    _burst: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.state is not None and self.sender is not None:
            self._rate = rate_limit.current_limit(self.state, self.sender.per_second, self.now)
            self._burst = self.sender.burst
            if self._rate:
                rate_limit.refill_tokens(self.state, self._rate, self.now, self._burst)

    @property
    def epoch(self) -> int:
        return self.state.epoch if self.state else 0

    def allowance(self, threads: int) -> int:
        """Return how many messages may be claimed, `threads` at most."""
        state = self.state
        if state is None or self.sender is None or threads <= 0:
            return max(threads, 0)
        if state.ready_at is not None and state.ready_at > self.now:
            return 0
        if state.opened_at is not None:
            threads = 1
        elif state.failures:
            threads = min(
                threads, circuit_breaker.HALF_OPEN_CONCURRENCY - _count_running_calls(self.sender)
            )
        tokens = rate_limit.available_tokens(state, self._rate) if self._rate else threads
        return max(0, min(threads, tokens))

    def bulk_allowance(self, limit: int, begun: int) -> int:
        """Return how many messages of the bulk lane may be claimed, `limit` at most.

        `begun` is the number of messages that were claimed of the other lane.
        """
        state = self.state
        if state is None or not self._rate:
            return limit
        tokens = rate_limit.available_tokens(state, self._rate, bulk=True, burst=self._burst)
        return min(limit, tokens - begun)

    def create_pacing(self) -> RecipientPacing | None:
        """Return the pacing of messages to one recipient, if the provider requires it."""
        return (
            RecipientPacing(self.sender, self.now)
            if self.sender and self.sender.per_recipient
            else None
        )

    def consume(self, claimed_count: int) -> None:
        """Count the messages that were claimed."""
        if self.state is None or (
            self.state.ready_at is not None and self.state.ready_at > self.now
        ):
            return
        if self._rate:
            rate_limit.consume_tokens(self.state, self._rate, claimed_count, self.now, self._burst)
        if claimed_count and self.state.opened_at is not None:
            self.state.postpone_claims(self.now + circuit_breaker.PROBE)


class ThrottleGates:
    """The throttles of a transaction: of connections that claim, and of calls that ended."""

    def __init__(
        self,
        wanting: Iterable[str],
        ended: Sequence[Outcome] = (),
        *,
        named: Collection[tuple[str, Scope]] = (),
    ) -> None:
        """Read and lock the throttles, and create missing ones. Lock them before any message.

        `named` holds the limits that message statuses name, by connection and scope. `hold` applies
        them.
        """
        claiming = set(wanting)
        self._ended = ended
        self._senders = senders.find_senders(
            claiming
            | {outcome.claim.connection_id for outcome in ended}
            | {key for key, _ in named}
        )
        self._states: dict[str, RateState] = {}
        self._before: dict[str, RateState] = {}
        self.now = now()
        self._limits = _find_reported_limits(ended, self._senders)
        limits = {*self._limits, *named}
        limited_accounts = {
            self._senders[key].account
            for key, scope in limits
            if scope == Scope.ACCOUNT and key in self._senders
        }
        self._siblings = senders.find_account_senders(limited_accounts) if limited_accounts else []
        names = {sender.name for sender in (*self._senders.values(), *self._siblings)}
        if not names:
            return
        self._read(names)
        needed = {
            sender.name
            for key, sender in self._senders.items()
            if key in claiming and (sender.per_second or sender.per_recipient)
        }
        limited_connections = {
            outcome.claim.connection_id for outcome in ended if _is_outage(outcome)
        } | {key for key, _ in limits}
        needed |= {self._senders[key].name for key in limited_connections & self._senders.keys()}
        needed |= {sender.name for sender in self._siblings}
        missing = needed - self._states.keys()
        if missing:
            write(_INSERT, [_row_values(RateState(name)) for name in sorted(missing)])
            self._read(missing)

    def get_gate(self, connection_id: str) -> ThrottleGate:
        """Return the gate of a connection."""
        sender = self._senders.get(connection_id)
        return ThrottleGate(self.now, sender, self._states.get(sender.name) if sender else None)

    def apply_outcomes(self) -> None:
        """Apply the outcomes of calls to their senders, before the messages are written."""
        for outcome in self._ended:
            sender = self._senders.get(outcome.claim.connection_id)
            state = self._states.get(sender.name) if sender else None
            if sender is None or state is None:
                continue  # no problem now, and none before
            if isinstance(outcome.error, FileMissing | FileRefused):
                continue  # the provider was not called
            if _is_outage(outcome):
                if circuit_breaker.record_failure(
                    state, outcome.claim.epoch, str(outcome.error), self.now
                ):
                    _record_health_change(
                        "connection.unreachable",
                        outcome.claim.connection_id,
                        why=str(outcome.error),
                    )
            elif not _is_hub_error(outcome):
                if circuit_breaker.record_response(state, outcome.claim.epoch):
                    _record_health_change("connection.reachable", outcome.claim.connection_id)
                error = outcome.reported_error
                if (
                    isinstance(error, TransientError)
                    and self._limits.keys()
                    & {(outcome.claim.connection_id, scope) for scope in SENDER_WIDE_SCOPES}
                    and error.scope != Scope.MESSAGE
                ):
                    self._slow_down(sender, state, outcome, error)
        self._pause_account_senders()

    def _pause_account_senders(self) -> None:
        """Pause the other senders of an account too if the provider limits the account."""
        for (connection_id, scope), error in self._limits.items():
            sender = self._senders.get(connection_id)
            if scope == Scope.ACCOUNT and sender is not None:
                for other in self._other_account_senders(sender):
                    rate_limit.pause(self._states[other.name], error.retry_after, self.now)
                    self._states[other.name].reason = str(error)

    def _other_account_senders(self, sender: Sender) -> list[Sender]:
        return [
            sibling
            for sibling in self._siblings
            if sender.account and sibling.account == sender.account and sibling.name != sender.name
        ]

    def pause_sender(
        self, connection_id: str, error: SlowDown, *, attempted_at: datetime, reported_at: datetime
    ) -> None:
        """Pause a sender, or every sender of its account, because a message status requires it.

        The pause starts at `reported_at`, when the provider reported the limit. The rate is halved
        only if one is set, and only if `attempted_at` is after the last pause.
        """
        mine = self._senders.get(connection_id)
        pause_seconds = (
            rate_limit.DEFAULT_PAUSE
            if error.retry_after is None
            else times.pause(error.retry_after)
        )
        remaining_seconds = pause_seconds - max(0.0, (now() - reported_at).total_seconds())
        if mine is None or remaining_seconds <= 0:
            return
        state = self._states[mine.name]
        rate = rate_limit.current_limit(state, mine.per_second, self.now)
        if rate and (state.paused_until is None or attempted_at >= state.paused_until):
            rate_limit.slow_down(state, state.epoch, rate, remaining_seconds, self.now)
        for sender in [
            mine,
            *(self._other_account_senders(mine) if error.scope == Scope.ACCOUNT else ()),
        ]:
            rate_limit.pause(self._states[sender.name], remaining_seconds, self.now)
            self._states[sender.name].reason = str(error)

    def _slow_down(
        self, sender: Sender, state: RateState, outcome: Outcome, error: TransientError
    ) -> None:
        rate = rate_limit.current_limit(state, sender.per_second, self.now)
        if not rate:  # running calls, divided by the duration of a call
            durations = [
                ended.milliseconds
                for ended in self._ended
                if ended.claim.connection_id in sender.connection_ids
            ]
            rate = max(_count_running_calls(sender), 1) / max(fmean(durations) / 1000, 0.001)
        rate_limit.slow_down(state, outcome.claim.epoch, rate, error.retry_after, self.now)
        state.reason = str(error)

    def write(self) -> None:
        """Write changed throttles, and delete those that are no longer needed."""
        deletable_names = {name for name, state in self._states.items() if self._can_delete(state)}
        if deletable_names:
            write(_REMOVE, {"names": sorted(deletable_names)})
        changed = [
            state
            for name, state in sorted(self._states.items())
            if name not in deletable_names and state != self._before[name]
        ]
        write(_UPDATE, [{"key": state.name, **_row_values(state, "new_")} for state in changed])

    def _can_delete(self, state: RateState) -> bool:
        known = (*self._senders.values(), *self._siblings)
        limited = any(
            sender.per_second or sender.per_recipient
            for sender in known
            if sender.name == state.name
        )
        is_paused = state.paused_until is not None and state.paused_until > self.now
        return not (
            limited
            or is_paused
            or state.failures
            or state.opened_at
            or rate_limit.slowed_rate(state, self.now)
        )

    def _read(self, names: Collection[str]) -> None:
        for *values, current_time in read_to_change(_READ, names=sorted(names), now=now()):
            state = RateState(*values)
            self._before[state.name] = RateState(*values)
            if any(
                until is not None and until > current_time + MAX_PAUSE
                for until in (state.ready_at, state.bulk_ready_at, state.paused_until)
            ):
                # a clock or a row was wrong, and the pause would never end
                state = RateState(state.name)
            self._states[state.name] = state
            self.now = current_time


@transaction
def delete_throttles(connection_ids: Collection[str]) -> None:
    """Delete the throttles of some connections, because they cannot be read.

    The rates are learned again.
    """
    names = select(Connection.throttle).where(Connection.id.in_(list_param("connections")))
    statement = delete(_table).where(_table.c.name.in_(names))
    db.session.execute(statement, {"connections": list(connection_ids)})


def _is_outage(outcome: Outcome) -> bool:
    return isinstance(outcome.error, Unreachable | OutcomeUnknown) and not _is_hub_error(outcome)


def _is_hub_error(outcome: Outcome) -> bool:
    """Return whether a call failed because of the hub, which is no sign of an outage."""
    return isinstance(outcome.error, Unreachable | OutcomeUnknown) and outcome.error.code in (
        FAULT,
        TOO_LATE,
    )


def _find_reported_limits(
    ended: Sequence[Outcome], known: Mapping[str, Sender]
) -> dict[tuple[str, Scope], TransientError]:
    """Return the limits of senders and accounts that calls met, by connection and scope.

    Some providers do not report whether a recipient or the sender is limited. Several limited
    recipients at once mean the sender.
    """
    limits: dict[tuple[str, Scope], TransientError] = {}
    recipients: dict[str, set[str]] = {}
    for outcome in ended:
        error = outcome.reported_error
        connection_id = outcome.claim.connection_id
        if not isinstance(error, TransientError) or connection_id not in known:
            continue
        if isinstance(error, SlowDown) and error.scope in SENDER_WIDE_SCOPES:
            limits[connection_id, error.scope] = error
        elif error.scope == Scope.RECIPIENT:
            limited_recipients = recipients.setdefault(known[connection_id].name, set())
            limited_recipients.add(outcome.claim.outbound.to)
            if len(limited_recipients) >= SENDER_LIMIT_THRESHOLD:
                limits[connection_id, Scope.SENDER] = error
    return limits


def _count_running_calls(sender: Sender) -> int:
    return int(read(_UNDER_WAY, connections=list(sender.connection_ids))[0][0])


def _record_health_change(action: str, connection_id: str, **detail: Any) -> None:
    """Record a change of a connection's health in the audit log and the process log."""
    connection = db.session.get_one(Connection, connection_id)
    audit.record(action, connection.id, connection.title, **detail)
    log.warning(action, connection=connection.slug, **detail)


def _row_values(state: RateState, prefix: str = "") -> Mapping[str, Any]:
    return {f"{prefix}{name}": getattr(state, name) for name in RateState.__slots__}


_table = get_table(Throttle)
_columns = [_table.c[name] for name in RateState.__slots__]
_READ = Statement(
    select(*_columns, CLOCK)
    .where(_table.c.name.in_(list_param("names")))
    .order_by(_table.c.name)
    .with_for_update()
)
_UPDATE = Statement(
    update(_table)
    .where(_table.c.name == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in RateState.__slots__})
)
_INSERT = Statement.insert(_table, on_conflict_do_nothing=True)
_REMOVE = Statement(delete(_table).where(_table.c.name.in_(list_param("names"))))
_UNDER_WAY = Statement(
    select(func.count()).select_from(
        select(messages.c.id)
        .where(
            messages.c.connection_id.in_(list_param("connections")),
            messages.c.status == Status.SENDING,
            messages.c.due_at.is_not(None),
        )
        .limit(MAX_COUNTED_CALLS)
        .subquery()
    )
)
