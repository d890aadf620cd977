"""Match event types with the patterns of an endpoint, such as `sms_*` and `opted_out`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from hub.core.errors import Refused
from hub.core.quotes import quoted

MAX_PATTERNS = 50
_FORM = re.compile(r"\*|[a-z][a-z0-9_]{0,60}\*?")


def matches(patterns: str, event_type: str) -> bool:
    """Return whether one of the stored patterns, separated by spaces, matches an event type."""
    return any(_matches_one(pattern, event_type) for pattern in patterns.split())


def _matches_one(pattern: str, event_type: str) -> bool:
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return event_type == pattern


def parse_patterns(patterns: Sequence[str], known_types: Collection[str]) -> str:
    """Return patterns as they are stored: sorted, each once.

    Raises Refused for a pattern of another form, or one that matches no known type.
    """
    chosen = sorted({pattern.strip() for pattern in patterns if pattern.strip()})
    if not chosen:
        raise Refused(
            "no_events", "Choose at least one event, or * for all of them.", field="events"
        )
    if len(chosen) > MAX_PATTERNS:
        reason = f"Choose at most {MAX_PATTERNS} patterns. A star shortens the list: sms_*"
        raise Refused("too_many_events", reason, field="events")
    for pattern in chosen:
        _check(pattern, known_types)
    return " ".join(chosen)


def _check(pattern: str, known_types: Collection[str]) -> None:
    if _FORM.fullmatch(pattern) is None:
        reason = (
            f"{quoted(pattern[:80])} is not a pattern. Use the name of an event such as opted_out,"
            " or its beginning and a star, such as sms_*."
        )
        raise Refused("bad_event_pattern", reason, field="events")
    if not any(_matches_one(pattern, event_type) for event_type in known_types):
        similar = get_close_matches(pattern, known_types, n=1)
        hint = f" Did you mean {similar[0]}?" if similar else ""
        reason = f"No event matches {quoted(pattern)}.{hint} The event catalog lists all of them."
        raise Refused("unknown_event", reason, field="events")
