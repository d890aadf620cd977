"""A provider's HTTP response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hub.lib import times
from hub.lib.storable import json_object

MAX_WAIT = 1_000_000.0  # seconds; a longer Retry-After is not meant


@dataclass(frozen=True)
class ProviderResponse:
    """The status, headers with names in lower case, and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    size: int = 0  # bytes of the body, also if it was only counted

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    @property
    def json(self) -> dict[str, Any]:
        """The object of a JSON body, with storable texts. Any other body gives {}."""
        return json_object(self.body)

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        """The objects of a body with one JSON text in each line. Other lines are left out."""
        return [found for line in self.body.splitlines() if (found := json_object(line))]

    @property
    def retry_after(self) -> float | None:
        """Seconds from a Retry-After header with a number or a date. None for anything else, and
        for many days.
        """
        seconds = self.requested_pause
        return seconds if seconds is not None and seconds < MAX_WAIT else None

    @property
    def requested_pause(self) -> float | None:
        """Seconds from a Retry-After header, however many. None for anything but a number or a
        date.
        """
        text = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return float(text)  # inf for a number that is too large
        retry_at = _parse_date(text)
        if retry_at is None:
            return None
        # by the server's own clock, if it sent a date
        sent_at = _parse_date(self.headers.get("date", "")) or datetime.now(UTC)
        return max((retry_at - sent_at).total_seconds(), 0.0)


def _parse_date(text: str) -> datetime | None:
    """Return the time of an HTTP date, or None if it is invalid."""
    try:
        parsed = parsedate_to_datetime(text)
        parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return parsed if times.in_range(parsed) else None
