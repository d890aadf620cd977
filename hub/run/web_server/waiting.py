"""The waiting connections of a process, with their deadlines and their memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator

from hub.run.web_server.connection import SEND_SECONDS, Connection, State

REQUEST_SECONDS = 10.0  # for head and body together
CLOSING_SECONDS = 1.0  # for the client to read the last response and stop sending
SLOW_AFTER = 1.0  # seconds after which a request may be dropped for another


class WaitingConnections:
    """All connections of a process except those that a thread handles."""

    def __init__(self, keep_alive_seconds: float) -> None:
        self.seconds = {
            State.READING: REQUEST_SECONDS,
            State.SENDING: SEND_SECONDS,
            State.IDLE: keep_alive_seconds,
            State.CLOSING: CLOSING_SECONDS,
        }
        # each in the order of deadlines, because a state always has the same duration
        self._by_state: dict[State, OrderedDict[Connection, None]] = {
            state: OrderedDict() for state in self.seconds
        }
        self.memory = 0  # bytes

    def in_state(self, state: State) -> OrderedDict[Connection, None]:
        """Return the connections in a state, the one with the earliest deadline first."""
        return self._by_state[state]

    def all(self) -> list[Connection]:
        """Return every waiting connection."""
        return [conn for waiting in self._by_state.values() for conn in waiting]

    def enter(self, conn: Connection, state: State) -> None:
        """Move a connection to a state and start its full duration."""
        if conn.state in self._by_state:
            del self._by_state[conn.state][conn]
        if state in self._by_state:
            conn.deadline = time.monotonic() + self.seconds[state]
            self._by_state[state][conn] = None
        conn.state = state

    def seconds_left(self, maximum: float) -> float:
        """Return the seconds until the next deadline, at most `maximum`."""
        next_deadlines = [
            next(iter(waiting)).deadline for waiting in self._by_state.values() if waiting
        ]
        return max(
            0.0, min([maximum, *(deadline - time.monotonic() for deadline in next_deadlines)])
        )

    def overdue(self) -> Iterator[Connection]:
        """Yield the connections whose deadline passed. The caller must move each to another
        state.
        """
        now = time.monotonic()
        for waiting in self._by_state.values():
            while waiting and (first := next(iter(waiting))).deadline <= now:
                yield first

    def update_memory(self, conn: Connection) -> None:
        """Measure the memory of a connection again."""
        memory = 0 if conn.state is State.CLOSED else conn.memory_used()
        self.memory += memory - conn.memory
        conn.memory = memory

    def largest(self) -> Connection | None:
        """Return the connection with the most memory that can be dropped, or None."""
        conns = [*self._by_state[State.READING], *self._by_state[State.SENDING]]
        largest = max(conns, key=lambda conn: conn.memory, default=None)
        return largest if largest is not None and largest.memory else None

    def first_to_close(self) -> Connection | None:
        """Return the connection to close first, or None."""
        reading = next(iter(self._by_state[State.READING]), None)
        if reading and reading.deadline - time.monotonic() < REQUEST_SECONDS - SLOW_AFTER:
            return reading
        for state in (State.CLOSING, State.IDLE, State.READING, State.SENDING):
            for conn in self._by_state[state]:
                return conn
        return None
