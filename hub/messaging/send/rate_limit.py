"""Limit the rate of a sender with a token bucket, and halve the rate when the provider asks.

A sender without a limit needs no bucket until its provider rate-limits it. It then starts from the
rate it actually reached. These functions are pure. `throttle_gate` reads and writes the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.lib import times

BURST = 1.0  # seconds of tokens that an idle sender can accumulate
MIN_BURST = 4.0  # minimum bucket size: one message then uses a quarter of it
BULK_RESERVE_DIVISOR = 4  # the bulk lane leaves 1 of every 4 tokens to the other lane
DEFAULT_PAUSE = 5.0  # seconds to pause a sender if the provider gives no Retry-After
RECOVERY_SECONDS = 10.0  # seconds for a halved rate to recover
MIN_RATE = 0.1  # minimum messages per second after repeated halving
# maximum seconds before a sender that waits for a token is checked again, because its limit may
# have been raised
MAX_CHECK_INTERVAL = 1.0


@dataclass(slots=True)
class RateState:
    """The rate and circuit state of a sender, read from its `Throttle` row."""

    name: str
    epoch: int = 0
    ready_at: datetime | None = None
    bulk_ready_at: datetime | None = None
    tokens: float = 0.0
    refilled_at: datetime | None = None
    paused_until: datetime | None = None
    rate: float | None = None
    full_rate: float | None = None
    failures: int = 0
    pauses: int = 0
    opened_at: datetime | None = None
    reason: str = ""

    def postpone_claims(self, ready_at: datetime) -> None:
        """Postpone the next claim to `ready_at`, unless it is already later."""
        self.ready_at = ready_at if self.ready_at is None else max(self.ready_at, ready_at)
        self.bulk_ready_at = (
            self.ready_at if self.bulk_ready_at is None else max(self.bulk_ready_at, self.ready_at)
        )


def slowed_rate(state: RateState, current_time: datetime) -> float | None:
    """Return the reduced rate in messages per second, or None once it has recovered."""
    if state.rate is None or state.full_rate is None or state.paused_until is None:
        return None
    elapsed = max(0.0, (current_time - state.paused_until).total_seconds())
    rate = state.rate * 2 ** min(elapsed / RECOVERY_SECONDS, 64)
    return rate if rate < state.full_rate else None


def current_limit(state: RateState, per_second: float, current_time: datetime) -> float:
    """Return the current limit in messages per second; 0 means no limit."""
    return min(filter(None, (per_second, slowed_rate(state, current_time))), default=0.0)


def refill_tokens(
    state: RateState, rate: float, current_time: datetime, burst: float = 0.0
) -> None:
    """Add the tokens that accumulated since the last refill.

    `burst` is the number of messages that the provider accepts at once after a pause.
    """
    capacity = _bucket_size(rate, burst)
    if state.refilled_at is None:
        state.tokens = capacity
        state.refilled_at = current_time
    else:
        elapsed = max(0.0, (current_time - state.refilled_at).total_seconds())
        state.tokens = min(capacity, state.tokens + elapsed * rate)
        state.refilled_at = max(current_time, state.refilled_at)


def available_tokens(
    state: RateState, rate: float, *, bulk: bool = False, burst: float = 0.0
) -> int:
    """Return the number of messages that the available tokens allow."""
    reserved_tokens = _bucket_size(rate, burst) / BULK_RESERVE_DIVISOR if bulk else 0.0
    return max(0, math.floor(state.tokens - reserved_tokens + 1e-6))


def consume_tokens(
    state: RateState, rate: float, count: int, current_time: datetime, burst: float = 0.0
) -> None:
    """Spend tokens, and set when each lane can claim again."""
    state.tokens -= count
    state.ready_at, state.bulk_ready_at = (
        current_time
        + timedelta(
            seconds=min(max(0.0, required_tokens - state.tokens) / rate, MAX_CHECK_INTERVAL)
        )
        for required_tokens in (1.0, 1.0 + _bucket_size(rate, burst) / BULK_RESERVE_DIVISOR)
    )


def _bucket_size(rate: float, burst: float) -> float:
    return max(rate * BURST, MIN_BURST, burst)


def pause(state: RateState, seconds: float | None, current_time: datetime) -> None:
    """Pause a sender for the time its provider asks for. Its rate does not change."""
    until = current_time + timedelta(
        seconds=DEFAULT_PAUSE if seconds is None else times.pause(seconds)
    )
    state.paused_until = until if state.paused_until is None else max(state.paused_until, until)
    state.postpone_claims(state.paused_until)


def slow_down(
    state: RateState,
    epoch: int,
    measured_rate: float,
    seconds: float | None,
    current_time: datetime,
) -> None:
    """Pause a sender for the time its provider asks for, and halve its rate.

    `epoch` is the epoch of the refused claim: calls claimed before the last halving do not halve
    the rate again. `measured_rate` is the rate in messages per second to start from if no limit is
    set.
    """
    rate = slowed_rate(state, current_time)
    pause(state, seconds, current_time)
    if epoch != state.epoch:
        return
    if rate is None:  # otherwise the rate is already reduced
        rate = state.full_rate = measured_rate
    state.rate = max(rate / 2, min(MIN_RATE, measured_rate))
    state.epoch = state.epoch + 1
    state.tokens = 0.0
    state.refilled_at = state.paused_until
