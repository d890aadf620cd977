"""List the steps of setting up a connection, with the state of each."""

from __future__ import annotations

from hub.core.vocabulary import ConnectionState
from hub.models import Connection

Step = tuple[str, str]  # its title, and its state: 'done', 'stuck', 'here' or ''


def list_setup_steps(connection: Connection | None, *, sent_one: bool) -> list[Step]:
    """Return the steps for a connection, or None for a new one, in the order in which they follow.

    The state 'here' marks the first step to do. `sent_one`: a test message was sent.
    """
    if connection is None:
        return _mark_next(
            [("Settings", ""), ("Test", ""), ("Enable", ""), ("Send a test message", "")]
        )
    stuck = connection.checked_ok is False or connection.state == ConnectionState.BROKEN
    return _mark_next(
        [
            ("Settings", "done" if connection.settings_version else ""),
            ("Test failed", "stuck") if stuck else ("Test", "done" if connection.ready else ""),
            ("Enabled", "done") if connection.enabled else ("Enable", ""),
            ("Send a test message", "done" if sent_one else ""),
        ]
    )


def _mark_next(listed: list[Step]) -> list[Step]:
    states = [state for _, state in listed]
    if "stuck" in states or "" not in states:
        return listed
    first = states.index("")
    return [
        (title, "here" if index == first else state) for index, (title, state) in enumerate(listed)
    ]
