"""Addresses of chat providers that fail on purpose.

One row per address contains both the simulated response and the text for the simulator's page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Fault:
    """The failure that one address simulates.

    The address is a channel, a chat, a webhook's secret, a workflow, a token or an email address.
    """

    address: str
    error: str
    title: str
    status: int = 200
    fails_once: bool = False  # fails only the first time that text is sent
    breaks: bool = False  # accepts the message, then returns the error
    hangs: float = 0  # accepts the message, and responds after so many seconds

    @property
    def answer(self) -> str:
        """Return a short description of the response."""
        if self.hangs:
            return f"No response for {self.hangs:.0f} s, but posted"
        response = f"{self.status} {self.error}".strip()
        if self.fails_once:
            return f"{response} once, then posted"
        return f"{response}, but posted" if self.breaks else response

    @property
    def accepts(self) -> bool:
        """True if a message is accepted, at least the second time."""
        return self.fails_once or self.breaks or self.hangs > 0

    def should_refuse(self, is_first: Callable[[], bool]) -> bool:
        """Return whether to refuse a message now.

        `is_first` returns whether this message is sent for the first time.
        """
        return is_first() if self.fails_once else not self.accepts


AnyFault = TypeVar("AnyFault", bound=Fault)


def find_fault(faults: Iterable[AnyFault], address: str) -> AnyFault | None:
    """Return the fault of this address, or None."""
    return next((fault for fault in faults if fault.address == address), None)
