"""The JSON API for signing apps under /api/v1/. Every request carries an API key.

events, messages, media, suppressions, requests, evidence, webhook_endpoints   the views
shapes, request_shapes, consent_shapes, webhook_shapes, fields   the schemas
guard, scopes                                     API keys, rate limits and scopes
operations                                        the description that each view declares
problems, error_codes                             errors as RFC 9457 problem details
document, webhook_document, reference             the OpenAPI document and its page
"""

from __future__ import annotations

from flask import Blueprint, Flask

from hub.api import document as document
from hub.api import (
    events,
    evidence,
    guard,
    media,
    messages,
    problems,
    requests,
    suppressions,
    webhook_endpoints,
)
from hub.lib import request_checks, unmatched


def init_app(app: Flask) -> None:
    """Register the API's routes."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    request_checks.add_request_checks(api)
    guard.require_api_key(api)
    problems.register_error_handlers(api)
    for module in (events, messages, media, suppressions, requests, evidence, webhook_endpoints):
        api.register_blueprint(module.blueprint)
    app.register_blueprint(api)
    unmatched.register_fallback(
        app, "/api/", request_checks.with_request_checks(problems.http_problem)
    )
    app.register_blueprint(document.blueprint)
    lending = Blueprint("lending", __name__)  # for providers, which have a link but no key
    request_checks.add_request_checks(lending)
    problems.register_error_handlers(lending)
    lending.register_blueprint(media.lending)
    app.register_blueprint(lending)
