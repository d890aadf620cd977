"""Process the callbacks that wait, before a decision that depends on them."""

from __future__ import annotations

import time

from hub.db.engine import db
from hub.db.types import now
from hub.intake import process_callbacks

MAX_WAIT = 2.0  # seconds to wait for callbacks that other workers process


def process_waiting() -> bool:
    """Process the callbacks that were received until now; return whether none is left.

    Other workers may be processing some of them, so this waits for a moment.
    """
    received_until = now()
    deadline = time.monotonic() + MAX_WAIT
    while process_callbacks.is_due(received_until):
        db.session.rollback()
        if not process_callbacks.process_batch(received_until):
            if time.monotonic() >= deadline:
                return False
            time.sleep(process_callbacks.IDLE_PAUSE)
    db.session.rollback()
    return True
