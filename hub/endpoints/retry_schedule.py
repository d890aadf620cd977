"""Decide when a failed delivery is tried again."""

from __future__ import annotations

import random
from datetime import timedelta

# after the first attempt: 8 attempts within 27 hours and 35 minutes
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
)
MAX_TRIES = len(PAUSES) + 1
# at a broker, later events wait for an earlier one: retries are frequent, and end after 5 days,
# when an endpoint that accepts nothing is disabled
FIRST_BROKER_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 10, 20, 30))
BROKER_PAUSE = timedelta(minutes=1)
QUICK_BROKER_TRIES = 120  # about two hours
LATE_BROKER_PAUSE = timedelta(minutes=10)
MAX_BROKER_TRIES = 820
# a handler: often at first, then every hour, for 24 hours
HANDLER_PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, *([3600] * 23))
)
JITTER = 0.1  # variation of a pause, so that failed deliveries are not all retried at once
MIN_WAIT = 1.0  # seconds
MAX_WAIT = 86_400.0  # seconds


def pause_after(
    tries: int,
    retry_after: float | None,
    *,
    is_broker: bool = False,
    is_handler: bool = False,
) -> timedelta | None:
    """Return the pause after this number of failed attempts; None after the last one.

    `retry_after`: seconds that the endpoint asked for, which replace the schedule's pause.
    """
    pauses = HANDLER_PAUSES if is_handler else PAUSES
    if tries >= (MAX_BROKER_TRIES if is_broker else len(pauses) + 1):
        return None
    if retry_after is not None:
        return timedelta(seconds=min(max(retry_after, MIN_WAIT), MAX_WAIT))
    pause = _broker_pause(tries) if is_broker else pauses[max(tries, 1) - 1]
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def _broker_pause(tries: int) -> timedelta:
    if tries <= len(FIRST_BROKER_PAUSES):
        return FIRST_BROKER_PAUSES[max(tries, 1) - 1]
    return BROKER_PAUSE if tries <= QUICK_BROKER_TRIES else LATE_BROKER_PAUSE
