"""Addresses of the simulated receiver that fail on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.simulator.fault import Fault


@dataclass(frozen=True)
class Receiver(Fault):
    """An address that fails on purpose, with the headers of its response."""

    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """Return a short description of the response."""
        if self.hangs:
            return f"No response for {self.hangs:.0f} s"
        headers = ", ".join(f"{name}: {value}" for name, value in self.headers.items())
        response = f"{self.status} {headers}".strip()
        return f"{response} once for each event, then 200" if self.fails_once else response


RECEIVERS = (
    Receiver("400", "", "App refuses the event", 400),
    Receiver("401", "", "App refuses the signature", 401),
    Receiver("404", "", "Path does not exist", 404),
    Receiver("410", "", "App no longer wants events: the endpoint is disabled", 410),
    Receiver("429", "", "Rate limited", 429, fails_once=True, headers={"Retry-After": "2"}),
    Receiver("500", "", "App fails", 500),
    Receiver("500-once", "", "App fails, and accepts the second attempt", 500, fails_once=True),
    Receiver("503", "", "App is being updated", 503, headers={"Retry-After": "60"}),
    Receiver("redirect", "", "App has moved", 308, headers={"Location": "/receiver/ok"}),
    Receiver(
        "abort", "", "App gives up one event", 500, headers={"webhook-delivery": "abort-message"}
    ),
    Receiver("disable", "", "App unsubscribes", 200, headers={"webhook-delivery": "disable"}),
    Receiver("large", "", "App responds with 1 MB", 500),
    Receiver("slow", "", "App does not respond in time", 200, hangs=60),
)
