"""The rate limit of a sender: tokens that refill with time, and a rate that halves when its
provider asks.

A sender without a limit needs none of this, until its provider refuses: then it begins from the
rate that it really had. Everything here is arithmetic on the row of a throttle; `gates` reads and
writes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.lib import times

BURST = 1.0  # seconds' worth of tokens that an idle sender saves up,
SMALLEST_BURST = 4.0  # but so many at least: a quarter of them is one message
RESERVED = 4  # the bulk lane leaves one in so many tokens to the other lane
HOLD = 5.0  # seconds to leave a sender alone when its provider does not say how long
DOUBLES_IN = 10.0  # seconds in which a rate that was halved has recovered
LOWEST = 0.1  # messages a second, however often it is halved
# seconds until a sender that waits for a token is looked at in any case: its limit may have been
# raised
LOOK_AGAIN = 1.0


@dataclass(slots=True)
class RateState:
    """A throttle, as models.Throttle says."""

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

    def rest(self, until: datetime) -> None:
        """Claim nothing until a moment, nor sooner than was said before."""
        self.ready_at = until if self.ready_at is None else max(self.ready_at, until)
        self.bulk_ready_at = (
            self.ready_at if self.bulk_ready_at is None else max(self.bulk_ready_at, self.ready_at)
        )


def slowed_rate(state: RateState, moment: datetime) -> float | None:
    """Return the rate that a sender was slowed down to, a second; None once recovered."""
    if state.rate is None or state.full_rate is None or state.paused_until is None:
        return None
    passed = max(0.0, (moment - state.paused_until).total_seconds())
    rate = state.rate * 2 ** min(passed / DOUBLES_IN, 64)
    return rate if rate < state.full_rate else None


def current_limit(state: RateState, per_second: float, moment: datetime) -> float:
    """Return how many messages a second may go now; 0 is no limit."""
    return min(filter(None, (per_second, slowed_rate(state, moment))), default=0.0)


def refill(state: RateState, rate: float, moment: datetime) -> None:
    """Add the tokens that came since the last time."""
    most = _most(rate)
    if state.refilled_at is None:
        state.tokens = most
        state.refilled_at = moment
    else:
        passed = max(0.0, (moment - state.refilled_at).total_seconds())
        state.tokens = min(most, state.tokens + passed * rate)
        state.refilled_at = max(moment, state.refilled_at)


def available_tokens(state: RateState, rate: float, *, bulk: bool = False) -> int:
    """Return how many messages the tokens are good for."""
    kept = _most(rate) / RESERVED if bulk else 0.0
    return max(0, math.floor(state.tokens - kept + 1e-6))


def consume(state: RateState, rate: float, count: int, moment: datetime) -> None:
    """Take tokens, and note when the next one comes for either lane."""
    state.tokens -= count
    state.ready_at, state.bulk_ready_at = (
        moment + timedelta(seconds=min(max(0.0, wanted - state.tokens) / rate, LOOK_AGAIN))
        for wanted in (1.0, 1.0 + _most(rate) / RESERVED)
    )


def _most(rate: float) -> float:
    return max(rate * BURST, SMALLEST_BURST)


def hold_until(state: RateState, seconds: float | None, moment: datetime) -> None:
    """Leave a sender alone for so long as its provider asks; its rate stays."""
    until = moment + timedelta(seconds=HOLD if seconds is None else times.pause(seconds))
    state.paused_until = until if state.paused_until is None else max(state.paused_until, until)
    state.rest(state.paused_until)


def slow_down(
    state: RateState, epoch: int, had: float, seconds: float | None, moment: datetime
) -> None:
    """Leave a sender alone for so long as its provider asks, and halve its rate.

    `epoch` is that of the refused call's claim: those that began before the rate was halved do not
    halve it again. `had` is its rate, in messages a second, as far as no limit says it.
    """
    rate = slowed_rate(state, moment)
    hold_until(state, seconds, moment)
    if epoch != state.epoch:
        return
    if rate is None:  # else the same bad time goes on
        rate = state.full_rate = had
    state.rate = max(rate / 2, min(LOWEST, had))
    state.epoch = state.epoch + 1
    state.tokens = 0.0
    state.refilled_at = state.paused_until
