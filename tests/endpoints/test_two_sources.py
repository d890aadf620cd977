"""Two sources with an endpoint each: neither ever sees an event of the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count as numbers

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.endpoints import endpoints
from hub.messaging.compose import direct
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.send.connection_pause import pause_connection
from hub.models import Connection, PlatformEvent
from tests.effort import examples
from tests.endpoints.event_steps import bodies, listen
from tests.endpoints.receivers import deliveries, report, source_named
from tests.hub_fixtures import set_connection_state

SOURCES = ("default", "leases")
STEPS = ("status", "write", "block", "consent", "object", "block for all", "break")
NUMBERS = numbers(2_000_000)


@dataclass
class World:
    """Two sources that write to one contact, and the events that each of them caused."""

    connection_id: str
    address: str
    has_written: set[str] = field(default_factory=set)
    caused: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in SOURCES})

    def act(self, source: str, step: str) -> None:
        source_id = source_named(source)
        before = _event_ids()
        match step:
            case "status":
                report(source=source)
            case "write":
                direct.send_message(
                    to=self.address, text="Sign.", channel="sms", test=True, source_id=source_id
                )
                self.has_written.add(source)
            case "block":
                suppressions.add_opt_out(self.address, test=True, reason="api", source_id=source_id)
            case "consent" | "object":
                entry = ConsentEntry(self.address, step == "consent", channel="sms")
                consents.record_consent(entry, source="api", test=True, source_id=source_id)
            case "block for all":
                row = suppressions.add_opt_out(self.address, test=True)
                suppressions.lift_opt_out(row.id, reason="Asked.")
            case "break":
                pause_connection(self.connection_id, "Broken.")
                set_connection_state(self.connection_id, ConnectionState.ENABLED)
        added = _event_ids() - before
        if step in ("block for all", "break"):
            self._check_shared_events(added, step)
        else:
            self.caused[source] |= added

    def _check_shared_events(self, added: set[str], step: str) -> None:
        """Give each event about both sources to the source that it names."""
        named: dict[str, set[str]] = {name: set() for name in SOURCES}
        for event_id in added:
            event = db.session.get_one(PlatformEvent, event_id)
            [name] = [name for name in SOURCES if source_named(name) == event.source_id]
            named[name].add(event_id)
        concerned = self.has_written if step == "block for all" else set(SOURCES)
        assert {name for name in SOURCES if named[name]} <= concerned
        for name in SOURCES:
            self.caused[name] |= named[name]


def _event_ids() -> set[str]:
    db.session.rollback()
    return set(db.session.scalars(select(PlatformEvent.id)))


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(SOURCES), st.sampled_from(STEPS)), max_size=12))
def test_neither_source_sees_an_event_of_the_other(
    hub_demo: Flask, connection: Connection, steps: list[tuple[str, str]]
) -> None:
    listeners = {name: listen(name) for name in SOURCES}
    world = World(connection.id, f"+1317{next(NUMBERS)}")
    for source, step in steps:
        world.act(source, step)
    for name, endpoint_id in listeners.items():
        assert {row.event_id for row in deliveries(endpoint_id)} == world.caused[name]
        assert {body["source"] for body in bodies(endpoint_id, name)} <= {name}
        endpoints.delete(endpoint_id)
    assert world.caused[SOURCES[0]].isdisjoint(world.caused[SOURCES[1]])
