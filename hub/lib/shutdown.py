"""Detect when a process should end."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType


class ShutdownSignal:
    """Reports when to end: after a signal, without a parent process, or after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.received_signal = threading.Event()
        self._deadline = time.monotonic() + seconds
        self._parent = os.getppid()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self.received_signal.set()

    @property
    def is_requested(self) -> bool:
        """True after a signal, or if the parent process ended."""
        return self.received_signal.is_set() or os.getppid() != self._parent

    @property
    def is_due(self) -> bool:
        return self.is_requested or time.monotonic() > self._deadline
