"""Open and close the circuit of a sender.

After several outages in a row, only probes are sent, until the provider responds to one. The
circuit belongs to the sender and not to the connection, because connections of one sender use the
same account: an outage that one of them finds applies to all.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hub.messaging.send.rate_limit import RateState

FAILURE_THRESHOLD = 5  # outages in a row
FIRST_PAUSE = 5.0
MAX_PAUSE = 300.0  # seconds before a probe: doubled each time, with jitter
# the maximum duration of a call; after that, another worker may probe
PROBE = timedelta(seconds=60)
# concurrent calls after an outage until the first response, so that few outcomes are unknown
HALF_OPEN_CONCURRENCY = 8


def record_failure(state: RateState, epoch: int, reason: str, current_time: datetime) -> bool:
    """Record an outage: no connection, or no usable response. Returns True if it opens the circuit.

    `epoch` is that of the claim: calls that ran when the circuit opened change nothing.
    """
    if epoch != state.epoch:
        return False
    state.failures = state.failures + 1
    state.reason = reason
    if state.opened_at is None and state.failures < FAILURE_THRESHOLD:
        return False
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - spreads the probes, protects nothing
    pause = min(FIRST_PAUSE * 2 ** min(state.pauses, 16), MAX_PAUSE) * jitter
    state.ready_at = state.bulk_ready_at = None  # a new time for the probe
    state.postpone_claims(
        max(current_time + timedelta(seconds=pause), state.paused_until or current_time)
    )
    state.pauses += 1
    if state.opened_at is not None:
        return False
    state.opened_at = current_time
    state.epoch = state.epoch + 1
    return True


def record_response(state: RateState, epoch: int) -> bool:
    """Record any response of the provider. Returns True if it closes the circuit."""
    if state.opened_at is None:
        state.failures = state.pauses = 0
        return False
    if epoch != state.epoch:
        return False
    # the next outage opens it again, for longer; a second response resets the count
    state.opened_at = None
    state.failures = FAILURE_THRESHOLD - 1
    state.ready_at = state.bulk_ready_at = state.paused_until
    return True
