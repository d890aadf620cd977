"""The connections that wait for something: until when, and how much memory they take."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator

from hub.run.web_server.connection import SEND_SECONDS, Connection, State

REQUEST_SECONDS = 10.0  # for head and body together
CLOSING_SECONDS = 1.0  # for the client to read a last answer, and stop sending
SLOW_AFTER = 1.0  # seconds of one request, when others need the place


class Waiting:
    """All connections of a process but those that a thread works on."""

    def __init__(self, keep_alive_seconds: float) -> None:
        self.seconds = {
            State.READING: REQUEST_SECONDS,
            State.SENDING: SEND_SECONDS,
            State.IDLE: keep_alive_seconds,
            State.CLOSING: CLOSING_SECONDS,
        }
        # each in the order of its deadlines, since a state always lasts as long
        self._by_state: dict[State, OrderedDict[Connection, None]] = {
            state: OrderedDict() for state in self.seconds
        }
        self.held = 0  # bytes

    def of(self, state: State) -> OrderedDict[Connection, None]:
        """Return the connections in a state, the one that waits longest first."""
        return self._by_state[state]

    def all(self) -> list[Connection]:
        """Return every connection that waits."""
        return [conn for waiting in self._by_state.values() for conn in waiting]

    def enter(self, conn: Connection, state: State) -> None:
        """Put a connection into a state, with all of its time."""
        if conn.state in self._by_state:
            del self._by_state[conn.state][conn]
        if state in self._by_state:
            conn.deadline = time.monotonic() + self.seconds[state]
            self._by_state[state][conn] = None
        conn.state = state

    def seconds_left(self, most: float) -> float:
        """Return the time to the next deadline, at most `most`."""
        firsts = [next(iter(waiting)).deadline for waiting in self._by_state.values() if waiting]
        return max(0.0, min([most, *(deadline - time.monotonic() for deadline in firsts)]))

    def overdue(self) -> Iterator[Connection]:
        """Yield the connections whose time is up; each has to leave its state."""
        now = time.monotonic()
        for waiting in self._by_state.values():
            while waiting and (first := next(iter(waiting))).deadline <= now:
                yield first

    def count(self, conn: Connection) -> None:
        """Count the memory of a connection again."""
        held = 0 if conn.state is State.CLOSED else conn.size()
        self.held += held - conn.held
        conn.held = held

    def largest(self) -> Connection | None:
        """Return the connection that takes the most memory and can be dropped."""
        conns = [*self._by_state[State.READING], *self._by_state[State.SENDING]]
        largest = max(conns, key=lambda conn: conn.held, default=None)
        return largest if largest is not None and largest.held else None

    def least_needed(self) -> Connection | None:
        """Return the connection to close when others need its place; None without any."""
        reading = next(iter(self._by_state[State.READING]), None)
        if reading and reading.deadline - time.monotonic() < REQUEST_SECONDS - SLOW_AFTER:
            return reading
        for state in (State.CLOSING, State.IDLE, State.READING, State.SENDING):
            for conn in self._by_state[state]:
                return conn
        return None
