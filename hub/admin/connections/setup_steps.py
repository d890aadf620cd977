"""List the steps of setting up a connection, with the state of each."""

from __future__ import annotations

from hub.core.vocabulary import ConnectionState
from hub.models import Connection

MESSAGE = "Test message"  # the title of the last step
EVENT = "First event"  # and that of a signing app
Step = tuple[str, str]  # its title, and its state: 'done', 'stuck', 'here' or ''


def list_setup_steps(
    connection: Connection | None,
    *,
    sent_one: bool,
    passed: bool | None = None,
    last: str = MESSAGE,
) -> list[Step]:
    """Return the steps for a connection, or None for a new one, in the order in which they follow.

    The state 'here' marks the first step to do. `sent_one`: a test message was sent, or an event
    received. `passed`: the result of a test that this page shows, None without one. `last`: the
    title of the last step.
    """
    if connection is None:
        return _mark_next([("Settings", ""), _test_step(passed), ("Enable", ""), (last, "")])
    if passed is None and connection.ready:
        passed = True
    if passed is None and connection.checked_ok is False:
        passed = False
    if connection.state == ConnectionState.BROKEN:
        passed = False
    return _mark_next(
        [
            ("Settings", "done" if connection.settings_version else ""),
            _test_step(passed),
            ("Enabled", "done") if connection.enabled else ("Enable", ""),
            (last, "done" if sent_one else ""),
        ]
    )


def _test_step(passed: bool | None) -> Step:
    if passed is None:
        return ("Test", "")
    return ("Test", "done") if passed else ("Test failed", "stuck")


def _mark_next(steps: list[Step]) -> list[Step]:
    states = [state for _, state in steps]
    if "stuck" in states or "" not in states:
        return steps
    first = states.index("")
    return [
        (title, "here" if index == first else state) for index, (title, state) in enumerate(steps)
    ]
