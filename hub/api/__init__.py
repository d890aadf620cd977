"""The door of the signing apps: /api/v1/…, JSON in and out, an API key with every request.

guard        who asks                     events, messages, media, suppressions, requests
shapes       what goes in and comes out   operations   what each view declares about itself
problems     errors as RFC 9457           document, reference   OpenAPI and its page
"""

from __future__ import annotations

from flask import Blueprint, Flask

from hub.api import document as document
from hub.api import events, guard, media, messages, problems, requests, suppressions


def init_app(app: Flask) -> None:
    """Open the API's routes."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    guard.protect(api)
    problems.answer_errors_of(api)
    for module in (events, messages, media, suppressions, requests):
        api.register_blueprint(module.blueprint)
    app.register_blueprint(api)
    app.extensions["hub.nowhere"]["/api/"] = problems.http_problem
    app.register_blueprint(document.blueprint)
    lending = Blueprint("lending", __name__)  # for providers, who have a link and no key
    problems.answer_errors_of(lending)
    lending.register_blueprint(media.lending)
    app.register_blueprint(lending)
