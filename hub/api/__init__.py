"""The door of the signing apps: /api/v1/…, JSON in and out, an API key with every request.

    guard      who asks        problems   errors as RFC 9457      events, messages, requests   the routes
    shapes     what goes in and comes out                         document, reference          OpenAPI and its page
"""

from __future__ import annotations

from flask import Flask

from hub.api import document as document
from hub.api import events, guard, messages, problems, requests


def init_app(app: Flask) -> None:
    """Open the API's routes."""
    for module in (events, messages, requests, document):
        app.register_blueprint(module.blueprint)
    guard.init_app(app, [events.blueprint.name, messages.blueprint.name, requests.blueprint.name])
    problems.init_app(app)
