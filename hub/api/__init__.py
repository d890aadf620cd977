"""The API of the signing apps: /api/v1/…, JSON in and out, an API key with every request.

guard        who asks                     events, messages, media, suppressions, requests
shapes       what goes in and comes out   operations   what each view declares about itself
problems     errors as RFC 9457           document, reference   OpenAPI and its page
"""

from __future__ import annotations

from flask import Blueprint, Flask

from hub.api import document as document
from hub.api import events, guard, media, messages, problems, requests, suppressions
from hub.lib import request_checks, unmatched


def init_app(app: Flask) -> None:
    """Register the routes of the API."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    request_checks.protect(api)
    guard.protect(api)
    problems.answer_errors_of(api)
    for module in (events, messages, media, suppressions, requests):
        api.register_blueprint(module.blueprint)
    app.register_blueprint(api)
    unmatched.answer_below(app, "/api/", request_checks.protected(problems.http_problem))
    app.register_blueprint(document.blueprint)
    lending = Blueprint("lending", __name__)  # for providers, who have a link and no key
    request_checks.protect(lending)
    problems.answer_errors_of(lending)
    lending.register_blueprint(media.lending)
    app.register_blueprint(lending)
