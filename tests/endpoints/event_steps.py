"""Steps of tests of the platform events that reach an endpoint."""

from __future__ import annotations

import json
from typing import Any

from hub.db.engine import db
from hub.endpoints.payloads import Audience, EventSet
from tests.endpoints.receivers import add_endpoint, deliveries

URL = "https://app.invalid/hooks"  # nothing is sent in these tests


def listen(source: str = "default", *patterns: str, test: bool = True) -> str:
    """Create an endpoint of a source for these events; return its ID."""
    return add_endpoint(URL, patterns or ("*",), source=source, test=test)[0]


def bodies(endpoint_id: str, source: str = "default") -> list[dict[str, Any]]:
    """Return the bodies that the endpoint would receive, oldest first, with addresses and texts."""
    ids = [row.event_id for row in deliveries(endpoint_id)]
    events = EventSet(ids)
    audience = Audience(source, test=True, with_addresses=True, with_texts=True)
    found = [json.loads(events.body(event_id, audience)) for event_id in ids]
    db.session.rollback()
    return found


def types(endpoint_id: str) -> list[str]:
    """Return the types of the events of an endpoint, oldest first."""
    return [row.type for row in deliveries(endpoint_id)]
