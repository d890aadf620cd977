"""Steps of the tests of the Routing page: requests, forms, and what its pages say."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

from hub.accounts import sources
from hub.core.vocabulary import Audience, EventType
from hub.signing import accept, routes
from hub.signing.events import EventIn
from hub.signing.routes import RouteIn
from tests.conftest import Browser
from tests.hub_fixtures import event_body, source_id

URL = "/routing/sent/signer"
CELL = (EventType.SENT.value, Audience.SIGNER.value)
LADDER = {
    "steps-0-connective": "also",
    "steps-0-over": "whatsapp",
    "steps-1-connective": "otherwise",
    "steps-1-goal": "delivered",
    "steps-1-wait": "30",
    "steps-1-unit": "minutes",
    "steps-1-over": "sms",
    "steps-2-connective": "otherwise",
    "steps-2-goal": "opened",
    "steps-2-wait": "1",
    "steps-2-unit": "days",
    "steps-2-over": "email",
}


def stored(app: Flask, source: str = "") -> tuple[str, RouteIn] | None:
    """Return the ID and content of the route in force, of one source or of all."""
    with app.app_context():
        route = routes.read_routes_in_force(sources.get_source(source).id if source else None).get(
            CELL
        )
        return (route.id, routes.read_entry(route)) if route else None


def stored_id(app: Flask) -> str:
    route = stored(app)
    assert route
    return route[0]


def post_request(app: Flask) -> None:
    """Accept an event that asks a signer with a phone number only."""
    signer = {"id": "eric", "name": "Eric Smith", "mobile_number": "+13175551234"}
    body = event_body("request.sent", signers=[signer])
    with app.app_context():
        answer = accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        assert answer["messages"]


def seen(page: Any) -> str:
    found = re.search(r'name="seen"[^>]*value="([^"]*)"', page.text)
    assert found
    return found[1]


def save(admin: Browser, url: str = URL, **fields: str) -> Any:
    """Save the ladder with some fields changed, as a browser does after opening the page."""
    return admin.post(url, {"seen": seen(admin.get(url)), **LADDER, **fields, "do": "save"})


def words(page: Any) -> str:
    """Return the text of a page without tags, with single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())
