"""The steps of setting up a connection, and how far one is."""

from __future__ import annotations

from hub.core.vocabulary import ConnectionState
from hub.models import Connection

Step = tuple[str, str]  # its title, and `done`, `stuck`, `here` or nothing


def steps(connection: Connection | None, *, sent_one: bool) -> list[Step]:
    """List the steps for a connection, or for one that is not stored yet, in the order in which
    they are possible: only an enabled connection sends. `here` is the first that is still to do.
    """
    if connection is None:
        return _with_here(
            [("Settings", ""), ("Test", ""), ("Enable", ""), ("Send a test message", "")]
        )
    stuck = connection.checked_ok is False or connection.state == ConnectionState.BROKEN
    return _with_here(
        [
            ("Settings", "done" if connection.settings_version else ""),
            ("Test failed", "stuck") if stuck else ("Test", "done" if connection.ready else ""),
            ("Enabled", "done") if connection.enabled else ("Enable", ""),
            ("Send a test message", "done" if sent_one else ""),
        ]
    )


def _with_here(found: list[Step]) -> list[Step]:
    states = [state for _, state in found]
    if "stuck" in states or "" not in states:
        return found
    first = states.index("")
    return [
        (title, "here" if index == first else state) for index, (title, state) in enumerate(found)
    ]
