"""Addresses of chat providers that fail on purpose: what the simulator does there, and what its
pages say of it, are one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Fault:
    """The faulty answer for one address: a channel, a chat, a webhook's secret, a workflow, a
    token, an e-mail address.
    """

    address: str
    error: str
    title: str
    status: int = 200
    once: bool = False  # the first time a text is sent, then fine
    breaks: bool = False  # takes the message, and then answers so
    hangs: float = 0  # takes the message, and answers after so many seconds

    @property
    def answer(self) -> str:
        """Say in a few words what comes back."""
        if self.hangs:
            return f"No response for {self.hangs:.0f} s, but posted"
        said = f"{self.status} {self.error}".strip()
        if self.once:
            return f"{said} once, then posted"
        return f"{said}, but posted" if self.breaks else said

    @property
    def takes(self) -> bool:
        """True when a message is taken there, at least the second time."""
        return self.once or self.breaks or self.hangs > 0

    def refuses(self, stumbles: Callable[[], bool]) -> bool:
        """Tell whether a message is refused now; `stumbles` tells whether it is met for the first
        time.
        """
        return stumbles() if self.once else not self.takes


AnyFault = TypeVar("AnyFault", bound=Fault)


def find(rows: Iterable[AnyFault], address: str) -> AnyFault | None:
    return next((one for one in rows if one.address == address), None)
