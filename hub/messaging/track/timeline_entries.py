"""Define the entries of the timeline of a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Entry:
    """One entry of a timeline: `kind` for programs, `title` and `text` for people.

    The numbers are set if the entry is about a call of the provider.
    """

    at: datetime
    kind: str
    title: str
    text: str = ""
    status: str | None = None
    source: str = "hub"
    attempt: int | None = None
    provider_status: str = ""
    code: str = ""
    http_status: int | None = None
    provider_request: str = ""
    milliseconds: int | None = None
    event: str = ""  # the type of the platform event that it caused
    decisive: bool = False
