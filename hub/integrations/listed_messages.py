"""Find a message of unknown outcome among those that a provider lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hub.lib import times

CLOCKS_APART = timedelta(minutes=1)  # of the provider's clock and Signpost's


def find_matches(
    listed: Iterable[Mapping[str, Any]],
    payload: Mapping[str, Any],
    since: datetime,
    fields: Sequence[str],
    time_field: str,
) -> list[Mapping[str, Any]]:
    """Return the listed messages that have the same `fields` as a payload and were sent since then.

    A field that is missing equals a blank one. `time_field` has seconds since 1970 or a text.
    """
    wanted = _content(payload, fields)
    return [
        message
        for message in listed
        if _content(message, fields) == wanted
        and (sent_at := _read_time(message.get(time_field))) is not None
        and sent_at >= since - CLOCKS_APART
    ]


def _content(message: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    return [str(message.get(name) or "").strip() for name in fields]


def _read_time(value: Any) -> datetime | None:
    is_number = isinstance(value, int | float)
    return times.from_unix(value) if is_number else times.parse_utc(value)
