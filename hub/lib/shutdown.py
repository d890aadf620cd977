"""The end of a bounded run."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType


class ShutdownSignal:
    """Tells when to end: asked by a signal, orphaned, or after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.asked = threading.Event()
        self._deadline = time.monotonic() + seconds
        self._parent = os.getppid()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.asked.set()

    @property
    def told(self) -> bool:
        """True when asked to end, or orphaned."""
        return self.asked.is_set() or os.getppid() != self._parent

    @property
    def now(self) -> bool:
        return self.told or time.monotonic() > self._deadline
