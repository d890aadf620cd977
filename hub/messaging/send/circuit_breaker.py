"""The circuit of a sender: after several outages in a row nothing is sent but a probe now and then,
until one is answered.

It belongs to the sender and not to the connection, as the rate does: connections of one sender talk
to the same account of the same provider, and what one of them has learnt the others need not pay
for.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hub.messaging.send.rate_limit import RateState

OPENS_AT = 5  # outages in a row
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0  # seconds before a probe: doubled each time, with jitter
PROBE = timedelta(
    seconds=60
)  # as long as a call may take: then its worker is gone, and another may probe
# calls at once after an outage until one is answered, so that not many outcomes are unknown at once
CAUTIOUS = 8


def record_failure(state: RateState, epoch: int, why: str, moment: datetime) -> bool:
    """Note an outage: no connection, or no answer that tells.

    Returns True when that opens the circuit.

    `epoch` is that of the call's claim: those that were under way when it opened say nothing new.
    """
    if epoch != state.epoch:
        return False
    state.failures = state.failures + 1
    state.reason = why
    if state.opened_at is None and state.failures < OPENS_AT:
        return False
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - spreads the probes, protects nothing
    pause = min(FIRST_PAUSE * 2 ** min(state.pauses, 16), LONGEST_PAUSE) * jitter
    state.ready_at = state.bulk_ready_at = None  # the probe's
    state.rest(max(moment + timedelta(seconds=pause), state.paused_until or moment))
    state.pauses += 1
    if state.opened_at is not None:
        return False
    state.opened_at = moment
    state.epoch = state.epoch + 1
    return True


def record_answer(state: RateState, epoch: int) -> bool:
    """Note that the provider answered, whatever it said.

    Returns True when that closes the circuit.
    """
    if state.opened_at is None:
        state.failures = state.pauses = 0
        return False
    if epoch != state.epoch:
        return False
    # from here one outage opens it again, for longer; a second answer forgets them all
    state.opened_at = None
    state.failures = OPENS_AT - 1
    state.ready_at = state.bulk_ready_at = state.paused_until
    return True
